import { type Kysely, sql } from 'kysely';
import { type Migration, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { KeyholdError } from '../core/errors.ts';
import { type KeyholdMigration, migrations, type SealFormats } from './migrations/index.ts';

export interface MigrationStatus {
  readonly name: string;
  readonly executedAt: Date | null;
}

/**
 * Seals the rows of these tables in the format before the one named, within the migration's transaction. Rejects, with
 * nothing written, where that would lose what the new columns hold.
 */
export type SealInOlderFormat = (db: Kysely<unknown>, formats: SealFormats) => Promise<void>;

const takenBack = (migration: KeyholdMigration, reseal: SealInOlderFormat): Migration => ({
  up: migration.up,
  down: async (db) => {
    if (migration.formats) await reseal(db, migration.formats);
    await migration.down?.(db);
  },
});

const noReseal: SealInOlderFormat = async () => undefined;

const migrator = (db: Kysely<unknown>, reseal: SealInOlderFormat = noReseal): Migrator =>
  new Migrator({
    db,
    provider: {
      getMigrations: async () =>
        Object.fromEntries(Object.entries(migrations).map(([name, one]) => [name, takenBack(one, reseal)])),
    },
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

/** Throws when a newer Keyhold made the schema, because an older build must not touch what it does not know. */
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

/** Migrates to the newest schema of this build in one transaction; an advisory lock admits one migrator at a time. */
export const migrateUp = async (db: Kysely<unknown>): Promise<void> => {
  await refuseNewerSchema(db);
  outcome((await migrator(db).migrateToLatest()).error);
};

/** Whether this build has exactly these migrations as its first ones, so that it can make the schema that they make. */
export const areFirstMigrations = (names: readonly string[]): boolean => {
  const own = Object.keys(migrations).sort();
  return names.length > 0 && names.every((name, at) => own[at] === name);
};

/** Migrates an empty database up to the migration of this name. */
export const migrateUpTo = async (db: Kysely<unknown>, name: string): Promise<void> =>
  outcome((await migrator(db).migrateTo(name)).error);

/** Takes back every migration, and with them all data. */
export const migrateDownAll = async (db: Kysely<unknown>): Promise<void> => {
  await refuseNewerSchema(db);
  outcome((await migrator(db).migrateTo(NO_MIGRATIONS)).error);
};

/**
 * Takes back the newest migration; the data of what it drops is gone. Rows of tables to which it added sealed columns are
 * sealed in the format before by `reseal`, in the same transaction: without that, an older Keyhold would find every
 * such row broken.
 */
export const migrateDown = async (db: Kysely<unknown>, reseal: SealInOlderFormat): Promise<void> => {
  await refuseNewerSchema(db);
  outcome((await migrator(db, reseal).migrateDown()).error);
};

/** What taking migrations back would lose, and whether the database is in use. Null without our tables. */
export interface Stored {
  readonly users: number;
  readonly secrets: number;
  readonly inUse: boolean;
}

/** Counts what is stored, and looks for connections of another Keyhold that are older than this one. */
export const whatIsStored = async (db: Kysely<unknown>): Promise<Stored | null> => {
  const { rows: tables } = await sql<{
    there: boolean;
  }>`select to_regclass('public.secrets') is not null as there`.execute(db);
  if (!tables[0]?.there) return null;
  // Connections of another role do not show when they started, so they are not ours.
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

/** Whether exactly this build's migrations are applied. Readiness asks for it. */
export const isCurrentSchema = async <T>(db: Kysely<T>): Promise<boolean> => {
  const applied = await appliedNames(db);
  return applied.length === Object.keys(migrations).length && applied.every((name) => Object.hasOwn(migrations, name));
};
