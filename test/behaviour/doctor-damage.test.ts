import { describe, expect, it } from 'vitest';
import { checkNames, examine, findings, matches, sql, whileChanged } from '../support/doctor.ts';

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
      seals: [/^The seal of logins [0-9a-f-]{36} is not valid\.$/],
    },
  },
  'a lookup key that is missing': {
    change: `create table kept as select * from service_keys where purpose = 'lookup';
      delete from service_keys where purpose = 'lookup'`,
    undo: 'insert into service_keys select * from kept; drop table kept',
    finds: {
      schema: ["The table kept is not Keyhold's."],
      keys: [/^The database holds no lookup key\. The service creates it when it first starts/],
    },
  },
  'a lookup key that does not open': {
    change: `create table kept as select * from service_keys where purpose = 'lookup';
      update service_keys set wrapped_key = 'forged' where purpose = 'lookup'`,
    undo: `delete from service_keys where purpose = 'lookup'; insert into service_keys select * from kept; drop table kept`,
    finds: {
      schema: ["The table kept is not Keyhold's."],
      keys: [/^Root key [0-9a-f]{16} does not open its copy of the lookup key [0-9a-f-]{36}\.$/],
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
      alter table secret_versions add foreign key (secret_id) references secrets on delete cascade;
      alter table reminders add foreign key (secret_id) references secrets on delete cascade;
      alter table handovers add foreign key (secret_id) references secrets on delete cascade;
      alter table memory_entities add foreign key (secret_id) references secrets on delete cascade`,
    finds: {
      schema: ['In the column secrets.key_id, "not null" is no and should be yes.'],
      seals: ['The seal of secrets without a key is not valid.'],
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
      seals: [/^The seal of secrets [0-9a-f-]{36} is not valid\.$/],
      values: [/^The value of secret [0-9a-f-]{36}, version v2, does not open\.$/],
    },
  },
  // As text it has more characters than a string of Node can have.
  'an enormous value': {
    change: `create schema elsewhere; create table elsewhere.was as select * from secrets;
      update secrets set seal = convert_to(repeat('A', 280000000), 'UTF8')`,
    undo: `update secrets s set seal = w.seal from elsewhere.was w where w.id = s.id; drop schema elsewhere cascade`,
    finds: { seals: [/^The seal of secrets [0-9a-f-]{36} is not valid\.$/] },
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
    const was = (await sql(`select wrapped_key from service_keys where purpose = 'seal'`))[0];
    await sql(
      `alter table service_keys alter column wrapped_key drop not null;
      update service_keys set wrapped_key = null where purpose = 'seal'`,
    );
    const checks = await examine();
    await sql(`update service_keys set wrapped_key = $1 where purpose = 'seal'`, [was.wrapped_key]);
    await sql('alter table service_keys alter column wrapped_key set not null');
    expect(checks.map(({ name }) => name)).toEqual(checkNames.slice(0, checkNames.indexOf('restores')));
    const whatOf = (name: string) => checks.find((check) => check.name === name)?.findings.map(({ what }) => what);
    expect(whatOf('keys')?.at(-1)).toMatch(/^No configured root key opens the seal key/);
    expect(whatOf('owner keys')).toEqual([]);
    expect(whatOf('seals')).toEqual(['This was not checked, since no seal key opens.']);
    expect(await findings()).toEqual({});
  });
});
