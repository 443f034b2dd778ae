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
 * Throws `state_conflict` for a server that is too old, that could lose acknowledged writes (`fsync` or `full_page_writes`
 * is off), or whose encoding is not UTF-8. Resolves to a warning for the operator, or null.
 */
export const checkServer = async <T>(db: Kysely<T>): Promise<string | null> => {
  const { rows } = await sql<ServerFacts>`select current_setting('server_version_num')::int as version,
    current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
    current_setting('server_encoding') as encoding,
    (select rolsuper from pg_roles where rolname = current_user) as superuser`.execute(db);
  const facts = rows[0];
  if (!facts) throw refuse('The database did not report its settings.');
  if (facts.version < 150_000) throw refuse('Keyhold needs PostgreSQL 15 or later.');
  if (facts.fsync !== 'on')
    throw refuse('The database runs with fsync off and could lose acknowledged writes. Turn it on.');
  if (facts.full_page_writes !== 'on')
    throw refuse('The database runs with full_page_writes off and could lose acknowledged writes. Turn it on.');
  if (facts.encoding !== 'UTF8')
    throw refuse('The encoding of the database is not UTF-8. Create it with ENCODING UTF8.');
  return facts.superuser
    ? 'The service is connected as a superuser of the database. Use an ordinary role in KEYHOLD_DATABASE_URL.'
    : null;
};

/** The present time by the database's clock. Throws `unavailable` when it gives no valid time. */
export const databaseNow = async (db: QueryExecutorProvider): Promise<Date> => {
  const { rows } = await sql<{ now: unknown }>`select clock_timestamp() as now`.execute(db);
  return readDatabaseTime(rows[0]?.now);
};

/** A time that a statement read from the database's clock. Throws `unavailable` for anything else, since nothing would expire. */
export const readDatabaseTime = (value: unknown): Date => {
  const time = typeof value === 'string' ? new Date(value) : value;
  // ISO 8601, in which times are sealed and written, has four digits for a year.
  if (time instanceof Date && time.getTime() > 0 && time.getUTCFullYear() <= 9999) return time;
  throw unavailable(new Error('the database gave no valid time'));
};

/** The tables that a login writes to. While another transaction locks one of them, nobody can log in. */
const writtenByLogins = 'public.audit_log, public.logins, public.login_failures';

/** Whether a login could be recorded now: tries the locks that it needs, for as long as the pool waits for locks. */
export const canRecordLogins = async <T>(db: Kysely<T>): Promise<boolean> => {
  try {
    await db.transaction().execute((tx) => sql.raw(`lock table ${writtenByLogins} in row exclusive mode`).execute(tx));
    return true;
  } catch (error) {
    if (sqlState(error) === '55P03') return false;
    throw error;
  }
};
