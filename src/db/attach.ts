import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Config } from '../config/config.ts';
import { KeyholdError } from '../core/errors.ts';
import { type Database, openDatabase } from './database.ts';
import { type EmbeddedServer, joinEmbedded, startEmbedded } from './embedded/index.ts';
import { serviceRole } from './grants.ts';
import { type Access, embeddedAccess, externalAccess } from './open.ts';
import { asUnavailable } from './postgres-errors.ts';
import { holdServer } from './service-lock.ts';

type Log = (message: string, details?: object) => void;

const connections = 4;

const noDatabase = (dataDir: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `There is no database in ${dataDir} yet. Start the service once, or set KEYHOLD_DATA_DIR or KEYHOLD_DATABASE_URL as it has them.`,
  );

const open = (access: Access, role: string | undefined): Database =>
  openDatabase({ connection: access.service, size: connections, role, onIdleError: () => undefined });

/** The role that the service works as, where its login may; found out by asking, since nothing is granted here. */
const roleFor = async (access: Access): Promise<string | undefined> => {
  if (access.serviceLogin === serviceRole) return undefined;
  const asLogin = open(access, undefined);
  try {
    const { rows } = await sql<{ may: boolean }>`select pg_has_role(rolname, 'MEMBER') as may from pg_roles
      where rolname = ${serviceRole}`.execute(asLogin.db);
    return rows[0]?.may ? serviceRole : undefined;
  } catch (error) {
    throw asUnavailable(error);
  } finally {
    await asLogin.close();
  }
};

const working = async <T>(access: Access, work: (database: Database) => Promise<T>): Promise<T> => {
  const database = open(access, await roleFor(access));
  try {
    return await work(database);
  } finally {
    await database.close();
  }
};

/** Holds the server that was started for this against a service that starts meanwhile: it would lose it under its feet. */
const alone = async <T>(server: EmbeddedServer, log: Log, work: () => Promise<T>): Promise<T> => {
  const lock = await holdServer({ server, log, onLost: () => undefined });
  try {
    return await work();
  } finally {
    await lock.release();
    await server.stop();
  }
};

/**
 * Works on the configured database beside the service, as its role and without migrating: on the external one, on a running
 * service's embedded server, or on the embedded server started for this and stopped again. Makes no database.
 */
export const withServiceDatabase = async <T>(
  config: Config,
  log: Log,
  work: (database: Database) => Promise<T>,
): Promise<T> => {
  const { url, migrationUrl } = config.database;
  if (url !== null) return await working(await externalAccess(url.expose(), migrationUrl?.expose()), work);
  if (!existsSync(join(config.dataDir, 'pg', 'data', 'PG_VERSION'))) throw noDatabase(config.dataDir);
  const joined = await joinEmbedded({ dataDir: config.dataDir, log });
  if (joined) return await working(embeddedAccess(joined), work);
  const server = await startEmbedded({ dataDir: config.dataDir, log });
  return await alone(server, log, () => working(embeddedAccess(server), work));
};
