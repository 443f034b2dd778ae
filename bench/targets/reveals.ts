import type pg from 'pg';
import { serverOf } from '../cpu.ts';
import { type Load, type Metered, run, runMetered } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import { type Running, startBareFastify, startFloor } from '../processes.ts';
import type { Finding } from '../report.ts';
import { type Figure, figure, median } from '../statistics.ts';
import { person, startWorld, type World } from '../world.ts';

const connections = 64;
const manySecrets = 1000;
const batch = 100;
/** The rate at which latency is looked at on every machine, in requests a second. */
const namedRate = 2000;

interface Scene {
  readonly options: Options;
  readonly world: World;
  readonly database: number;
  readonly bare: Running;
  readonly floor: Running;
  readonly single: Load;
  readonly hundred: Load;
}

const constantOf = (scene: Scene, { url }: Running, connectionCount = connections): Load => ({
  ...scene.single,
  urls: [url],
  connections: connectionCount,
  requests: [{ method: 'GET', path: '/constant' }],
});

const micros = (rounds: readonly number[]): Figure => figure(rounds);

/** P1: how many reveals a second, beside the floor and bare Fastify, and what each costs. */
const throughput = async (scene: Scene): Promise<{ readonly findings: Finding[]; readonly perSecond: number }> => {
  const { options, world, database, single } = scene;
  const costs: Metered[] = [];
  const ofFloor: Metered[] = [];
  const measured = await alternate(options, {
    'bare Fastify/s': async () => (await run(constantOf(scene, scene.bare))).perSecond,
    'floor/s': async () => {
      ofFloor.push(await runMetered(constantOf(scene, scene.floor), scene.floor.pid, database));
      return ofFloor.at(-1)?.perSecond ?? 0;
    },
    'reveals/s': async () => {
      costs.push(await runMetered(single, world.service.pid, database));
      return costs.at(-1)?.perSecond ?? 0;
    },
  });
  const ours = figure(measured['reveals/s']);
  const floor = figure(measured['floor/s']);
  const bare = figure(measured['bare Fastify/s']);
  const cost = (what: 'serviceMicros' | 'databaseMicros', by: readonly Metered[]): Figure =>
    micros(by.slice(1).map((one) => one[what]));
  const share = (of: 'floor/s' | 'bare Fastify/s'): number =>
    median(measured['reveals/s'].map((perSecond, round) => perSecond / (measured[of][round] ?? Number.NaN)));
  const common = { target: 'P1', unit: '/s', ours };
  const findings: Finding[] = [
    {
      ...common,
      what: 'single reveals, 64 connections',
      baseline: { what: 'floor', unit: '/s', figure: floor },
      reached: share('floor/s'),
      bound: { is: 'at least', value: 0.5, unit: '' },
    },
    {
      ...common,
      what: 'the same beside bare Fastify',
      baseline: { what: 'bare Fastify', unit: '/s', figure: bare },
      reached: share('bare Fastify/s'),
      bound: null,
    },
    ...(['serviceMicros', 'databaseMicros'] as const).map((what): Finding => {
      const [own, its] = [cost(what, costs), cost(what, ofFloor)];
      return {
        target: 'P1',
        what: `CPU of a reveal, ${what === 'serviceMicros' ? 'service' : 'database'}`,
        unit: 'µs',
        ours: own,
        baseline: { what: 'floor', unit: 'µs', figure: its },
        reached: own.median / its.median,
        bound: null,
      };
    }),
  ];
  return { findings, perSecond: ours.median };
};

/** P2: how long a reveal takes under load. */
const underLoad = async ({ options, single }: Scene, perSecond: number): Promise<Finding[]> => {
  const at = async (rate: number): Promise<number> => (await run({ ...single, rate })).p99;
  const measured = await alternate(options, {
    'p99 at 2,000/s, ms': () => at(namedRate),
    'p99 at half load, ms': () => at(perSecond / 2),
  });
  const finding = (what: string, rounds: readonly number[], bound: number): Finding => ({
    target: 'P2',
    what,
    unit: 'ms',
    ours: figure(rounds),
    baseline: null,
    reached: median(rounds),
    bound: { is: 'at most', value: bound, unit: ' ms' },
  });
  return [
    finding('p99 of a reveal at 2,000/s', measured['p99 at 2,000/s, ms'], 15),
    finding('p99 of a reveal at half of P1', measured['p99 at half load, ms'], 20),
  ];
};

/** P2 and P4: one at a time, a single one and a batch of a hundred. */
const alone = async (scene: Scene): Promise<Finding[]> => {
  const { options, world, database, single, hundred } = scene;
  const one = { ...single, connections: 1 };
  const ofBatch: number[] = [];
  const measured = await alternate(options, {
    'floor alone, ms': async () => (await run(constantOf(scene, scene.floor, 1))).p50,
    'reveal alone, ms': async () => (await run(one)).p50,
    'CPU of a value in a batch, µs': async () => {
      const { serviceMicros, databaseMicros, p50 } = await runMetered(hundred, world.service.pid, database);
      ofBatch.push(p50);
      return (serviceMicros + databaseMicros) / batch;
    },
  });
  const reveal = figure(measured['reveal alone, ms']);
  const each = figure(measured['CPU of a value in a batch, µs']);
  return [
    {
      target: 'P2',
      what: 'p50 of a reveal alone',
      unit: 'ms',
      ours: reveal,
      baseline: { what: 'floor alone', unit: 'ms', figure: figure(measured['floor alone, ms']) },
      reached: reveal.median / median(measured['floor alone, ms']),
      bound: { is: 'at most', value: 2, unit: '×' },
    },
    {
      target: 'P4',
      what: 'CPU of service and database for each value in a batch of 100',
      unit: 'µs',
      ours: each,
      baseline: { what: 'p50 of the batch', unit: 'ms', figure: figure(ofBatch.slice(1)) },
      reached: each.median,
      bound: { is: 'at most', value: 50, unit: ' µs' },
    },
  ];
};

const serverPid = async (world: World): Promise<number> => {
  const client: pg.Client = await world.connect();
  try {
    return await serverOf(client);
  } finally {
    await client.end();
  }
};

/** P1, P2 and P4: reveals, each with its own committed audit record. */
export const reveals = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', manySecrets);
  const headers = { authorization: `Bearer ${ada.token}` };
  const size = Buffer.byteLength(JSON.stringify(await world.call('GET', `/secrets/${ada.ids[0]}/value`, ada)));
  await using bare = await startBareFastify(size);
  await using floor = await startFloor(await world.url(), size);
  const single: Load = {
    urls: [world.service.url],
    connections,
    seconds: options.seconds,
    headers,
    requests: ada.ids.map((id) => ({ method: 'GET', path: `/api/v1/secrets/${id}/value` })),
  };
  const body = JSON.stringify({ ids: ada.ids.slice(0, batch) });
  const hundred: Load = {
    ...single,
    connections: 1,
    requests: [{ method: 'POST', path: '/api/v1/secrets/reveal', body }],
  };
  const scene: Scene = { options, world, database: await serverPid(world), bare, floor, single, hundred };
  const { findings, perSecond } = await throughput(scene);
  return [...findings, ...(await underLoad(scene, perSecond)), ...(await alone(scene))];
};
