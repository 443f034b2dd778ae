import { type RawBuilder, sql } from 'kysely';
import type { Db, Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { trustCatalogOnly } from '../db/schema-objects.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';

/** A row as it is stored, which need not be one that Keyhold wrote: any column can hold anything, or be missing. */
export interface StoredRow {
  /** The table and the primary key, for people. */
  readonly name: string;
  /** Null where the row is larger than any that Keyhold writes; it is not read. */
  readonly row: RawRow | null;
}

const batchSize = 100;
/** Keyhold's largest rows have less than 1 MiB. A batch of rows of this size still fits into memory. */
const maxRowBytes = 4 * 1024 * 1024;

/**
 * Hands every row of a table to `work`, in batches, from one snapshot. Relies on no key, index, operator or view of the
 * schema. Rejects where the table is missing or is no table, where row security hides rows, and where a row cannot be read.
 */
export const readRows = (
  db: Db,
  table: SealedTableName,
  work: (rows: readonly StoredRow[]) => Promise<void>,
): Promise<void> =>
  db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      await trustCatalogOnly(tx);
      // With row security in force, the statement fails instead of leaving rows out.
      await sql`set local row_security to off`.execute(tx);
      await sql`declare stored no scroll cursor for ${await selectStored(tx, table)}`.execute(tx);
      for (;;) {
        const { rows } = await sql<Stored>`fetch ${sql.lit(batchSize)} from stored`.execute(tx);
        if (rows.length === 0) return;
        await work(rows.map((row) => storedRow(table, row)));
      }
    });

/** A row's own columns, and two whose names no column of ours has. */
type Stored = RawRow & { readonly '?key': string; readonly '?bytes': string };

interface Column {
  readonly name: string;
  readonly type: string;
}

const columnsOf = async (tx: Tx, table: SealedTableName): Promise<readonly Column[]> => {
  const { rows } = await sql<Column & { kind: string }>`
    select attname as name, atttypid::regtype::text as type, relkind as kind
    from pg_class c join pg_namespace n on n.oid = relnamespace
      join pg_attribute on attrelid = c.oid and attnum > 0 and not attisdropped
    where nspname = 'public' and relname = ${table}`.execute(tx);
  if (rows.length === 0) throw new Error(`table ${table} is missing`);
  if (rows.some(({ kind }) => kind !== 'r')) throw new Error(`${table} is no table but another kind of relation`);
  return rows;
};

/** The size of a column's text; that of a string is known without reading it. */
const bytesOf = ({ name, type }: Column): RawBuilder<unknown> => {
  const column = sql.ref(`t.${name}`);
  const isString = ['text', 'character varying', 'bytea'].includes(type);
  return sql`coalesce(octet_length(${isString ? column : sql`${column}::text`}), 0)::bigint`;
};

const selectStored = async (tx: Tx, table: SealedTableName): Promise<RawBuilder<Stored>> => {
  const columns = await columnsOf(tx, table);
  const names = columns.map(({ name }) => name);
  const keys = sealedTables[table].key.filter((key) => names.includes(key)).map((key) => sql.ref(`t.${key}`));
  const fits = sql`"?bytes" <= ${sql.lit(maxRowBytes)}`;
  const values = names.map((name) => sql`case when ${fits} then ${sql.ref(`t.${name}`)} end as ${sql.id(name)}`);
  return sql<Stored>`
    select left(concat_ws(' ', ${sql.join([...keys, sql`''`])}), 200) as "?key", "?bytes", ${sql.join(values)}
    from public.${sql.id(table)} as t
      cross join lateral (select ${sql.join(columns.map(bytesOf), sql` + `)} as "?bytes") as size`;
};

const storedRow = (table: SealedTableName, stored: Stored): StoredRow => {
  const { '?key': key, '?bytes': bytes, ...row } = stored;
  const name = `${table} ${key.trim() || 'without a key'}`;
  return { name, row: Number(bytes) > maxRowBytes ? null : row };
};
