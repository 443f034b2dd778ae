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
import { lockService } from './service-lock.ts';

type Log = (message: string, details?: object) => void;

const poolSize = 4;

/**
 * Runs `work` on the configured database, as the service's role and without migrating. It works while a service runs and
 * while none does: on the external database, on the embedded server that a running service started, or on one started
 * for this call and stopped again. Never creates a database: rejects with `state_conflict` when there is none.
 */
export const withServiceDatabase = async <T>(
  config: Config,
  log: Log,
  work: (database: Database) => Promise<T>,
): Promise<T> => {
  const { url, migrationUrl } = config.database;
  if (url !== null) return await onDatabase(await externalAccess(url.expose(), migrationUrl?.expose()), work);
  if (!existsSync(join(config.dataDir, 'pg', 'data', 'PG_VERSION'))) throw noDatabase(config.dataDir);
  const joined = await joinEmbedded({ dataDir: config.dataDir, log });
  if (joined) return await onDatabase(embeddedAccess(joined), work);
  const server = await startEmbedded({ dataDir: config.dataDir, log });
  return await withServiceLock(server, log, () => onDatabase(embeddedAccess(server), work));
};

/** Takes the service lock on the server that we started, so that a service that starts meanwhile can't have it stopped. */
const withServiceLock = async <T>(server: EmbeddedServer, log: Log, work: () => Promise<T>): Promise<T> => {
  const lock = await lockService({ server, log, onLost: () => undefined });
  try {
    return await work();
  } finally {
    await lock.release();
    await server.stop();
  }
};

const onDatabase = async <T>(access: Access, work: (database: Database) => Promise<T>): Promise<T> => {
  const database = open(access, await roleFor(access));
  try {
    return await work(database);
  } finally {
    await database.close();
  }
};

const open = (access: Access, role: string | undefined): Database =>
  openDatabase({ connection: access.service, size: poolSize, role, onIdleError: () => undefined });

/** The service's role if the login is a member of it; undefined if the login itself is the role or may not become it. */
const roleFor = async (access: Access): Promise<string | undefined> => {
  if (access.serviceLogin === serviceRole) return undefined;
  const asLogin = open(access, undefined);
  try {
    const { rows } = await sql<{ isMember: boolean }>`
      select pg_has_role(rolname, 'MEMBER') as "isMember" from pg_roles where rolname = ${serviceRole}`.execute(
      asLogin.db,
    );
    return rows[0]?.isMember ? serviceRole : undefined;
  } catch (error) {
    throw asUnavailable(error);
  } finally {
    await asLogin.close();
  }
};

const noDatabase = (dataDir: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `There is no database in ${dataDir} yet. Start the service once, or set KEYHOLD_DATA_DIR or KEYHOLD_DATABASE_URL to the same values as for the service.`,
  );
