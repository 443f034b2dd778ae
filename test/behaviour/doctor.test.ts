import { describe, expect, it } from 'vitest';
import { prepareSchema, serviceRole } from '../../src/db/grants.ts';
import { prepareJobs } from '../../src/db/job-schema.ts';
import { migrateDownAll } from '../../src/db/migrate.ts';
import { asMigrator } from '../../src/db/open.ts';
import { startApp } from '../support/app.ts';
import { freshDatabase } from '../support/database.ts';
import { findings, matches, sql, whileChanged } from '../support/doctor.ts';

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
      await prepareJobs(db);
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
