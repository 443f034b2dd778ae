import type { TestDatabase } from './database.ts';

/** Every column of every table, or of one, as text; bytea is there as hex. */
export const tableContents = async ({ client }: TestDatabase, only?: string): Promise<Map<string, string>> => {
  const columns = await client.query(
    `select c.relname as on_table, a.attname as name, format_type(a.atttypid, null) as type
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm')
      and ($1::text is null or c.relname = $1) order by 1, a.attnum`,
    [only ?? null],
  );
  const ofTable = Map.groupBy(columns.rows, ({ on_table }): string => on_table);
  const contents = new Map<string, string>();
  for (const [table, own] of ofTable) {
    const shown = own.map(({ name, type }) => {
      const text =
        type === 'bytea' ? `encode("${name}", 'hex') || ' ' || encode("${name}", 'escape')` : `"${name}"::text`;
      return `string_agg(${text}, E'\\n') as "${name}"`;
    });
    const { rows } = await client.query(`select ${shown} from "${table}"`);
    for (const { name } of own) contents.set(`${table}.${name}`, rows[0][name] ?? '');
  }
  return contents;
};
