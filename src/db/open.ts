import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { parse } from 'pg-connection-string';
import type { Config } from '../config/config.ts';
import { KeyholdError } from '../core/errors.ts';
import { checkServer } from './checks.ts';
import { checkConnection } from './connectivity.ts';
import { type Database, openDatabase } from './database.ts';
import { type ConnectionSettings, type EmbeddedServer, joinEmbedded, startEmbedded } from './embedded/index.ts';
import { prepareSchema, serviceRole } from './grants.ts';
import { prepareJobs } from './job-schema.ts';
import { rowTypes } from './pool.ts';
import { asUnavailable } from './postgres-errors.ts';
import { lockService, type ServiceLock } from './service-lock.ts';

type Log = (message: string, details?: object) => void;

/** The service's database, embedded or external, with its schema migrated. */
export interface OpenDatabase extends Database {
  /** Closes the connections, and stops the embedded server if there is one. */
  close(): Promise<void>;
}

/** How to connect to the database: as the role that may change the schema, and as the service. */
export interface Access {
  readonly migrator: pg.ClientConfig;
  readonly service: pg.ClientConfig;
  readonly serviceLogin: string;
}

const clientConfig = ({ host, port, user, password, database }: ConnectionSettings): pg.ClientConfig => ({
  host,
  port,
  user,
  password: password.expose(),
  database,
  ssl: false,
});

export const embeddedAccess = (server: EmbeddedServer): Access => ({
  migrator: clientConfig(server.connection('migrator')),
  service: clientConfig(server.connection('service')),
  serviceLogin: server.connection('service').user,
});

/** How to connect to the external database, after a connection was tried. Rejects with a sentence that says what is wrong. */
export const externalAccess = async (url: string, migrationUrl: string | undefined): Promise<Access> => {
  await checkConnection('KEYHOLD_DATABASE_URL', url);
  if (migrationUrl !== undefined) await checkConnection('KEYHOLD_MIGRATION_DATABASE_URL', migrationUrl);
  return {
    migrator: { connectionString: migrationUrl ?? url },
    service: { connectionString: url },
    serviceLogin: parse(url).user ?? '',
  };
};

/**
 * The pool with results that have the rows of every statement of a text, as pg-boss needs them. A connection on which
 * something failed is closed: the text may have begun a transaction.
 */
const withAllRows = (pool: pg.Pool): PostgresPool => ({
  connect: async () => {
    const client = await pool.connect();
    let failed = false;
    const query = async (text: string, values: readonly unknown[] = []): Promise<pg.QueryResult> => {
      try {
        const result: pg.QueryResult | pg.QueryResult[] = await client.query(text, [...values]);
        if (!Array.isArray(result)) return result;
        // Kysely reads the rows of a text only where it does not end with COMMIT.
        return { ...(result.at(-1) as pg.QueryResult), command: 'SELECT', rows: result.flatMap(({ rows }) => rows) };
      } catch (error) {
        failed = true;
        throw error;
      }
    };
    return { query, release: () => client.release(failed) } as unknown as PostgresPoolClient;
  },
  end: () => pool.end(),
  options: pool.options,
});

/** Runs `work` on connections of the migrator, without the time limits that statements of requests have. */
export const asMigrator = async <T>(access: Access, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> => {
  const pool = new pg.Pool({
    ...access.migrator,
    max: 2,
    connectionTimeoutMillis: 10_000,
    types: rowTypes,
    options: '-c search_path=public',
  });
  pool.on('error', () => undefined);
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: withAllRows(pool) }) });
  try {
    return await work(db);
  } catch (error) {
    throw asUnavailable(error);
  } finally {
    await db.destroy();
  }
};

const refuseRole = (login: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `The login ${login} of KEYHOLD_DATABASE_URL is not a member of the role ${serviceRole}. Have an administrator of the database run: GRANT ${serviceRole} TO "${login}";`,
  );

/** Prepares the schema of jobs. Without it the service works, so a start that may not create it only says so. */
const prepareJobsOrWarn = async (db: Kysely<unknown>, log: Log): Promise<void> => {
  try {
    await prepareJobs(db);
  } catch (error) {
    log(`Jobs will not run: ${error instanceof Error ? error.message : String(error)}`);
  }
};

/** Migrates and grants privileges. Resolves to the role that the service's connections switch to, undefined for none. */
const prepare = (
  access: Access,
  sameLogin: boolean,
  log: Log,
  jobs: (db: Kysely<unknown>, log: Log) => Promise<void>,
): Promise<string | undefined> =>
  asMigrator(access, async (db) => {
    const warning = await checkServer(db);
    const ready = await prepareSchema(db, access.serviceLogin);
    await jobs(db, log);
    if (access.serviceLogin === serviceRole) return undefined;
    if (ready) return serviceRole;
    if (!sameLogin) throw refuseRole(access.serviceLogin);
    log(
      warning ??
        `The role ${serviceRole} could not be created, so the service works as the owner of the tables. See docs/operations.md, "An external database".`,
    );
    return undefined;
  });

export interface OpenOptions {
  readonly config: Config;
  readonly log: Log;
  /** Called when another service has taken the embedded database over; the process must end. */
  readonly onLost: (error: Error) => void;
  /** Called once the embedded server has been told to start: time to load modules that are needed next. */
  readonly whileStarting?: () => void;
}

const openService = async (access: Access, sameLogin: boolean, { config, log }: OpenOptions): Promise<Database> => {
  const role = await prepare(access, sameLogin, log, prepareJobsOrWarn);
  return openDatabase({
    connection: access.service,
    size: config.database.connections,
    role,
    onIdleError: () => log('A connection to the database was lost.'),
  });
};

const openEmbedded = async (options: OpenOptions): Promise<OpenDatabase> => {
  const { config, log, whileStarting } = options;
  const server = await startEmbedded({ dataDir: config.dataDir, log, ...(whileStarting && { whileStarting }) });
  let lock: ServiceLock | null = null;
  try {
    lock = await lockService({ server, log: options.log, onLost: options.onLost });
    const database = await openService(embeddedAccess(server), false, options);
    const { release } = lock;
    const close = async (): Promise<void> => {
      await database.close();
      await release();
      await server.stop();
    };
    return { ...database, close };
  } catch (error) {
    // Without the lock, the server belongs to another service and must keep running.
    await lock?.release();
    if (lock) await server.stop();
    throw error;
  }
};

/**
 * Opens the configured database: starts the embedded server, adopts one that is running, or connects to the external one.
 * Checks it, migrates it, and connects as the service's role. Rejects with one sentence that says what to do.
 */
export const openConfigured = async (options: OpenOptions): Promise<OpenDatabase> => {
  const { url, migrationUrl } = options.config.database;
  if (url === null) return await openEmbedded(options);
  const access = await externalAccess(url.expose(), migrationUrl?.expose());
  return await openService(access, migrationUrl === null, options);
};

/** What a migration command needs. */
export interface Migrator {
  readonly db: Kysely<unknown>;
  /** Migrates up, the schema of jobs included, and grants privileges, as a start of the service does. */
  prepare(): Promise<void>;
}

/**
 * Runs a migration command on the configured database: the external one, a running service's embedded server, or the
 * embedded server started for this and stopped again.
 */
export const withMigrator = async <T>(
  config: Config,
  log: Log,
  work: (migrator: Migrator) => Promise<T>,
): Promise<T> => {
  const { url, migrationUrl } = config.database;
  const onAccess = (access: Access, sameLogin: boolean): Promise<T> =>
    asMigrator(access, (db) =>
      work({ db, prepare: async () => void (await prepare(access, sameLogin, log, prepareJobs)) }),
    );
  if (url !== null) {
    return await onAccess(await externalAccess(url.expose(), migrationUrl?.expose()), migrationUrl === null);
  }
  const joined = await joinEmbedded({ dataDir: config.dataDir, log });
  const server = joined ?? (await startEmbedded({ dataDir: config.dataDir, log }));
  try {
    return await onAccess(embeddedAccess(server), false);
  } finally {
    await server.stop();
  }
};
