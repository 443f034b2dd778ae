import { type Kysely, type QueryExecutorProvider, sql } from 'kysely';
import { KeyholdError } from '../core/errors.ts';
import { sqlState, unavailable } from './postgres-errors.ts';

interface ServerFacts {
  version: number;
  fsync: string;
  full_page_writes: string;
  encoding: string;
  superuser: boolean;
}

const refuse = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

/**
 * Refuses a server on which an acknowledged write could be lost or a row misread: too old, `fsync` or
 * `full_page_writes` off, another encoding than UTF-8. Resolves to a warning for the operator, or null.
 */
export const checkServer = async <T>(db: Kysely<T>): Promise<string | null> => {
  const { rows } = await sql<ServerFacts>`select current_setting('server_version_num')::int as version,
    current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('server_encoding') as encoding,
    (select rolsuper from pg_roles where rolname = current_user) as superuser`.execute(db);
  const facts = rows[0];
  if (!facts) throw refuse('The database did not tell about itself.');
  if (facts.version < 150_000) throw refuse('Keyhold needs PostgreSQL 15 or later.');
  if (facts.fsync !== 'on')
    throw refuse('The database runs with fsync off and would lose acknowledged writes. Turn it on.');
  if (facts.full_page_writes !== 'on') throw refuse('The database runs with full_page_writes off. Turn it on.');
  if (facts.encoding !== 'UTF8') throw refuse('The database must be made with ENCODING UTF8.');
  return facts.superuser
    ? 'The service works as a superuser of the database. Give KEYHOLD_DATABASE_URL a role that is none.'
    : null;
};

/** The database's clock, read now. Throws `unavailable` when it gives no valid time. */
export const databaseNow = async (db: QueryExecutorProvider): Promise<Date> => {
  const { rows } = await sql<{ now: unknown }>`select clock_timestamp() as now`.execute(db);
  return readDatabaseTime(rows[0]?.now);
};

/** A time that a statement read from the database's clock. Throws `unavailable` for anything else: without it, nothing expires. */
export const readDatabaseTime = (value: unknown): Date => {
  const time = typeof value === 'string' ? new Date(value) : value;
  if (time instanceof Date && !Number.isNaN(time.getTime())) return time;
  throw unavailable(new Error('the database gave no valid time'));
};

/** What a login writes to; while somebody else holds one of them, nobody gets in. */
const writtenByLogins = 'public.audit_log, public.logins, public.login_failures';

/** Whether a login could be recorded now: takes, within the pool's time for locks, what writing it would take. */
export const canRecordLogins = async <T>(db: Kysely<T>): Promise<boolean> => {
  try {
    await db.transaction().execute((tx) => sql.raw(`lock table ${writtenByLogins} in row exclusive mode`).execute(tx));
    return true;
  } catch (error) {
    if (sqlState(error) === '55P03') return false;
    throw error;
  }
};
