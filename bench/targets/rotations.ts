import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config/config.ts';
import { generateRootKey, rootKeySource } from '../../src/config/root-keys.ts';
import { grow } from '../grow.ts';
import { type Load, run } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median, pause } from '../statistics.ts';
import { adminToken, person, startWorld, type World } from '../world.ts';

interface Job {
  readonly id: string;
  readonly state: string;
  readonly done: number;
  readonly started_at: string;
  readonly finished_at: string | null;
}

/** Few enough that the service has room, so that what the job takes from it shows. */
const revealsPerSecond = 500;

const pollMs = 25;

const until = async (world: World, token: string, id: string, isSo: (job: Job) => boolean): Promise<Job> => {
  for (;;) {
    const job = await world.call<Job>('GET', `/admin/jobs/${id}`, { token });
    if (isSo(job)) return job;
    await pause(pollMs);
  }
};

/** Owner keys a second that move to a new root key. */
const rewrapPerSecond = async (world: World, token: string): Promise<number> => {
  const { job } = await world.call<{ job: Job }>('POST', '/admin/keys/rotate-root', { token });
  const ended = await until(world, token, job.id, ({ state }) => state === 'done');
  return ended.done / ((Date.parse(ended.finished_at ?? '') - Date.parse(ended.started_at)) / 1000);
};

/** Has all values of a user move to a new owner key. Resolves when they have, before the old key is destroyed. */
const reencrypt = async (world: World, token: string, user: { id: string; ids: readonly string[] }) => {
  const job = await world.call<Job>('POST', '/admin/keys/reencrypt', { token, body: { user_id: user.id } });
  const begun = performance.now();
  await until(world, token, job.id, ({ done }) => done >= user.ids.length);
  return { perSecond: user.ids.length / ((performance.now() - begun) / 1000) };
};

/** P6: moving owner keys to a new root key, and values to a new owner key, with what reveals notice of it. */
export const rotations = async (options: Options): Promise<Finding[]> => {
  const { seconds, say, grown } = options;
  const directory = await mkdtemp(join(tmpdir(), 'keyhold-bench-key-'));
  const path = join(directory, 'root.key');
  await writeFile(path, `${generateRootKey()}\n`, { mode: 0o600 });
  await using world = await startWorld({ KEYHOLD_ROOT_KEYS: '', KEYHOLD_ROOT_KEY_FILE: path });
  const database = await world.open();
  say(`making ${grown.users} users`);
  const rootKeys = rootKeySource({ KEYHOLD_ROOT_KEY_FILE: path }, '');
  await grow({ config: readConfig({}), rootKeys, database, users: grown.users, owners: 0, secretsEach: 0 });
  await database.close();
  const ada = await person(world, 'ada', Math.ceil(6000 * (seconds + 1)));
  const grace = await person(world, 'grace', 1000);
  const token = await adminToken(world);
  const load: Load = {
    urls: [world.service.url],
    connections: 64,
    seconds,
    rate: revealsPerSecond,
    headers: { authorization: `Bearer ${grace.token}` },
    requests: grace.ids.map((id) => ({ method: 'GET', path: `/api/v1/secrets/${id}/value` })),
  };
  const measured = await alternate(options, {
    'rewrapped owner keys/s': () => rewrapPerSecond(world, token),
    're-encrypted values/s': async () => (await reencrypt(world, token, ada)).perSecond,
    'p99 of reveals, idle, ms': async () => (await run(load)).p99,
    'p99 of reveals while re-encrypting, ms': async () => {
      const job = reencrypt(world, token, ada);
      const { p99 } = await run(load);
      await job;
      return p99;
    },
  });
  await rm(directory, { recursive: true, force: true });
  const idle = measured['p99 of reveals, idle, ms'];
  const busy = measured['p99 of reveals while re-encrypting, ms'];
  return [
    {
      target: 'P6',
      what: 'owner keys moved to a new root key',
      unit: '/s',
      ours: figure(measured['rewrapped owner keys/s']),
      baseline: null,
      reached: median(measured['rewrapped owner keys/s']),
      bound: { is: 'at least', value: 20_000, unit: '/s' },
    },
    {
      target: 'P6',
      what: 'values moved to a new owner key',
      unit: '/s',
      ours: figure(measured['re-encrypted values/s']),
      baseline: null,
      reached: median(measured['re-encrypted values/s']),
      bound: { is: 'at least', value: 5000, unit: '/s' },
    },
    {
      target: 'P6',
      what: `p99 of ${revealsPerSecond} reveals/s meanwhile`,
      unit: 'ms',
      ours: figure(busy),
      baseline: { what: 'idle', unit: 'ms', figure: figure(idle) },
      reached: median(busy) / median(idle),
      bound: { is: 'at most', value: 2, unit: '×' },
    },
  ];
};
