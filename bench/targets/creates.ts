import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type Load, run } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const connections = 64;
/** As many connections as the service has to its database. */
const clients = 20;

/** Makes tables like that of secrets, one with a row of it. Resolves to the statement that adds this row under another id and name. */
const prepareBare = async (client: pg.Client): Promise<string> => {
  await client.query(`create table public.bench_rows (like public.secrets including indexes including constraints);
    create table public.bench_row as select * from public.secrets limit 1`);
  const { rows } = await client.query<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = 'public.bench_rows'::regclass and attnum > 0 order by attnum`,
  );
  const given: Readonly<Record<string, string>> = { id: '$1::uuid', name: '$2::varchar' };
  const columns = rows.map(({ name }) => given[name] ?? `"${name}"`);
  return `insert into public.bench_rows select ${columns.join(', ')} from public.bench_row`;
};

/** Single-row inserts, each a transaction of its own, by 64 at once who share the connections. */
const insertsPerSecond = async (pool: readonly pg.Client[], insert: string, seconds: number): Promise<number> => {
  const end = performance.now() + seconds * 1000;
  let made = 0;
  const one = async (index: number): Promise<void> => {
    const client = pool[index % pool.length] as pg.Client;
    while (performance.now() < end) {
      made += 1;
      await client.query({ name: 'bare', text: insert, values: [randomUUID(), `BARE_${made}`] });
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => one(index)));
  return made / seconds;
};

/** P3: creating secrets, each encrypted, sealed and recorded in one transaction. */
export const creates = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', 1);
  const pool = await Promise.all(Array.from({ length: clients }, () => world.connect()));
  const insert = await prepareBare(pool[0] as pg.Client);
  const body = JSON.stringify({ name: 'MADE_#', type: 'api_key', value: randomBytes(16).toString('hex') });
  const load: Load = {
    urls: [world.service.url],
    connections,
    seconds: options.seconds,
    headers: { authorization: `Bearer ${ada.token}` },
    requests: [{ method: 'POST', path: '/api/v1/secrets', body }],
  };
  const measured = await alternate(options, {
    'bare inserts/s': () => insertsPerSecond(pool, insert, options.seconds),
    'creates/s': async () => (await run(load)).perSecond,
  });
  await Promise.all(pool.map((client) => client.end()));
  return [
    {
      target: 'P3',
      what: 'creating secrets, 64 connections',
      unit: '/s',
      ours: figure(measured['creates/s']),
      baseline: { what: 'bare inserts', unit: '/s', figure: figure(measured['bare inserts/s']) },
      reached: median(measured['creates/s']) / median(measured['bare inserts/s']),
      bound: { is: 'at least', value: 0.45, unit: '' },
    },
  ];
};
