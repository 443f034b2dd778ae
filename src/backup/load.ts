import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { from, to } from 'pg-copy-streams';
import { KeyholdError } from '../core/errors.ts';
import type { Tx } from '../db/database.ts';
import { schemaLock } from '../db/grants.ts';
import { migrateUp, migrateUpTo } from '../db/migrate.ts';
import type { OwnerTransaction } from '../db/owner-session.ts';
import { type CatalogueTable, copyIn, copyOut, readTables } from './catalogue.ts';
import { type BackupHeader, createTally, type Manifest, type TableEnd } from './format.ts';
import { inChunks, linesOf } from './lines.ts';
import { countedRows, type OpenWith, readBackup } from './read.ts';
import type { OnRows } from './write.ts';

export interface LoadOptions extends OpenWith {
  /** Tables of the backup that are left out, where Keyhold has none of their name. */
  readonly without: readonly string[];
  readonly onRows: OnRows;
}

const refuse = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('state_conflict', `${detail} Nothing was restored.`, { cause });

/** Throws `state_conflict` where there is any table: restoring never overwrites. Keeps others from creating some meanwhile. */
export const lockEmptySchema = async (tx: Tx): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${schemaLock}::bigint)`.execute(tx);
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') limit 1`.execute(tx);
  if (rows.length > 0)
    throw refuse(
      'The database is not empty. A backup is restored into a new database only: set KEYHOLD_DATA_DIR to a new directory, or KEYHOLD_DATABASE_URL to a database without tables.',
    );
};

/**
 * Loads a backup into an empty database, in the transaction: makes the backup's schema, loads every table, compares each row
 * with what was loaded, and brings the schema to this version. Throws what `readBackup` throws and `state_conflict`; the
 * transaction has to be rolled back then.
 */
export const loadBackup = async (
  { client, tx, migrating }: OwnerTransaction,
  path: string,
  header: BackupHeader,
  options: LoadOptions,
): Promise<void> => {
  await migrating((db) => migrateUpTo(db, header.migrations.at(-1) ?? ''));
  const references = await dropReferences(tx);
  const tables = await readTables(tx);
  const loaded: TableEnd[] = [];
  let sequences: Manifest['sequences'] = [];
  const progress = countedRows(options.onRows);
  const { header: loadedHeader } = await readBackup(path, options, {
    begin: async (manifest) => {
      refuseUnknownTables(manifest, tables, options.without);
      refuseMissingTables(manifest, tables);
      sequences = manifest.sequences;
      progress.begin(manifest);
    },
    table: async (table, rows) => {
      const tally = createTally();
      const counted = tell(rows, (line) => {
        tally.add(line);
        progress.row();
      });
      if (!tables.some(({ name }) => name === table.name)) return await skip(counted);
      // Migrations write into their own tables.
      await sql`delete from public.${sql.id(table.name)}`.execute(tx);
      await explained(table.name, () =>
        pipeline(Readable.from(inChunks(terminated(counted))), client.query(from(copyIn(tx, table)))),
      );
      loaded.push(tally.end(table.name));
    },
  });
  if (loadedHeader.id !== header.id) throw refuse('The file was replaced by another backup meanwhile.');
  for (const { name, last } of sequences) await setSequence(tx, name, last);
  for (const { table, name, definition } of references)
    await explained(table, () =>
      sql`alter table public.${sql.id(table)} add constraint ${sql.id(name)} ${sql.raw(definition)}`.execute(tx),
    );
  for (const table of tables) await compare(client, tx, table, loaded);
  await migrating(migrateUp);
};

const refuseUnknownTables = (
  manifest: Manifest,
  tables: readonly CatalogueTable[],
  without: readonly string[],
): void => {
  const unknown = manifest.tables.filter(
    ({ name }) => !tables.some((table) => table.name === name) && !without.includes(name),
  );
  if (unknown.length === 0) return;
  const list = unknown.map(({ name, rows }) => `${name} (${rows} rows)`).join(', ');
  throw refuse(`The backup holds tables that Keyhold has not: ${list}. Pass --without <table> to leave one out.`);
};

const refuseMissingTables = (manifest: Manifest, tables: readonly CatalogueTable[]): void => {
  const missing = tables.filter(({ name }) => !manifest.tables.some((table) => table.name === name));
  if (missing.length === 0) return;
  throw refuse(`The backup lacks the tables ${missing.map(({ name }) => name).join(', ')}.`);
};

async function* tell(rows: AsyncIterable<Buffer>, see: (line: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const line of rows) {
    see(line);
    yield line;
  }
}

const lineFeed = Buffer.from('\n');

async function* terminated(rows: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  for await (const line of rows) {
    yield line;
    yield lineFeed;
  }
}

const skip = async (rows: AsyncIterable<Buffer>): Promise<void> => {
  for await (const _ of rows);
};

/** Errors of the database say which table they are about; its message may be about a row of the backup. */
const explained = async (table: string, work: () => Promise<unknown>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    throw refuse(`The rows of ${table} cannot be restored: ${error.message}.`, error);
  }
};

interface Reference {
  readonly table: string;
  readonly name: string;
  readonly definition: string;
}

/** Drops the foreign keys, which would need the tables in an order that circular ones do not have. Resolves to what they were. */
const dropReferences = async (tx: Tx): Promise<readonly Reference[]> => {
  const { rows } = await sql<Reference>`
    select c.relname as "table", o.conname as name, pg_get_constraintdef(o.oid) as definition
    from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and o.contype = 'f' and o.conparentid = 0 order by c.relname, o.conname`.execute(tx);
  for (const { table, name } of rows)
    await sql`alter table public.${sql.id(table)} drop constraint ${sql.id(name)}`.execute(tx);
  return rows;
};

const setSequence = async (tx: Tx, name: string, last: string): Promise<void> => {
  const { rows } = await sql<{ found: string | null }>`
    select to_regclass(${`public.${JSON.stringify(name)}`})::text as found`.execute(tx);
  if (rows[0]?.found) await sql`select setval(${rows[0].found}::regclass, ${last}::bigint)`.execute(tx);
};

/** Reads a table again and compares it, byte for byte, with what was loaded. */
const compare = async (
  client: OwnerTransaction['client'],
  tx: Tx,
  table: CatalogueTable,
  loaded: readonly TableEnd[],
): Promise<void> => {
  const tally = createTally();
  for await (const line of linesOf(client.query(to(copyOut(tx, table))))) tally.add(line);
  const stored = tally.end(table.name);
  const expected = loaded.find((one) => one.table === table.name);
  if (stored.rows === expected?.rows && stored.sha256 === expected.sha256) return;
  throw refuse(
    `The database stored other rows of ${table.name} than it was sent (${stored.rows} of ${expected?.rows ?? 0}).`,
  );
};
