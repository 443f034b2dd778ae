import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { prepareSchema, serviceRole } from '../../src/db/grants.ts';
import { migrateDownAll } from '../../src/db/migrate.ts';
import { asMigrator } from '../../src/db/open.ts';
import { type Check, examineDatabase } from '../../src/doctor/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { freshDatabase } from '../support/database.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people } from '../support/people.ts';

let app: TestApp;
let ada: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ada } = await people(app, await logInAdmin(app), 'ada'));
  const secret = await keepSecret(ada);
  expectStatus(await ada.call('PUT', `/secrets/${secret.id}/value`, { body: { value: 'the second value' } }), 200);
});
afterAll(() => app.close());

const sql = async (text: string, values: unknown[] = []) => (await app.database.client.query(text, values)).rows;

const examine = async ({ db, config, rootKeys }: TestApp, full = true): Promise<readonly Check[]> => {
  const target = { env: {}, config, rootKeys, clock: systemClock, full };
  const checks: Check[] = [];
  for await (const check of examineDatabase(db, target)) checks.push(check);
  return checks;
};

const names = ['database', 'clock', 'migrations', 'schema', 'keys', 'owner keys', 'seals', 'values'];

/** What the doctor finds, by the name of the check. Every check has run. */
const findings = async (full = true, of = app): Promise<Record<string, readonly string[]>> => {
  const checks = await examine(of, full);
  expect(checks.map(({ name }) => name)).toEqual(names);
  const some = checks.filter((check) => check.findings.length > 0);
  return Object.fromEntries(some.map((check) => [check.name, check.findings.map(({ what }) => what)]));
};

/** Runs `work` on a database that was changed by `change`, then takes the change back: it is in order before and after. */
const whileChanged = async (change: string, undo: string, work: () => Promise<void>): Promise<void> => {
  expect(await findings()).toEqual({});
  await sql(change);
  try {
    await work();
  } finally {
    await sql(undo);
  }
  expect(await findings()).toEqual({});
};

const equals = (types: string): string => `create operator public.= (procedure = public.anything, ${types})`;
const anything = (types: string): string =>
  `create function public.anything(${types}) returns boolean language sql as 'select true'`;
const swallow = `create function public.swallow() returns trigger language plpgsql as 'begin return null; end'`;

interface Change {
  readonly change: string;
  readonly undo: string;
  /** Everything that the doctor says about the schema. */
  readonly finds: readonly (string | RegExp)[];
}

const changes: Readonly<Record<string, Change>> = {
  'an operator that compares ids': {
    change: `${anything('uuid, text')}; ${equals('leftarg = uuid, rightarg = text')}`,
    undo: 'drop operator public.= (uuid, text); drop function public.anything(uuid, text)',
    finds: [
      "The function anything(uuid, text) is not Keyhold's.",
      "The operator public.=(uuid, text) is not Keyhold's.",
    ],
  },
  'an operator that would hide a cast from the doctor': {
    change: `create function public.nothing(oid, int) returns boolean language sql as 'select false';
      create operator public.< (procedure = public.nothing, leftarg = oid, rightarg = int);
      ${anything('uuid')}; create cast (uuid as boolean) with function public.anything(uuid) as implicit`,
    undo: `drop cast (uuid as boolean); drop function public.anything(uuid);
      drop operator public.< (oid, int); drop function public.nothing(oid, int)`,
    finds: [
      "The function nothing(oid, integer) is not Keyhold's.",
      "The operator public.<(oid, integer) is not Keyhold's.",
      "The function anything(uuid) is not Keyhold's.",
      "The cast uuid to boolean is not Keyhold's.",
    ],
  },
  'a function whose body was replaced': {
    change: `create or replace function keyhold_distinct_ids(ids jsonb) returns boolean language sql immutable
      parallel safe as 'select true'`,
    undo: '',
    finds: ['In the function keyhold_distinct_ids(jsonb), "body" was changed.'],
  },
  'a function that runs as its owner': {
    change: 'alter function keyhold_append_only() security definer',
    undo: 'alter function keyhold_append_only() security invoker',
    finds: ['In the function keyhold_append_only(), "runs as" is its owner and should be its caller.'],
  },
  'a trigger that was disabled': {
    change: 'alter table audit_log disable trigger audit_log_append_only',
    undo: 'alter table audit_log enable always trigger audit_log_append_only',
    finds: ['In the trigger audit_log_append_only of table audit_log, "fires" is never and should be always.'],
  },
  'a trigger that replication passes by': {
    change: 'alter table audit_log enable trigger audit_log_append_only',
    undo: 'alter table audit_log enable always trigger audit_log_append_only',
    finds: [/"fires" is in ordinary sessions and should be always/],
  },
  'foreign keys that are no longer enforced': {
    change: 'alter table logins disable trigger all',
    undo: 'alter table logins enable trigger all',
    finds: ['In the constraint logins_user_id_fkey of table logins, "enforced" is no and should be yes.'],
  },
  'a trigger that swallows writes': {
    change: `${swallow}; create trigger lost before update on tokens for each row execute function public.swallow()`,
    undo: 'drop trigger lost on tokens; drop function public.swallow()',
    finds: ["The function swallow() is not Keyhold's.", "The trigger lost of table tokens is not Keyhold's."],
  },
  'an event trigger': {
    change: `create function public.seen() returns event_trigger language plpgsql as 'begin end';
      create event trigger seen on ddl_command_end execute function public.seen()`,
    undo: 'drop event trigger seen; drop function public.seen()',
    finds: ["The function seen() is not Keyhold's.", "The event trigger seen is not Keyhold's."],
  },
  'a rule that does nothing in place of a write': {
    change: 'create rule lost as on delete to logins do instead nothing',
    undo: 'drop rule lost on logins',
    finds: ["The rule lost of table logins is not Keyhold's."],
  },
  'row security with a policy': {
    change: `alter table logins enable row level security; alter table logins force row level security;
      create policy hide on logins using (ended_at is null)`,
    undo: `drop policy hide on logins; alter table logins disable row level security;
      alter table logins no force row level security`,
    finds: [
      'In the table logins, "row security" is on and should be off.',
      'In the table logins, "forced row security" is on and should be off.',
      "The policy hide of table logins is not Keyhold's.",
    ],
  },
  'a constraint that was dropped': {
    change: 'alter table sessions drop constraint ck_sessions_ended',
    undo: `alter table sessions add constraint ck_sessions_ended check (((status)::text = 'ended') = (ended_at is not null))`,
    finds: ['The constraint ck_sessions_ended of table sessions is missing.'],
  },
  'a constraint that was weakened': {
    change: `alter table secrets drop constraint ck_secrets_exposure,
      add constraint ck_secrets_exposure check (length(exposure) < 100 and exposure <> '' and exposure <> 'nothing' and exposure <> 'everything')`,
    undo: `alter table secrets drop constraint ck_secrets_exposure,
      add constraint ck_secrets_exposure check (exposure in ('reveal', 'use'))`,
    finds: ['In the constraint ck_secrets_exposure of table secrets, "definition" was changed.'],
  },
  'a unique index that was dropped': {
    change: 'drop index ux_users_username_key',
    undo: 'create unique index ux_users_username_key on users (username_key)',
    finds: ['The unique index ux_users_username_key of table users is missing.'],
  },
  'a unique index that is one no longer': {
    change: 'drop index ux_users_username_key; create index ux_users_username_key on users (username_key)',
    undo: 'drop index ux_users_username_key; create unique index ux_users_username_key on users (username_key)',
    finds: [
      'The unique index ux_users_username_key of table users is missing.',
      "The index ux_users_username_key of table users is not Keyhold's.",
    ],
  },
  'a column of another type': {
    change: 'alter table secrets alter column description type text',
    undo: 'alter table secrets alter column description type varchar(1024)',
    finds: ['In the column secrets.description, "type" is text and should be character varying(1024).'],
  },
  'a default that gives away': {
    change: `alter table secrets alter column scope set default 'shared'`,
    undo: `alter table secrets alter column scope set default 'user'`,
    finds: [
      `In the column secrets.scope, "default" is 'shared'::character varying and should be 'user'::character varying.`,
    ],
  },
  'a column that may be null': {
    change: 'alter table secrets alter column owner_id drop not null',
    undo: 'alter table secrets alter column owner_id set not null',
    finds: ['In the column secrets.owner_id, "not null" is no and should be yes.'],
  },
  'a column too many': {
    change: 'alter table secrets add column extra text',
    undo: 'alter table secrets drop column extra',
    finds: ["The column secrets.extra is not Keyhold's."],
  },
  'a table that inherits from one of ours': {
    change: 'create schema elsewhere; create table elsewhere.more () inherits (public.tokens)',
    undo: 'drop schema elsewhere cascade',
    finds: ['In the table tokens, "tables that inherit from it" is elsewhere.more and should be none.'],
  },
  'a table that a crash empties': {
    change: 'alter table login_failures set unlogged',
    undo: 'alter table login_failures set logged',
    finds: ['In the table login_failures, "persistence" is unlogged and should be logged.'],
  },
  'a domain': {
    change: 'create domain public.anyone as uuid',
    undo: 'drop domain public.anyone',
    finds: ["The domain anyone is not Keyhold's."],
  },
  'other objects': {
    change: `create sequence public.numbers; create collation public.ours (provider = 'builtin', locale = 'C')`,
    undo: 'drop sequence public.numbers; drop collation public.ours',
    finds: ["The sequence numbers is not Keyhold's.", "The object collation public.ours is not Keyhold's."],
  },
  'more rights for the service': {
    change: 'grant update on audit_log to keyhold_service; grant create on schema public to keyhold_service',
    undo: 'revoke update on audit_log from keyhold_service; revoke create on schema public from keyhold_service',
    finds: [
      'In the privileges of the service on schema public, "allowed" is CREATE, USAGE and should be USAGE.',
      'In the privileges of the service on table audit_log, "allowed" is INSERT, SELECT, UPDATE and should be INSERT, SELECT.',
    ],
  },
  'fewer rights for the service': {
    change: 'revoke delete on login_failures from keyhold_service',
    undo: 'grant delete on login_failures to keyhold_service',
    finds: [/login_failures, "allowed" is INSERT, SELECT, UPDATE and should be DELETE, INSERT/],
  },
  'rights for everybody': {
    change: 'grant insert, select on users to public; grant create on schema public to public',
    undo: 'revoke all on users from public; revoke create on schema public from public',
    finds: [
      /on schema public, "allowed" is CREATE, USAGE/,
      'There are privileges of others on schema public that Keyhold does not grant: CREATE for everybody.',
      'There are privileges of others on table users that Keyhold does not grant: INSERT for everybody.',
    ],
  },
};

const matches = (sentence: string, pattern: string | RegExp): boolean =>
  typeof pattern === 'string' ? sentence === pattern : pattern.test(sentence);

describe('the doctor on a healthy database', () => {
  it('the doctor finds nothing in a healthy database, whether it opens every value or a sample', async () => {
    expect(await findings(true)).toEqual({});
    expect(await findings(false)).toEqual({});
  });

  it('the doctor finds nothing in a database that was migrated down and up again', async () => {
    const database = await freshDatabase({ empty: true });
    const access = { migrator: database.settings('migrator'), service: {}, serviceLogin: '' };
    await asMigrator(access, async (db) => {
      await prepareSchema(db, serviceRole);
      await migrateDownAll(db);
      await prepareSchema(db, serviceRole);
    });
    const migrated = await startApp({ database });
    expect(await findings(true, migrated)).toEqual({});
    await migrated.close();
    await database.drop();
  });
});

describe('the doctor on a database whose schema was changed', () => {
  it.each(Object.keys(changes))(
    'the doctor names %s and nothing else, and finds nothing once that is undone',
    async (kind) => {
      const { change, undo, finds } = changes[kind] as Change;
      const original = await sql(`select pg_get_functiondef('keyhold_distinct_ids'::regproc) as text`);
      await whileChanged(change, undo || original[0].text, async () => {
        const { schema = [] } = await findings();
        const unexpected = schema.filter((sentence) => !finds.some((pattern) => matches(sentence, pattern)));
        expect(unexpected).toEqual([]);
        for (const pattern of finds) expect(schema.filter((sentence) => matches(sentence, pattern))).toHaveLength(1);
      });
    },
  );
});

interface Damage {
  readonly change: string;
  readonly undo: string;
  /** Some of what each check finds; a check that is not named finds nothing. */
  readonly finds: Readonly<Record<string, readonly (string | RegExp)[]>>;
}

const notKeyholds = /is missing|is not Keyhold's|should be/;

const damages: Readonly<Record<string, Damage>> = {
  'a view in place of a table': {
    change: `alter table tokens rename to kept; create view tokens as
      select k.* from kept k cross join generate_series(1, 1000000000)`,
    undo: 'drop view tokens; alter table kept rename to tokens',
    finds: {
      schema: ['The table tokens is missing.', "The view tokens is not Keyhold's.", "The table kept is not Keyhold's."],
      seals: ['The rows of tokens cannot be read: tokens is no table but another kind of relation'],
    },
  },
  'a table that is missing': {
    change: 'alter table secret_versions rename to kept',
    undo: 'alter table kept rename to secret_versions',
    finds: {
      schema: ['The table secret_versions is missing.', "The table kept is not Keyhold's."],
      seals: ['The rows of secret_versions cannot be read: table secret_versions is missing'],
      values: ['The values in secret_versions cannot be read: table secret_versions is missing'],
    },
  },
  'a column that is missing': {
    change: 'alter table logins rename column ended_at to kept',
    undo: 'alter table logins rename column kept to ended_at',
    finds: {
      schema: ['The column logins.ended_at is missing.', "The column logins.kept is not Keyhold's."],
      seals: [/^The seal of logins [0-9a-f-]{36} does not hold\.$/],
    },
  },
  'a row of nulls': {
    change: `create schema elsewhere; create table elsewhere.was (like public.secrets including all);
      alter table secrets drop constraint secrets_pkey cascade, alter column id drop not null,
        alter column owner_id drop not null, alter column name drop not null, alter column type drop not null,
        alter column encrypted_value drop not null, alter column key_id drop not null, alter column version drop not null,
        alter column seal drop not null;
      insert into secrets (version) values (null)`,
    undo: `delete from secrets where id is null; drop schema elsewhere cascade;
      alter table secrets add primary key (id), alter column owner_id set not null, alter column name set not null,
        alter column type set not null, alter column encrypted_value set not null, alter column key_id set not null,
        alter column version set not null, alter column seal set not null;
      alter table secret_versions add foreign key (secret_id) references secrets on delete cascade`,
    finds: {
      schema: ['In the column secrets.key_id, "not null" is no and should be yes.'],
      seals: ['The seal of secrets without a key does not hold.'],
      values: ['The value of secret null, version null, does not open: its owner key null is missing or broken.'],
    },
  },
  'columns of other types': {
    change: `alter table secrets drop constraint ck_secrets_tags; alter table secrets alter column version drop default, alter column version type text using 'v' || version,
        alter column tags drop default, alter column tags type bytea using '\\xff'`,
    undo: `alter table secrets alter column version type int using substr(version, 2)::int, alter column version set default 1,
        alter column tags type jsonb using '[]', alter column tags set default '[]',
        add constraint ck_secrets_tags check (jsonb_typeof(tags) = 'array')`,
    finds: {
      schema: ['In the column secrets.version, "type" is text and should be integer.'],
      seals: [/^The seal of secrets [0-9a-f-]{36} does not hold\.$/],
      values: [/^The value of secret [0-9a-f-]{36}, version v2, does not open\.$/],
    },
  },
  // As text it has more characters than a string of Node can have.
  'an enormous value': {
    change: `create schema elsewhere; create table elsewhere.was as select * from secrets;
      update secrets set seal = convert_to(repeat('A', 280000000), 'UTF8')`,
    undo: `update secrets s set seal = w.seal from elsewhere.was w where w.id = s.id; drop schema elsewhere cascade`,
    finds: { seals: [/^The seal of secrets [0-9a-f-]{36} does not hold\.$/] },
  },
  'a table that may not be read': {
    change: 'revoke select on sessions from keyhold_service',
    undo: 'grant select on sessions to keyhold_service',
    finds: {
      schema: [/on table sessions, "allowed" is DELETE, INSERT, UPDATE/],
      seals: ['The rows of sessions cannot be read: permission denied for table sessions'],
    },
  },
  'rows that row security hides': {
    change: 'alter table logins enable row level security',
    undo: 'alter table logins disable row level security',
    finds: {
      schema: ['In the table logins, "row security" is on and should be off.'],
      seals: [/^The rows of logins cannot be read: query would be affected by row-level security/],
    },
  },
  'a list of migrations that was emptied': {
    change: `create schema elsewhere; create table elsewhere.was as select * from kysely_migration;
      delete from kysely_migration`,
    undo: 'insert into kysely_migration select * from elsewhere.was; drop schema elsewhere cascade',
    finds: { migrations: ['The schema is not the one of this version of Keyhold.'] },
  },
};

describe('the doctor on a damaged database', () => {
  it.each(Object.keys(damages))('the doctor reports %s and still runs every other check', async (kind) => {
    const { change, undo, finds } = damages[kind] as Damage;
    await whileChanged(change, undo, async () => {
      const all = await findings();
      expect(Object.keys(all).filter((name) => name !== 'schema')).toEqual(
        Object.keys(finds).filter((name) => name !== 'schema'),
      );
      for (const [name, patterns] of Object.entries(finds)) {
        for (const pattern of patterns) {
          expect((all[name] ?? []).filter((one) => matches(one, pattern)).length, String(pattern)).toBeGreaterThan(0);
        }
      }
      expect((all['schema'] ?? []).filter((sentence) => !notKeyholds.test(sentence))).toEqual([]);
    });
  });

  it('the doctor goes on if a seal key cannot be read, and says that the seals were not checked', async () => {
    const was = (await sql('select id, wrapped_key from service_keys'))[0];
    await sql(
      'alter table service_keys alter column wrapped_key drop not null; update service_keys set wrapped_key = null',
    );
    const checks = await examine(app);
    await sql('update service_keys set wrapped_key = $1', [was.wrapped_key]);
    await sql('alter table service_keys alter column wrapped_key set not null');
    expect(checks.map(({ name }) => name)).toEqual(names.slice(0, -1));
    const whatOf = (name: string) => checks.find((check) => check.name === name)?.findings.map(({ what }) => what);
    expect(whatOf('keys')?.at(-1)).toMatch(/^No configured root key opens the seal key/);
    expect(whatOf('owner keys')).toEqual([]);
    expect(whatOf('seals')).toEqual(['This was not checked, since no seal key opens.']);
    expect(await findings()).toEqual({});
  });
});
