import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, openDatabase } from '../../src/db/database.ts';

export type RoleName = 'superuser' | 'migrator' | 'service';

export interface TestDatabase {
  readonly name: string;
  /** How one of the roles connects. */
  settings(role: RoleName): pg.ClientConfig;
  /** The same as a URL, for service processes. */
  url(role: RoleName): string;
  /** A connection of the superuser: what a hostile or a broken database would do. */
  readonly client: pg.Client;
  open(connections?: number): Database;
  drop(): Promise<void>;
}

const template = 'keyhold';

const maintenance = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const { host, port, superuser } = inject('cluster');
  const client = new pg.Client({ host, port, ...superuser, database: 'postgres' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

const quoted = (name: string): string => `"${name}"`;

/** A database of one's own, cloned from the migrated template (or empty), dropped when the test is over. */
export const freshDatabase = async ({ empty = false } = {}): Promise<TestDatabase> => {
  const cluster = inject('cluster');
  const name = `t_${randomBytes(6).toString('hex')}`;
  await maintenance(async (client) => {
    const from = empty ? 'template0' : template;
    // Two simultaneous clones of one template would fail; the lock makes them take turns.
    await client.query('select pg_advisory_lock(1)');
    await client.query(
      `create database ${quoted(name)} template ${quoted(from)} owner ${quoted(cluster.migrator.user)}`,
    );
  });
  const settings = (role: RoleName): pg.ClientConfig => ({
    host: cluster.host,
    port: cluster.port,
    ...cluster[role],
    database: name,
  });
  const url = (role: RoleName): string =>
    `postgres://${cluster[role].user}:${encodeURIComponent(cluster[role].password)}@/${name}?host=${encodeURIComponent(cluster.host)}&port=${cluster.port}`;
  const client = new pg.Client(settings('superuser'));
  await client.connect();
  return {
    name,
    settings,
    url,
    client,
    open: (connections = 10) =>
      openDatabase({ connection: settings('service'), size: connections, onIdleError: () => undefined }),
    drop: async () => {
      await client.end();
      await maintenance((admin) => admin.query(`drop database if exists ${quoted(name)} with (force)`));
    },
  };
};
