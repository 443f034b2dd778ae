import { spawnSync } from 'node:child_process';
import { alternate, type Options } from '../options.ts';
import { root } from '../processes.ts';
import type { Finding } from '../report.ts';
import { installRunners, secretCount } from '../secret-runners.ts';
import { figure, median } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const times = 10;

/** P8: what the command line adds to what it runs. */
export const commands = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', secretCount);
  await using runners = await installRunners(ada.values);
  const env = { ...process.env, KEYHOLD_CLI_SERVER: world.service.url, KEYHOLD_CLI_TOKEN: ada.token };
  const timedIn =
    (cwd: string, program: string, ...args: string[]) =>
    async (): Promise<number> => {
      const each = Array.from({ length: times }, () => {
        const begun = performance.now();
        const { status, stderr } = spawnSync(program, args, { cwd, env, encoding: 'utf8' });
        if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended in ${status}: ${stderr}`);
        return performance.now() - begun;
      });
      return median(each);
    };
  const timed = (program: string, ...args: string[]) => timedIn(root, program, ...args);
  const node = process.execPath;
  const { directory, programs } = runners;
  const measured = await alternate(options, {
    'node -e 0, ms': timed(node, '-e', '0'),
    'keyhold --help, ms': timed(node, 'bin/keyhold.mjs', '--help'),
    'keyhold run -- true, ms': timed(node, 'bin/keyhold.mjs', 'run', '--', 'true'),
    'varlock, ms': timedIn(directory, node, programs.varlock, 'run', '--', 'true'),
    'dotenvx, ms': timedIn(directory, node, programs.dotenvx, 'run', '--', 'true'),
    'dotenv-cli, ms': timedIn(directory, node, programs['dotenv-cli'], '--', 'true'),
  });
  const bare = figure(measured['node -e 0, ms']);
  const runs = measured['keyhold run -- true, ms'];
  const helps = measured['keyhold --help, ms'];
  const nodeZero = { what: 'node -e 0', unit: 'ms', figure: bare };
  return [
    {
      target: 'P8',
      what: `keyhold run -- true with ${secretCount} secrets`,
      unit: 'ms',
      ours: figure(runs),
      baseline: nodeZero,
      reached: median(runs) / bare.median,
      bound: { is: 'at most', value: 2.5, unit: '×' },
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
    ...(['varlock', 'dotenvx', 'dotenv-cli'] as const).map((name): Finding => {
      const theirs = figure(measured[`${name}, ms`]);
      return {
        target: 'P8',
        what: `keyhold run -- true beside ${name}`,
        unit: 'ms',
        ours: figure(runs),
        baseline: { what: name, unit: 'ms', figure: theirs },
        reached: median(runs) / theirs.median,
        bound: null,
      };
    }),
  ];
};
