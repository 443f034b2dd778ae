import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { KeyholdError } from '../core/errors.ts';
import * as foundation from './migrations/0001-foundation.ts';

/** Every migration in its order: numbered, listed, frozen once landed. */
export const migrations: Record<string, Migration> = {
  '0001-foundation': foundation,
};

export interface MigrationStatus {
  readonly name: string;
  readonly executedAt: Date | null;
}

const migrator = (db: Kysely<unknown>): Migrator =>
  new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
    migrationTableSchema: 'public',
  });

const appliedNames = async <T>(db: Kysely<T>): Promise<string[]> => {
  const table = await sql<{
    found: boolean;
  }>`select to_regclass('public.kysely_migration') is not null as found`.execute(db);
  if (!table.rows[0]?.found) return [];
  const rows = await sql<{ name: string }>`select name from public.kysely_migration order by name`.execute(db);
  return rows.rows.map((row) => row.name);
};

/** Throws when the schema is of a newer Keyhold: an older build must not touch what it doesn't know. */
const refuseNewerSchema = async (db: Kysely<unknown>): Promise<void> => {
  const unknown = (await appliedNames(db)).filter((name) => !Object.hasOwn(migrations, name));
  if (unknown.length === 0) return;
  throw new KeyholdError(
    'state_conflict',
    `The database has a newer schema than this Keyhold knows (${unknown.join(', ')}). Start the newer version, or take its migrations back with its own "migrate down" first.`,
  );
};

const outcome = (error: unknown): void => {
  if (error !== undefined) throw error instanceof Error ? error : new Error('a migration failed', { cause: error });
};

/** Brings the schema to this build's newest, one migrator at a time (advisory lock), all in one transaction. */
export const migrateUp = async (db: Kysely<unknown>): Promise<void> => {
  await refuseNewerSchema(db);
  outcome((await migrator(db).migrateToLatest()).error);
};

/** Takes back the newest migration, or with `all` every one. The data of what it drops is gone. */
export const migrateDown = async (db: Kysely<unknown>, all = false): Promise<void> => {
  await refuseNewerSchema(db);
  outcome((await (all ? migrator(db).migrateTo(NO_MIGRATIONS) : migrator(db).migrateDown())).error);
};

/** What taking migrations back can cost, and whether somebody works with it now; null where the tables are not there. */
export interface Stored {
  readonly users: number;
  readonly secrets: number;
  readonly inUse: boolean;
}

/** Looks for what is stored, and for connections of a Keyhold that were there before this one. */
export const whatIsStored = async (db: Kysely<unknown>): Promise<Stored | null> => {
  const { rows: tables } = await sql<{
    there: boolean;
  }>`select to_regclass('public.secrets') is not null as there`.execute(db);
  if (!tables[0]?.there) return null;
  // Connections of another role show no time of their start: they are not ours then.
  const { rows } = await sql<Stored>`
    select (select count(*) from public.users)::int as users, (select count(*) from public.secrets)::int as secrets,
      exists (select 1 from pg_stat_activity a where a.datname = current_database() and a.pid <> pg_backend_pid()
        and a.application_name like 'keyhold%' and coalesce(a.backend_start <
          (select backend_start from pg_stat_activity where pid = pg_backend_pid()), true)) as "inUse"`.execute(db);
  return rows[0] ?? null;
};

export const migrationStatus = async (db: Kysely<unknown>): Promise<readonly MigrationStatus[]> => {
  await refuseNewerSchema(db);
  return (await migrator(db).getMigrations()).map(({ name, executedAt }) => ({ name, executedAt: executedAt ?? null }));
};

/** True when exactly this build's migrations are in place; asked by readiness. */
export const isCurrentSchema = async <T>(db: Kysely<T>): Promise<boolean> => {
  const applied = await appliedNames(db);
  return applied.length === Object.keys(migrations).length && applied.every((name) => Object.hasOwn(migrations, name));
};
