import { type Load, run } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import { startBareFastify } from '../processes.ts';
import type { Finding } from '../report.ts';
import { figure, median, quantile } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const connections = 64;
const manySecrets = 1000;
const batch = 100;

/** P1, P2 and P4: reveals, each with its own committed audit record. */
export const reveals = async (options: Options): Promise<Finding[]> => {
  const { seconds } = options;
  await using world = await startWorld();
  const ada = await person(world, 'ada', manySecrets);
  const headers = { authorization: `Bearer ${ada.token}` };
  const size = Buffer.byteLength(JSON.stringify(await world.call('GET', `/secrets/${ada.ids[0]}/value`, ada)));
  await using bare = await startBareFastify(size);

  const single: Load = {
    urls: [world.service.url],
    connections,
    seconds,
    headers,
    requests: ada.ids.map((id) => ({ method: 'GET', path: `/api/v1/secrets/${id}/value` })),
  };
  const constant: Load = { ...single, urls: [bare.url], requests: [{ method: 'GET', path: '/constant' }] };
  const p1 = await alternate(options, {
    'bare Fastify/s': async () => (await run(constant)).perSecond,
    'reveals/s': async () => (await run(single)).perSecond,
  });
  const ours = figure(p1['reveals/s']);

  const half = { ...single, rate: ours.median / 2 };
  const p99 = await alternate(options, { 'p99 at half load, ms': async () => (await run(half)).p99 });

  const client = await world.connect();
  const select = async (): Promise<number> => {
    const times: number[] = [];
    const end = performance.now() + (seconds * 1000) / 2;
    for (let index = 0; performance.now() < end; index += 1) {
      const begun = performance.now();
      await client.query('select * from secrets where id = $1', [ada.ids[index % manySecrets]]);
      times.push(performance.now() - begun);
    }
    return quantile(times, 0.5);
  };
  const alone: Load = { ...single, connections: 1, seconds: seconds / 2 };
  const ids = ada.ids.slice(0, batch);
  const hundred: Load = {
    ...alone,
    requests: [{ method: 'POST', path: '/api/v1/secrets/reveal', body: JSON.stringify({ ids }) }],
  };
  const p2 = await alternate(options, {
    'select alone, ms': select,
    'reveal alone, ms': async () => (await run(alone)).p50,
    'batch of 100 alone, ms': async () => (await run(hundred)).p50,
  });
  await client.end();

  return [
    {
      target: 'P1',
      what: 'single reveals, 64 connections',
      unit: '/s',
      ours,
      baseline: { what: 'bare Fastify', unit: '/s', figure: figure(p1['bare Fastify/s']) },
      reached: median(p1['reveals/s']) / median(p1['bare Fastify/s']),
      bound: { is: 'at least', value: 0.4, unit: '' },
    },
    {
      target: 'P2',
      what: 'p99 of a reveal at half of that load',
      unit: 'ms',
      ours: figure(p99['p99 at half load, ms']),
      baseline: null,
      reached: median(p99['p99 at half load, ms']),
      bound: { is: 'at most', value: 15, unit: ' ms' },
    },
    {
      target: 'P2',
      what: 'p50 of a reveal alone',
      unit: 'ms',
      ours: figure(p2['reveal alone, ms']),
      baseline: { what: 'select by key', unit: 'ms', figure: figure(p2['select alone, ms']) },
      reached: median(p2['reveal alone, ms']) / median(p2['select alone, ms']),
      bound: { is: 'at most', value: 3, unit: '×' },
    },
    {
      target: 'P4',
      what: 'batch reveal of 100, alone',
      unit: 'ms',
      ours: figure(p2['batch of 100 alone, ms']),
      baseline: { what: 'single reveal', unit: 'ms', figure: figure(p2['reveal alone, ms']) },
      reached: median(p2['batch of 100 alone, ms']) / median(p2['reveal alone, ms']),
      bound: { is: 'at most', value: 4, unit: '×' },
    },
  ];
};
