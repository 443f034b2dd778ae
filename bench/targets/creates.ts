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

/** Single-row inserts, each a transaction of its own, by 64 at once who share the connections. */
const insertsPerSecond = async (pool: readonly pg.Client[], seconds: number): Promise<number> => {
  const value = randomBytes(100).toString('base64url');
  const end = performance.now() + seconds * 1000;
  let made = 0;
  const one = async (index: number): Promise<void> => {
    const client = pool[index % pool.length] as pg.Client;
    while (performance.now() < end) {
      const row = [randomUUID(), randomUUID(), `SECRET_${made}`, value, new Date()];
      await client.query(
        'insert into bench_rows (id, owner_id, name, value, created_at) values ($1, $2, $3, $4, $5)',
        row,
      );
      made += 1;
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
  await pool[0]?.query(
    'create table bench_rows (id uuid primary key, owner_id uuid not null, name text not null, value text not null, created_at timestamptz not null)',
  );
  const body = JSON.stringify({ name: 'MADE_#', type: 'api_key', value: randomBytes(16).toString('hex') });
  const load: Load = {
    urls: [world.service.url],
    connections,
    seconds: options.seconds,
    headers: { authorization: `Bearer ${ada.token}` },
    requests: [{ method: 'POST', path: '/api/v1/secrets', body }],
  };
  const measured = await alternate(options, {
    'bare inserts/s': () => insertsPerSecond(pool, options.seconds),
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
      bound: { is: 'at least', value: 0.5, unit: '' },
    },
  ];
};
