import { type Kysely, type QueryExecutorProvider, type RawBuilder, sql } from 'kysely';
import { serviceRole } from './grants.ts';

/** What the catalogues know of one object of the schema. */
export interface SchemaObject {
  /** In plain words, such as `table`, `unique index` or `event trigger`. */
  readonly kind: string;
  /** Unique within the kind; without the schema where that is `public`. */
  readonly name: string;
  /** The relation that it belongs to, or null. */
  readonly relation: string | null;
  /** What defines it, by name, in words that don't depend on the server's version. */
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * Everything that decides how Keyhold's statements work: the objects in `public`, user-made ones in `pg_catalog`, which
 * is searched first, casts between built-in types, event triggers, and what roles may do. Objects in other schemas are
 * left out: no statement of Keyhold looks there. Reads the catalogues in one snapshot with nothing but `pg_catalog` on
 * the search path, so that a function or an operator of the schema cannot speak for itself. Needs no rights.
 */
export const readSchemaObjects = <T>(db: Kysely<T>): Promise<readonly SchemaObject[]> =>
  db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      await trustCatalogOnly(tx);
      const objects: SchemaObject[] = [];
      for (const query of queries) objects.push(...(await query.execute(tx)).rows);
      return objects;
    });

/** Until the end of the transaction, names of functions and operators mean those of PostgreSQL. */
export const trustCatalogOnly = async (tx: QueryExecutorProvider): Promise<void> => {
  await sql`set local search_path to pg_catalog, pg_temp`.execute(tx);
};

type Query = RawBuilder<SchemaObject>;

/** The first oid that objects get after `initdb`. */
const firstUserOid = sql.lit(16_384);
const yesNo = (condition: RawBuilder<unknown>): RawBuilder<string> =>
  sql`case when ${condition} then 'yes' else 'no' end`;
const onOff = (condition: RawBuilder<unknown>): RawBuilder<string> =>
  sql`case when ${condition} then 'on' else 'off' end`;

const relations: Query = sql`
  select case relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view'
      when 'm' then 'materialized view' when 'f' then 'foreign table' when 'S' then 'sequence' end as kind,
    relname as name, null as relation, json_build_object(
      'persistence', case relpersistence when 'p' then 'logged' when 'u' then 'unlogged' else 'temporary' end,
      'row security', ${onOff(sql`relrowsecurity`)},
      'forced row security', ${onOff(sql`relforcerowsecurity`)},
      'tables that inherit from it', coalesce((select string_agg(inhrelid::regclass::text, ', ' order by inhrelid)
        from pg_inherits where inhparent = c.oid), 'none')) as facts
  from pg_class c join pg_namespace n on n.oid = relnamespace
  where nspname = 'public' and relkind in ('r', 'p', 'v', 'm', 'f', 'S') order by relname`;

const columns: Query = sql`
  select 'column' as kind, relname || '.' || attname as name, relname as relation, json_build_object(
    'type', format_type(atttypid, atttypmod),
    'not null', ${yesNo(sql`attnotnull`)},
    'default', coalesce(pg_get_expr(adbin, adrelid), 'none'),
    'generated', case when attidentity <> '' then 'as identity' when attgenerated <> '' then 'always' else 'no' end,
    'collation', case when attcollation = typcollation then 'that of its type' else attcollation::regcollation::text end)
    as facts
  from pg_class c join pg_namespace n on n.oid = relnamespace
    join pg_attribute a on attrelid = c.oid and attnum > 0 and not attisdropped join pg_type t on t.oid = atttypid
    left join pg_attrdef on adrelid = c.oid and adnum = attnum
  where nspname = 'public' and relkind in ('r', 'p') order by relname, attname`;

// NOT NULL stands with the columns: since PostgreSQL 18 it is a constraint too.
const constraints: Query = sql`
  select 'constraint' as kind, conname as name, relname as relation, json_build_object(
    'definition', pg_get_constraintdef(o.oid),
    'validated', ${yesNo(sql`convalidated`)},
    'enforced', ${yesNo(sql`not exists (select from pg_trigger where tgconstraint = o.oid and tgisinternal
      and tgenabled not in ('O', 'A'))`)}) as facts
  from pg_constraint o join pg_class c on c.oid = conrelid join pg_namespace n on n.oid = relnamespace
  where nspname = 'public' and contype <> 'n' order by relname, conname`;

const indices: Query = sql`
  select case when indisunique then 'unique index' else 'index' end as kind, i.relname as name, t.relname as relation,
    json_build_object('definition', pg_get_indexdef(indexrelid),
      'usable', ${yesNo(sql`indisvalid and indisready and indislive`)}) as facts
  from pg_index join pg_class i on i.oid = indexrelid join pg_class t on t.oid = indrelid
    join pg_namespace n on n.oid = t.relnamespace
  where nspname = 'public' order by t.relname, i.relname`;

/** Of the schema `n`: those whose names Keyhold's statements find without qualifying them. */
const onSearchPath = (oid: string): RawBuilder<boolean> =>
  sql`(nspname = 'public' or nspname = 'pg_catalog' and ${sql.ref(oid)} >= ${firstUserOid})`;
const prefix = sql`case nspname when 'public' then '' else nspname || '.' end`;

const functions: Query = sql`
  select case prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind,
    ${prefix} || proname || '(' || oidvectortypes(proargtypes) || ')' as name, null as relation, json_build_object(
      'language', lanname, 'result', coalesce(pg_get_function_result(p.oid), 'none'),
      'body', coalesce(pg_get_function_sqlbody(p.oid), prosrc), 'library', coalesce(probin, 'none'),
      'runs as', case when prosecdef then 'its owner' else 'its caller' end,
      'volatility', case provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
      'strict', ${yesNo(sql`proisstrict`)}, 'leakproof', ${yesNo(sql`proleakproof`)},
      'parallel', case proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
      'settings', coalesce(array_to_string(proconfig, ', '), 'none')) as facts
  from pg_proc p join pg_namespace n on n.oid = pronamespace join pg_language l on l.oid = prolang
  where ${onSearchPath('p.oid')} order by proname, p.oid`;

const enabled = (state: string): RawBuilder<string> =>
  sql`case ${sql.ref(state)} when 'O' then 'in ordinary sessions' when 'A' then 'always'
    when 'R' then 'on replicas only' else 'never' end`;

const triggers: Query = sql`
  select 'trigger' as kind, tgname as name, relname as relation,
    json_build_object('definition', pg_get_triggerdef(t.oid), 'fires', ${enabled('tgenabled')}) as facts
  from pg_trigger t join pg_class c on c.oid = tgrelid join pg_namespace n on n.oid = relnamespace
  where nspname = 'public' and not tgisinternal order by relname, tgname`;

const rules: Query = sql`
  select 'rule' as kind, rulename as name, relname as relation,
    json_build_object('definition', pg_get_ruledef(r.oid), 'fires', ${enabled('ev_enabled')}) as facts
  from pg_rewrite r join pg_class c on c.oid = ev_class join pg_namespace n on n.oid = relnamespace
  where nspname = 'public' and not (rulename = '_RETURN' and relkind in ('v', 'm')) order by relname, rulename`;

const policies: Query = sql`
  select 'policy' as kind, polname as name, relname as relation,
    json_build_object('rows', coalesce(pg_get_expr(polqual, polrelid), 'all')) as facts
  from pg_policy join pg_class c on c.oid = polrelid join pg_namespace n on n.oid = relnamespace
  where nspname = 'public' order by relname, polname`;

const operators: Query = sql`
  select 'operator' as kind, nspname || '.' || oprname || '(' || case when oprleft = 0 then 'none' else
      format_type(oprleft, null) end || ', ' || format_type(oprright, null) || ')' as name, null as relation,
    json_build_object('function', oprcode::text) as facts
  from pg_operator o join pg_namespace n on n.oid = oprnamespace where ${onSearchPath('o.oid')} order by oprname, o.oid`;

// Without the row types and array types that come with tables and other types.
const types: Query = sql`
  select case typtype when 'd' then 'domain' when 'e' then 'enum' when 'c' then 'composite type' else 'type' end as kind,
    ${prefix} || typname as name, null as relation, json_build_object('kind', typtype) as facts
  from pg_type t join pg_namespace n on n.oid = typnamespace left join pg_class c on c.oid = typrelid
  where ${onSearchPath('t.oid')} and (c.relkind is null or c.relkind = 'c')
    and not exists (select from pg_type where typarray = t.oid) order by typname`;

const casts: Query = sql`
  select 'cast' as kind, format_type(castsource, null) || ' to ' || format_type(casttarget, null) as name,
    null as relation, json_build_object('function', castfunc::regproc::text) as facts
  from pg_cast c where c.oid >= ${firstUserOid} and castsource < ${firstUserOid} and casttarget < ${firstUserOid}
  order by castsource, casttarget`;

const eventTriggers: Query = sql`
  select 'event trigger' as kind, evtname as name, null as relation,
    json_build_object('event', evtevent, 'function', evtfoid::regproc::text, 'fires', ${enabled('evtenabled')}) as facts
  from pg_event_trigger order by evtname`;

/** What else is in the schema, such as operator classes, collations and text search configurations. */
const others: Query = sql`
  select 'object' as kind, pg_describe_object(classid, objid, 0) as name, null as relation, '{}'::json as facts
  from pg_depend join pg_namespace n on n.oid = refobjid
  where refclassid = 'pg_namespace'::regclass and nspname = 'public' and classid not in ('pg_class'::regclass,
    'pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_default_acl'::regclass) order by 2`;

const isServiceRole = sql`rolname = ${sql.lit(serviceRole)}`;

/** What the service's role may do in effect, by whatever grant. Nothing where the server has no such role. */
const servicePrivileges: Query = sql`
  select 'privileges of the service on' as kind, 'table ' || relname as name, relname as relation,
    json_build_object('allowed', (select coalesce(string_agg(privilege, ', ' order by privilege), 'nothing')
      from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) as privilege
      where has_table_privilege(r.oid, c.oid, privilege) or case when privilege in ('SELECT', 'INSERT', 'UPDATE',
        'REFERENCES') then has_any_column_privilege(r.oid, c.oid, privilege) end)) as facts
  from pg_roles r cross join pg_class c join pg_namespace n on n.oid = relnamespace
  where ${isServiceRole} and nspname = 'public' and relkind in ('r', 'p')
  union all select 'privileges of the service on', 'function ' || proname, null,
    json_build_object('allowed', case when has_function_privilege(r.oid, p.oid, 'EXECUTE') then 'EXECUTE' else 'nothing' end)
  from pg_roles r cross join pg_proc p join pg_namespace n on n.oid = pronamespace
  where ${isServiceRole} and nspname = 'public'
  union all select 'privileges of the service on', 'schema public', null,
    json_build_object('allowed', (select coalesce(string_agg(privilege, ', ' order by privilege), 'nothing')
      from unnest(array['CREATE', 'USAGE']) as privilege where has_schema_privilege(r.oid, n.oid, privilege)))
  from pg_roles r cross join pg_namespace n where ${isServiceRole} and nspname = 'public' order by 2`;

const serviceRoleItself: Query = sql`
  select 'role' as kind, rolname as name, null as relation, json_build_object(
    'superuser', ${yesNo(sql`rolsuper`)}, 'passes row security', ${yesNo(sql`rolbypassrls`)},
    'may create roles', ${yesNo(sql`rolcreaterole`)}, 'may replicate', ${yesNo(sql`rolreplication`)},
    'member of', coalesce((select string_agg(roleid::regrole::text, ', ' order by roleid) from pg_auth_members
      where member = r.oid), 'none')) as facts
  from pg_roles r where ${isServiceRole}`;

/** Who else may write to a table, or create objects in the schema: neither its owner nor the service. Reading is left out. */
const otherPrivileges: Query = sql`
  select 'privileges of others on' as kind, 'table ' || relname as name, relname as relation,
    json_build_object('allowed', string_agg(distinct privilege_type || ' for ' || coalesce(rolname, 'everybody'), ', '))
    as facts
  from pg_class c join pg_namespace n on n.oid = relnamespace
    cross join lateral (select * from aclexplode(relacl) union all select a.* from pg_attribute, aclexplode(attacl) a
      where attrelid = c.oid) as acl
    left join pg_roles r on r.oid = grantee
  where nspname = 'public' and relkind in ('r', 'p') and grantee <> relowner
    and privilege_type in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER')
    and coalesce(rolname, '') <> ${sql.lit(serviceRole)}
  group by relname
  union all select 'privileges of others on', 'schema public', null, json_build_object('allowed',
    string_agg('CREATE for ' || coalesce(rolname, 'everybody'), ', '))
  from pg_namespace n cross join lateral aclexplode(nspacl) left join pg_roles r on r.oid = grantee
  where nspname = 'public' and privilege_type = 'CREATE' and grantee <> nspowner
    and coalesce(rolname, '') not in (${sql.lit(serviceRole)}, 'pg_database_owner')
  group by nspname order by 2`;

const queries: readonly Query[] = [
  relations,
  columns,
  constraints,
  indices,
  functions,
  triggers,
  rules,
  policies,
  operators,
  types,
  casts,
  eventTriggers,
  others,
  servicePrivileges,
  serviceRoleItself,
  otherPrivileges,
];
