import { type Kysely, sql } from 'kysely';
import { migrateUp } from './migrate.ts';
import { sqlState } from './postgres-errors.ts';
import type { Tables } from './tables/index.ts';

/** The role that the service works as. It is no superuser and owns nothing. */
export const serviceRole = 'keyhold_service';

const all = 'SELECT, INSERT, UPDATE, DELETE';

/** What the service may do with each table. It can only add and read audit records. */
const privileges: Record<keyof Tables, string> = {
  users: 'SELECT, INSERT, UPDATE',
  logins: all,
  tokens: all,
  sessions: all,
  session_participants: all,
  owner_keys: all,
  secrets: all,
  secret_versions: all,
  idempotency_keys: all,
  login_failures: all,
  // A rotation of the seal key replaces the seals of closed identities, and nothing else about them.
  closed_identities: 'SELECT, INSERT, UPDATE (seal)',
  closed_identity_count: 'SELECT, INSERT, UPDATE',
  restores: 'SELECT, INSERT, UPDATE',
  holds: 'SELECT, INSERT, UPDATE',
  reminders: all,
  handovers: all,
  jobs: 'SELECT, INSERT, UPDATE',
  webhooks: all,
  webhook_deliveries: all,
  root_keys: 'SELECT, INSERT, UPDATE',
  events: all,
  event_log: 'SELECT, INSERT, UPDATE',
  notice_marks: all,
  heartbeats: all,
  // The purpose, the root key and the generation of a service key never change.
  service_keys: 'SELECT, INSERT, DELETE, UPDATE (state, promoted_at)',
  audit_log: 'SELECT, INSERT',
  memory_scopes: all,
  memory_entities: all,
  memory_names: all,
  memory_merges: all,
  memory_metadata: all,
  memory_observations: all,
  memory_relations: all,
  memory_uses: all,
};

const insufficientPrivilege = '42501';
const duplicateObject = '42710';
const uniqueViolation = '23505';

type AnyDb = Kysely<unknown>;

export const roleExists = async (db: AnyDb): Promise<boolean> =>
  (await sql`select 1 from pg_roles where rolname = ${serviceRole}`.execute(db)).rows.length > 0;

/** Creates the service's role unless it exists. Resolves to false where our login may not create roles. */
const ensureRole = async (db: AnyDb): Promise<boolean> => {
  if (await roleExists(db)) return true;
  try {
    await sql.raw(`CREATE ROLE ${serviceRole} NOLOGIN NOSUPERUSER`).execute(db);
    return true;
  } catch (error) {
    const state = sqlState(error) ?? '';
    if (state === duplicateObject || state === uniqueViolation) return true;
    if (state === insufficientPrivilege) return false;
    throw error;
  }
};

const grantTables = async (db: AnyDb): Promise<void> => {
  const statements = Object.entries(privileges).map(
    ([table, granted]) =>
      `REVOKE ALL ON public.${table} FROM ${serviceRole}; GRANT ${granted} ON public.${table} TO ${serviceRole};`,
  );
  const schema = `GRANT USAGE ON SCHEMA public TO ${serviceRole}; REVOKE CREATE ON SCHEMA public FROM ${serviceRole};
    GRANT SELECT ON public.kysely_migration TO ${serviceRole};`;
  await sql.raw(`${schema}\n${statements.join('\n')}`).execute(db);
};

const isMember = async (db: AnyDb, login: string): Promise<boolean> => {
  const { rows } = await sql<{
    member: boolean;
  }>`select pg_has_role(${login}, ${serviceRole}, 'MEMBER') as member`.execute(db);
  return rows[0]?.member ?? false;
};

const grantMembership = async (db: AnyDb, login: string): Promise<boolean> => {
  if (await isMember(db, login)) return true;
  try {
    await sql`grant ${sql.id(serviceRole)} to ${sql.id(login)}`.execute(db);
    return true;
  } catch (error) {
    if (sqlState(error) === insufficientPrivilege) return false;
    throw error;
  }
};

/** The advisory lock of whoever migrates or fills the schema. */
export const schemaLock = 7_403_117_204;

/** Runs `work` while no other process changes the schema. It gets the connection that holds the lock. */
export const inOneProcess = <T>(db: AnyDb, work: (connection: AnyDb) => Promise<T>): Promise<T> =>
  db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${schemaLock})`.execute(connection);
    try {
      return await work(connection);
    } finally {
      await sql`select pg_advisory_unlock(${schemaLock})`.execute(connection);
    }
  });

/**
 * Migrates and grants privileges, in one process at a time. Resolves to true if the service's login may work as the
 * service's role, and to false if the server has no such role, so that the service must work as the login itself.
 */
export const prepareSchema = (db: AnyDb, serviceLogin: string): Promise<boolean> =>
  inOneProcess(db, async (connection) => {
    await migrateUp(connection);
    if (!(await ensureRole(connection))) return false;
    await grantTables(connection);
    return serviceLogin === serviceRole || (await grantMembership(connection, serviceLogin));
  });
