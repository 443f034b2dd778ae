import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import type { Config } from '../config/config.ts';
import { KeyholdError } from '../core/errors.ts';
import { checkServer } from './checks.ts';
import { type Db, overClient, type Tx } from './database.ts';
import { type EmbeddedServer, joinEmbedded, startEmbedded } from './embedded/index.ts';
import { prepareSchema } from './grants.ts';
import { type Access, asMigrator, embeddedAccess, externalAccess } from './open.ts';
import { rowTypes } from './pool.ts';
import { asUnavailable, unavailable } from './postgres-errors.ts';
import { lockService } from './service-lock.ts';

type Log = (message: string, details?: object) => void;

/**
 * One connection as the owner of the tables, who reads and writes all of them, for work on the database as a whole. No
 * statement has a time limit.
 */
export interface OwnerSession {
  /** For COPY. Statements that go through it are in the transaction of `inOwnerTransaction` too. */
  readonly client: pg.Client;
  readonly db: Db;
}

/** The transaction of an owner session, as the domains and as migrations use it. */
export interface OwnerTransaction {
  readonly client: pg.Client;
  readonly tx: Tx;
  /** Runs migrations, whose statements find `public` on the search path. */
  migrating(work: (db: Kysely<unknown>) => Promise<void>): Promise<void>;
}

/** Whether the configured database exists: always for an external one, which nobody here creates. */
const databaseExists = ({ database, dataDir }: Config): boolean =>
  database.url !== null || existsSync(join(dataDir, 'pg', 'data', 'PG_VERSION'));

/**
 * Runs `work` on the configured database while a service runs on it or while none does. Never creates a database: rejects
 * with `state_conflict` when there is none.
 */
export const withOwnerSession = async <T>(
  config: Config,
  log: Log,
  work: (session: OwnerSession) => Promise<T>,
): Promise<T> => {
  if (!databaseExists(config)) throw noDatabase(config.dataDir);
  if (config.database.url !== null) return await onAccess(await accessOf(config), work);
  const joined = await joinEmbedded({ dataDir: config.dataDir, log });
  if (joined) return await onAccess(embeddedAccess(joined), work);
  return await withStarted(config, log, (access) => onAccess(access, work));
};

/**
 * Runs `work` on the configured database, creating the embedded one if there is none, and then grants the service its
 * privileges. No service can start on the embedded database meanwhile; rejects with `state_conflict` while one runs, and for
 * a server that a service would refuse.
 */
export const withNewDatabase = async <T>(
  config: Config,
  log: Log,
  work: (session: OwnerSession) => Promise<T>,
): Promise<T> => {
  const run = async (access: Access): Promise<T> => {
    const result = await onAccess(access, async (session) => {
      await checkServer(session.db);
      return await work(session);
    });
    await asMigrator(access, (db) => prepareSchema(db, access.serviceLogin));
    return result;
  };
  return config.database.url === null ? await withStarted(config, log, run) : await run(await accessOf(config));
};

/** Runs `work` in one transaction, which is undone if it rejects. */
export const inOwnerTransaction = <T>(
  { client, db }: OwnerSession,
  work: (transaction: OwnerTransaction) => Promise<T>,
): Promise<T> =>
  db.transaction().execute(async (tx) => {
    const migrating: OwnerTransaction['migrating'] = async (migrate) => {
      await sql`set local search_path to public`.execute(tx);
      await migrate(tx.withoutPlugins() as unknown as Kysely<unknown>);
      await sql`set local search_path to pg_catalog, pg_temp`.execute(tx);
    };
    return await work({ client, tx, migrating });
  });

/** Runs `work` in a transaction that reads one snapshot and writes nothing. */
export const inSnapshot = <T>({ client, db }: OwnerSession, work: (transaction: OwnerTransaction) => Promise<T>) =>
  db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute((tx) => work({ client, tx, migrating: () => Promise.reject(new TypeError('a snapshot cannot migrate')) }));

const accessOf = ({ database: { url, migrationUrl } }: Config): Promise<Access> =>
  externalAccess(url?.expose() ?? '', migrationUrl?.expose());

const withStarted = async <T>(config: Config, log: Log, work: (access: Access) => Promise<T>): Promise<T> => {
  const server: EmbeddedServer = await startEmbedded({ dataDir: config.dataDir, log });
  // A server that was running already belongs to a service, which has the lock: it must not be stopped.
  const lock = await lockService({ server, log, onLost: () => undefined });
  try {
    return await work(embeddedAccess(server));
  } finally {
    await lock.release();
    await server.stop();
  }
};

/** Texts of values must not depend on the server's settings, and no row may be hidden without an error. */
const options = [
  'search_path=pg_catalog,pg_temp',
  'synchronous_commit=on',
  'timezone=UTC',
  'datestyle=ISO',
  'intervalstyle=postgres',
  'bytea_output=hex',
  'extra_float_digits=1',
  'row_security=off',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
];

const onAccess = async <T>(access: Access, work: (session: OwnerSession) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    ...access.migrator,
    types: rowTypes,
    options: options.map((setting) => `-c ${setting}`).join(' '),
    application_name: 'keyhold',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  let lost: Error | null = null;
  client.on('error', (error) => {
    lost = error;
  });
  try {
    await client.connect();
    return await work({ client, db: overClient(client) });
  } catch (error) {
    throw lost === null ? asUnavailable(error) : unavailable(lost);
  } finally {
    await client.end().catch(() => undefined);
  }
};

const noDatabase = (dataDir: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `There is no database in ${dataDir}. Set KEYHOLD_DATA_DIR or KEYHOLD_DATABASE_URL to the same values as for the service.`,
  );
