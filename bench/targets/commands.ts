import { spawnSync } from 'node:child_process';
import { alternate, type Options } from '../options.ts';
import { root } from '../processes.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const times = 10;

/** P8: what the command line adds to what it runs. */
export const commands = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', 5);
  const env = { ...process.env, KEYHOLD_CLI_SERVER: world.service.url, KEYHOLD_CLI_TOKEN: ada.token };
  const timed =
    (program: string, ...args: string[]) =>
    async (): Promise<number> => {
      const each = Array.from({ length: times }, () => {
        const begun = performance.now();
        const { status, stderr } = spawnSync(program, args, { cwd: root, env, encoding: 'utf8' });
        if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended in ${status}: ${stderr}`);
        return performance.now() - begun;
      });
      return median(each);
    };
  const node = process.execPath;
  const measured = await alternate(options, {
    'true, ms': timed('true'),
    'node -e 0, ms': timed(node, '-e', '0'),
    'keyhold --help, ms': timed(node, 'bin/keyhold.mjs', '--help'),
    'keyhold run -- true, ms': timed(node, 'bin/keyhold.mjs', 'run', '--', 'true'),
  });
  const bare = figure(measured['node -e 0, ms']);
  const runs = measured['keyhold run -- true, ms'];
  const helps = measured['keyhold --help, ms'];
  const added = runs.map((ms, round) => ms - (measured['true, ms'][round] ?? 0));
  const nodeZero = { what: 'node -e 0', unit: 'ms', figure: bare };
  const thrice = { is: 'at most', value: 3, unit: '×' } as const;
  return [
    {
      target: 'P8',
      what: 'keyhold run -- true adds to true',
      unit: 'ms',
      ours: figure(added),
      baseline: { what: 'true', unit: 'ms', figure: figure(measured['true, ms']) },
      reached: median(added),
      bound: { is: 'at most', value: 150, unit: ' ms' },
    },
    {
      target: 'P8',
      what: 'keyhold run -- true',
      unit: 'ms',
      ours: figure(runs),
      baseline: nodeZero,
      reached: median(runs) / bare.median,
      bound: thrice,
    },
    {
      target: 'P8',
      what: 'keyhold --help',
      unit: 'ms',
      ours: figure(helps),
      baseline: null,
      reached: median(helps),
      bound: { is: 'at most', value: 120, unit: ' ms' },
    },
    {
      target: 'P8',
      what: 'keyhold --help',
      unit: 'ms',
      ours: figure(helps),
      baseline: nodeZero,
      reached: median(helps) / bare.median,
      bound: thrice,
    },
  ];
};
