import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { alternate, type Options } from '../options.ts';
import { root } from '../processes.ts';
import type { Finding } from '../report.ts';
import { installRunners, secretCount } from '../secret-runners.ts';
import { figure, median } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const lineCount = 290_000;

/** An access log of about 49 MB, in which values stand now and then. */
const accessLog = (values: readonly string[]): string =>
  Array.from({ length: lineCount }, (_, at) => {
    const client = `10.${at % 7}.${at % 251}.${(at * 7) % 253}`;
    const request = `GET /api/v1/orders/${at * 31}?page=${at % 90} HTTP/1.1`;
    const agent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)';
    const more = at % 1000 === 0 ? ` token=${values[(at / 1000) % values.length]}` : '';
    return `${client} - - [28/Nov/2026:13:${at % 60}:07 +0000] "${request}" 200 ${at % 5000} "${agent}"${more}`;
  }).join('\n');

/** P11: what masking the output of a command costs, beside varlock on the same file. */
export const mask = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', secretCount);
  await using runners = await installRunners(ada.values);
  const log = join(runners.directory, 'access.log');
  const text = accessLog(ada.values);
  await writeFile(log, text);
  const megabytes = Buffer.byteLength(text) / 1e6;
  const env = { ...process.env, KEYHOLD_CLI_SERVER: world.service.url, KEYHOLD_CLI_TOKEN: ada.token };
  const timed = (cwd: string, ...args: string[]): (() => Promise<number>) => {
    return async () => {
      const begun = performance.now();
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, maxBuffer: 2 ** 28 });
      if (status !== 0) throw new Error(`${args.join(' ')} ended in ${status}: ${stderr}`);
      if (ada.values.some((value) => stdout.includes(value))) throw new Error(`${args[0]} let a value through`);
      return megabytes / ((performance.now() - begun) / 1000);
    };
  };
  const measured = await alternate(options, {
    'keyhold, MB/s': timed(root, 'bin/keyhold.mjs', 'run', '--', 'cat', log),
    'varlock, MB/s': timed(runners.directory, runners.programs.varlock, 'run', '--', 'cat', log),
  });
  return [
    {
      target: 'P11',
      what: `masking a log of ${Math.round(megabytes)} MB with ${secretCount} secrets, from start to end`,
      unit: 'MB/s',
      ours: figure(measured['keyhold, MB/s']),
      baseline: { what: 'varlock', unit: 'MB/s', figure: figure(measured['varlock, MB/s']) },
      reached: median(measured['keyhold, MB/s']) / median(measured['varlock, MB/s']),
      bound: { is: 'at least', value: 1, unit: '×' },
    },
  ];
};
