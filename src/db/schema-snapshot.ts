import { type Kysely, type RawBuilder, sql } from 'kysely';

type Line = { text: string };

const linesOf = async (db: Kysely<unknown>, query: RawBuilder<Line>): Promise<string[]> =>
  (await query.execute(db)).rows.map(({ text }) => text);

const columns = sql<
  Line & { table: string }
>`select format('%s %s%s%s', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then ' NOT NULL' else '' end,
    coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')) as text, c.relname as table
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname, a.attnum`;

// NOT NULL stands with the columns: since PostgreSQL 18 it is a constraint too.
const constraints = sql<Line>`select format('ALTER TABLE %s ADD CONSTRAINT %I %s;', conrelid::regclass, conname,
    pg_get_constraintdef(oid)) as text
  from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
  order by conrelid::regclass::text, contype desc, conname`;

const indices = sql<Line>`select indexdef || ';' as text from pg_indexes where schemaname = 'public'
  and not exists (select from pg_constraint where conname = indexname) order by tablename, indexname`;

const functions = sql<Line>`select rtrim(pg_get_functiondef(oid)) || ';' as text from pg_proc
  where pronamespace = 'public'::regnamespace order by proname`;

const triggers = sql<Line>`select format(E'%s;%s', pg_get_triggerdef(t.oid),
    case when tgenabled = 'A' then format(E'\nALTER TABLE %s ENABLE ALWAYS TRIGGER %I;', tgrelid::regclass, tgname)
    else ' -- enabled: ' || tgenabled::text end) as text
  from pg_trigger t join pg_class c on c.oid = tgrelid
  where not tgisinternal and c.relnamespace = 'public'::regnamespace order by c.relname, tgname`;

const rights = sql<Line>`select format('GRANT %s ON %s TO %I;', string_agg(privilege_type, ', ' order by privilege_type),
    c.oid::regclass, r.rolname) as text
  from pg_class c cross join aclexplode(c.relacl) acl join pg_roles r on r.oid = acl.grantee
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and acl.grantee <> c.relowner
  group by c.oid, c.relname, r.rolname order by c.relname, r.rolname`;

const tables = async (db: Kysely<unknown>): Promise<string[]> => {
  const { rows } = await columns.execute(db);
  const names = new Set(rows.map(({ table }) => table));
  return [...names].map((name) => {
    const own = rows.filter(({ table }) => table === name);
    return `CREATE TABLE ${name} (\n${own.map(({ text }) => `  ${text}`).join(',\n')}\n);`;
  });
};

/**
 * The schema as the catalogues tell it: tables, constraints, indices, functions, triggers, and what roles may do with
 * the tables. The same schema gives the same text on every server, so that two can be compared.
 */
export const schemaSnapshot = async (db: Kysely<unknown>): Promise<string> => {
  const parts = [await tables(db)];
  for (const query of [constraints, indices, functions, triggers, rights]) parts.push(await linesOf(db, query));
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
};
