import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../db/database.ts';
import type { BackedUpTable, Manifest } from './format.ts';

type Column = BackedUpTable['columns'][number];

/** A table as the catalogue has it. */
export interface CatalogueTable {
  readonly name: string;
  /** Without generated columns, which the database computes again. */
  readonly columns: readonly Column[];
  readonly key: readonly string[];
}

interface ColumnRow extends Column {
  readonly table: string;
  /** The position in the primary key, or null. */
  readonly place: number | null;
}

/** The tables of `public`, in the order of a backup. The keys come first: everything else is verified with them. */
export const readTables = async (tx: Tx): Promise<readonly CatalogueTable[]> => {
  const { rows } = await sql<ColumnRow>`
    select c.relname as "table", a.attname as name, format_type(a.atttypid, null) as type, a.atttypid::int as oid,
      array_position(k.conkey, a.attnum) as place
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      left join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
    where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
    order by c.relname <> 'service_keys', c.relname collate "C", a.attnum`.execute(tx);
  return [...Map.groupBy(rows, ({ table }) => table)].map(([name, columns]) => ({
    name,
    columns: columns.map(({ name: column, type, oid }) => ({ name: column, type, oid })),
    key: columns
      .filter(({ place }) => place !== null)
      .sort((a, b) => (a.place ?? 0) - (b.place ?? 0))
      .map(({ name: column }) => column),
  }));
};

const hasCollation = new Set(['text', 'character varying', 'character', 'name']);

/** The order of rows, the same on every server: by the key where there is one, else by the whole row. */
const orderOf = ({ columns, key }: CatalogueTable): RawBuilder<unknown> => {
  const byKey = columns.length > 0 && key.length > 0;
  const terms = (byKey ? key : columns.map(({ name }) => name)).map((name) => {
    const type = columns.find((column) => column.name === name)?.type ?? '';
    if (byKey && !hasCollation.has(type)) return sql.id(name);
    return sql`${sql.id(name)}::text collate "C"`;
  });
  return sql.join(terms);
};

/** A statement that writes the rows of a table as text, one a line, in an order of their own. */
export const copyOut = (tx: Tx, table: CatalogueTable): string => {
  const columns = sql.join(table.columns.map(({ name }) => sql.id(name)));
  const rows = sql`select ${columns} from public.${sql.id(table.name)} order by ${orderOf(table)}`;
  return sql`copy (${rows}) to stdout (format text)`.compile(tx).sql;
};

/** The statement that reads what `copyOut` wrote. */
export const copyIn = (tx: Tx, { name, columns }: Pick<CatalogueTable, 'name' | 'columns'>): string => {
  const names = sql.join(columns.map((column) => sql.id(column.name)));
  return sql`copy public.${sql.id(name)} (${names}) from stdin (format text)`.compile(tx).sql;
};

export const countRows = async (tx: Tx, table: string): Promise<number> => {
  const { rows } = await sql<{ found: number }>`select count(*) as found from public.${sql.id(table)}`.execute(tx);
  return Number(rows[0]?.found);
};

/** The sequences that have been used. */
export const readSequences = async (tx: Tx): Promise<Manifest['sequences']> => {
  const { rows } = await sql<{ name: string; last: string }>`
    select sequencename as name, last_value::text as last from pg_sequences
    where schemaname = 'public' and last_value is not null order by sequencename`.execute(tx);
  return rows;
};
