import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newRootKey, startApp, type TestApp } from '../support/app.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import type { Answer } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';

type Json = Record<string, unknown>;

/** Who is there, made while the database was honest. */
interface Cast {
  readonly admin: Person;
  readonly ada: Person;
  readonly grace: Person;
  readonly mallory: Person;
}

describe('a database that answers other than it was asked', () => {
  let database: TestDatabase;
  let app: TestApp;
  let cast: Cast;
  let own: Json;
  let shared: Json;
  let theirs: Json;
  let session: Json;
  let lent: Json;
  const rootKey = newRootKey();

  const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;

  beforeAll(async () => {
    database = await freshDatabase();
    app = await startApp({ database, rootKey, env: { KEYHOLD_DATABASE_CONNECTIONS: '4' } });
    const admin = await logInAdmin(app);
    cast = { admin, ...(await people(app, admin, 'ada', 'grace', 'mallory')) };
    const { ada, grace, mallory } = cast;
    own = await keepSecret(ada, { name: 'OWN', value: 'own value' });
    expectStatus(await ada.call('PUT', `/secrets/${own['id']}/value`, { body: { value: 'second value' } }), 200);
    shared = await keepSecret(ada, { name: 'SHARED', value: 'shared value', scope: 'shared', shared_with: [grace.id] });
    theirs = await keepSecret(mallory, { name: 'THEIRS', value: 'their value' });
    session = await startSession(ada, [grace], { external_id: 'chat' });
    await startSession(mallory, [], { external_id: 'other' });
    lent = await keepSecret(ada, { name: 'LENT', value: 'lent value', scope: 'session', session_id: session['id'] });
    await sql(`create schema lies;
      create function lies.yes(uuid, uuid) returns boolean language sql immutable as 'select true';
      create function lies.no(uuid, uuid) returns boolean language sql immutable as 'select false';
      create function lies.yes(text, text) returns boolean language sql immutable as 'select true';
      create function lies.yes(jsonb, jsonb) returns boolean language sql immutable as 'select true';
      create function lies.swallow() returns trigger language plpgsql as 'begin return null; end';
      create function lies.keep_old() returns trigger language plpgsql as 'begin return old; end'`);
  }, 60_000);
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const undo: (() => Promise<unknown>)[] = [];
  const beHonest = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  afterEach(beHonest);

  /** Makes the server compare with another function wherever it compares these types: only a superuser can. */
  const compareWith = async (operator: string, lie: string): Promise<void> => {
    const [before] = await sql('select oid, oprcode::oid as code from pg_operator where oid = $1::regoperator', [
      operator,
    ]);
    const set = (code: unknown) =>
      sql('update pg_operator set oprcode = $1::oid::regproc where oid = $2', [code, before.oid]);
    const [{ code }] = await sql('select $1::regprocedure::oid as code', [lie]);
    for (const scan of ['indexscan', 'bitmapscan', 'indexonlyscan', 'hashjoin', 'mergejoin'])
      await sql(`alter database ${database.name} set enable_${scan} = off`);
    await set(code);
    await reconnect();
    undo.push(async () => {
      await set(before.code);
      await sql(`alter database ${database.name} reset all`);
      await reconnect();
    });
  };

  /** Ends the service's connections, so that no plan from before is used. */
  const reconnect = async (): Promise<void> => {
    await sql(`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`);
    for (let tries = 0; tries < 50; tries += 1) if ((await cast.ada.call('GET', '/auth/me')).status !== 503) return;
  };

  const value = (who: Person, secret: Json, inSession?: string) =>
    who.call('GET', `/secrets/${secret['id']}/value`, { session: inSession });
  const refresh = (who: Person) => app.call('POST', '/auth/refresh', { body: { refresh_token: who.refreshToken } });

  const isOther = (answer: Answer<any>, expected: string, field: (body: any) => unknown): void => {
    if (answer.status < 300) expect(field(answer.body), answer.text).toBe(expected);
    else expect([401, 403, 404, 503], answer.text).toContain(answer.status);
  };

  describe.each([
    ['finds every row whatever id is asked for', '=(uuid,uuid)', 'lies.yes(uuid,uuid)'],
    ['finds every row whatever name is asked for', '=(text,text)', 'lies.yes(text,text)'],
    ['finds every row shared with whomever is asked for', '@>(jsonb,jsonb)', 'lies.yes(jsonb,jsonb)'],
    ['finds no row by its id', '=(uuid,uuid)', 'lies.no(uuid,uuid)'],
  ] as const)('that %s', (_what, operator, lie) => {
    it('makes nobody somebody else', async () => {
      const fresh = { ada: await logIn(app, 'ada'), mallory: await logIn(app, 'mallory') };
      await compareWith(operator, lie);
      for (const [name, who] of Object.entries(fresh)) {
        isOther(await who.call('GET', '/auth/me'), name, (body) => body.user.username);
        isOther(await refresh(who), name, (body) => body.user.username);
        isOther(await who.call('GET', `/users/${who.id}`), name, (body) => body.username);
        isOther(
          await app.call('POST', '/auth/login', { body: { username: name, password: 'a password for tests' } }),
          name,
          (body) => body.user.username,
        );
      }
      const { logins = [] } = (await fresh.mallory.call('GET', '/auth/logins')).body;
      expect(logins.filter((one: Json) => one['current'])).toHaveLength(logins.length === 0 ? 0 : 1);
    });

    it('reveals nothing to anybody who may not have it, and no other value to anybody who may', async () => {
      await compareWith(operator, lie);
      const { ada, grace, mallory, admin } = cast;
      isOther(await value(ada, own), 'second value', (body) => body.value);
      isOther(await value(grace, shared), 'shared value', (body) => body.value);
      isOther(await value(grace, lent, 'chat'), 'lent value', (body) => body.value);
      for (const who of [mallory, admin])
        for (const secret of [own, shared, lent]) expect((await value(who, secret)).status).not.toBe(200);
      expect((await value(grace, own)).status).not.toBe(200);
      expect((await value(mallory, lent, 'chat')).status).not.toBe(200);
      expect((await value(mallory, lent, 'other')).status).not.toBe(200);
      expect((await value(mallory, lent, String(session['id']))).status).not.toBe(200);
      const named = await mallory.call('POST', '/secrets/reveal', { body: { names: ['OWN', 'SHARED', 'THEIRS'] } });
      for (const item of named.body.secrets ?? [])
        if ('value' in item) expect(item).toMatchObject({ value: 'their value' });
      const ids = [own, shared, lent, theirs].map((one) => one['id']);
      const many = await mallory.call('POST', '/secrets/reveal', { body: { ids } });
      for (const item of many.body.secrets ?? [])
        if ('value' in item) expect(item).toMatchObject({ value: 'their value' });
    });

    it('lists nothing to anybody that is not theirs to see', async () => {
      await compareWith(operator, lie);
      const { mallory, grace } = cast;
      const names = async (path: string, who: Person, key: string, field: string) =>
        ((await who.call('GET', path)).body[key] ?? []).map((one: Json) => one[field]);
      expect(['THEIRS']).toEqual(expect.arrayContaining(await names('/secrets', mallory, 'secrets', 'name')));
      expect(['SHARED']).toEqual(expect.arrayContaining(await names('/secrets', grace, 'secrets', 'name')));
      expect(['other']).toEqual(expect.arrayContaining(await names('/sessions', mallory, 'sessions', 'external_id')));
      const versions = await names(`/secrets/${own['id']}/versions`, mallory, 'versions', 'version');
      expect(versions).toEqual([]);
      const one = await mallory.call('GET', `/sessions/${session['id']}`);
      expect(one.status).not.toBe(200);
    });

    it('changes no row but the one that was named, or nothing', async () => {
      const { ada, mallory, admin } = cast;
      const rowsOf = async () => ({
        secrets: await sql('select id, seal from secrets where owner_id::text = $1 order by id', [ada.id]),
        tokens: await sql('select id, seal from tokens order by id'),
        logins: await sql('select id, seal from logins where user_id::text = $1 order by id', [ada.id]),
        users: await sql('select id, seal from users order by id'),
      });
      await ada.call('POST', '/auth/tokens', {
        body: { name: 'a token', permissions: ['secrets:list'], expires_in: 60 },
      });
      const made = await mallory.call('POST', '/auth/tokens', {
        body: { name: 'a token', permissions: ['secrets:list'], expires_in: 60 },
      });
      const extra = await keepSecret(mallory);
      const before = await rowsOf();
      await compareWith(operator, lie);
      await mallory.call('DELETE', `/auth/tokens/${made.body.id}`);
      await mallory.call('DELETE', `/secrets/${extra.id}`);
      await mallory.call('DELETE', `/secrets/${extra.id}?purge=true`);
      await mallory.call('PATCH', `/secrets/${own['id']}`, { body: { description: 'forged' } });
      await mallory.call('DELETE', `/sessions/${session['id']}/participants/${ada.id}`);
      await admin.call('PATCH', `/users/${mallory.id}`, { body: { status: 'active' } });
      await beHonest();
      const after = await rowsOf();
      expect(after.secrets).toEqual(before.secrets);
      expect(after.logins).toEqual(before.logins);
      const changed = after.tokens.filter((row) => !before.tokens.some((one) => one.seal.equals(row.seal)));
      expect(changed.map((row) => row.id).filter((id) => id !== made.body.id)).toEqual([]);
      const users = after.users.filter((row) => !before.users.some((one) => one.seal.equals(row.seal)));
      expect(users.map((row) => row.id).filter((id) => id !== mallory.id)).toEqual([]);
      expect((await value(ada, own)).body.value).toBe('second value');
    });
  });

  /** A change, and the tables that it writes beside the audit log. */
  interface Change {
    readonly what: string;
    readonly inserts?: readonly string[];
    readonly updates?: readonly string[];
    readonly deletes?: readonly string[];
    /** Makes what the change needs, and nothing that another case relies on. */
    prepare(cast: Cast): Promise<() => Promise<Answer<any>>>;
  }

  const newUser = async ({ admin }: Cast): Promise<Person> => {
    const name = uniqueName('user');
    return (await people(app, admin, name))[name] as Person;
  };
  const newToken = async (who: Person) => {
    const body = { name: 'a token', permissions: ['secrets:list'], expires_in: 60 };
    return expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body;
  };
  const deletedSecret = async (who: Person) => {
    const secret = await keepSecret(who);
    expectStatus(await who.call('DELETE', `/secrets/${secret.id}`), 204);
    return secret;
  };
  const secretOfTwoVersions = async (who: Person) => {
    const secret = await keepSecret(who);
    expectStatus(await who.call('PUT', `/secrets/${secret.id}/value`, { body: { value: 'second' } }), 200);
    return secret;
  };
  /** A user with a secret of two versions, a token, a login, and a share in each direction. */
  const userWithEverything = async (all: Cast): Promise<Person> => {
    const user = await newUser(all);
    await secretOfTwoVersions(user);
    await newToken(user);
    await keepSecret(all.ada, { scope: 'shared', shared_with: [user.id] });
    await keepSecret(user, { scope: 'shared', shared_with: [all.ada.id] });
    return user;
  };
  const item = () => ({ name: uniqueName('NEW'), type: 'token', value: 'v' });
  const patchUser = (all: Cast, user: Person, body: Json) => all.admin.call('PATCH', `/users/${user.id}`, { body });
  const resetPassword = (all: Cast, user: Person) =>
    all.admin.call('POST', `/users/${user.id}/password`, { body: { new_password: 'another password here' } });

  const changes: readonly Change[] = [
    {
      what: 'a creation',
      inserts: ['secrets'],
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('POST', '/secrets', { body: item() }),
    },
    {
      what: 'a creation in a session',
      inserts: ['secrets'],
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('POST', '/secrets', { body: { ...item(), scope: 'session', session_id: 'chat' } }),
    },
    {
      what: 'an import',
      inserts: ['secrets'],
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('POST', '/secrets/import', { body: { items: [item()], on_conflict: 'fail' } }),
    },
    {
      what: 'a share',
      updates: ['secrets'],
      prepare: async ({ ada, mallory }) => {
        const { id } = await keepSecret(ada);
        return () => ada.call('POST', `/secrets/${id}/share`, { body: { user_id: mallory.id } });
      },
    },
    {
      what: 'an unshare',
      updates: ['secrets'],
      prepare: async ({ ada, grace }) => {
        const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
        return () => ada.call('POST', `/secrets/${id}/unshare`, { body: { user_id: grace.id } });
      },
    },
    {
      what: 'a deactivation',
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await keepSecret(ada);
        return () => ada.call('POST', `/secrets/${id}/deactivate`);
      },
    },
    {
      what: 'a deletion',
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await keepSecret(ada);
        return () => ada.call('DELETE', `/secrets/${id}`);
      },
    },
    {
      what: 'a recovery',
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await deletedSecret(ada);
        return () => ada.call('POST', `/secrets/${id}/recover`);
      },
    },
    {
      what: 'a purge',
      deletes: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await keepSecret(ada);
        return () => ada.call('DELETE', `/secrets/${id}?purge=true`);
      },
    },
    {
      what: 'a new value',
      inserts: ['secret_versions'],
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await keepSecret(ada);
        return () => ada.call('PUT', `/secrets/${id}/value`, { body: { value: 'third' } });
      },
    },
    {
      what: 'the restoring of a version',
      inserts: ['secret_versions'],
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await secretOfTwoVersions(ada);
        return () => ada.call('POST', `/secrets/${id}/versions/1/restore`);
      },
    },
    {
      what: 'new metadata',
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await keepSecret(ada);
        return () => ada.call('PATCH', `/secrets/${id}`, { body: { metadata: { region: 'north' } } });
      },
    },
    {
      what: 'a transfer into a session',
      updates: ['secrets'],
      prepare: async ({ ada }) => {
        const { id } = await keepSecret(ada);
        const body = { scope: 'session', session_id: session['id'] };
        return () => ada.call('POST', `/secrets/${id}/transfer`, { body });
      },
    },
    {
      what: 'a reveal',
      prepare:
        async ({ ada }) =>
        () =>
          value(ada, own),
    },
    {
      what: 'a look',
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('GET', `/secrets/${own['id']}`),
    },
    {
      what: 'a list',
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('GET', '/secrets'),
    },
    {
      what: 'a logout',
      updates: ['logins'],
      prepare: async () => {
        const who = await logIn(app, 'ada');
        return () => who.call('POST', '/auth/logout');
      },
    },
    {
      what: 'a refresh',
      updates: ['logins'],
      prepare: async () => {
        const who = await logIn(app, 'ada');
        return () => refresh(who);
      },
    },
    {
      what: 'a login',
      inserts: ['logins'],
      prepare: async () => () =>
        app.call('POST', '/auth/login', { body: { username: 'ada', password: 'a password for tests' } }),
    },
    {
      what: 'a new token',
      inserts: ['tokens'],
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('POST', '/auth/tokens', { body: { name: 'new', permissions: ['secrets:list'], expires_in: 60 } }),
    },
    {
      what: 'a revocation',
      updates: ['tokens'],
      prepare: async ({ ada }) => {
        const { id } = await newToken(ada);
        return () => ada.call('DELETE', `/auth/tokens/${id}`);
      },
    },
    {
      what: 'a new session',
      inserts: ['sessions', 'session_participants'],
      prepare:
        async ({ ada }) =>
        () =>
          ada.call('POST', '/sessions', { body: {} }),
    },
    {
      what: 'the end of a session',
      updates: ['sessions'],
      prepare: async ({ ada }) => {
        const { id } = await startSession(ada);
        return () => ada.call('POST', `/sessions/${id}/end`);
      },
    },
    {
      what: 'a new participant',
      inserts: ['session_participants'],
      prepare: async ({ ada, grace }) => {
        const { id } = await startSession(ada);
        return () => ada.call('POST', `/sessions/${id}/participants`, { body: { user_id: grace.id } });
      },
    },
    {
      what: 'leaving a session',
      updates: ['session_participants'],
      prepare: async ({ ada, grace }) => {
        const { id } = await startSession(ada, [grace]);
        return () => grace.call('DELETE', `/sessions/${id}/participants/${grace.id}`);
      },
    },
    {
      what: 'a new user',
      inserts: ['users', 'owner_keys'],
      prepare:
        async ({ admin }) =>
        () =>
          admin.call('POST', '/users', { body: { username: uniqueName('new'), password: 'a password for tests' } }),
    },
    {
      what: 'disabling a user',
      inserts: ['closed_identities'],
      updates: ['users', 'logins', 'tokens', 'closed_identity_count'],
      prepare: async (all) => {
        const user = await userWithEverything(all);
        return () => patchUser(all, user, { status: 'disabled' });
      },
    },
    {
      what: 'enabling a user',
      inserts: ['closed_identities'],
      updates: ['users', 'closed_identity_count'],
      prepare: async (all) => {
        const user = await newUser(all);
        expectStatus(await patchUser(all, user, { status: 'disabled' }), 200);
        return () => patchUser(all, user, { status: 'active' });
      },
    },
    {
      what: 'a lower role',
      updates: ['users'],
      prepare: async (all) => {
        const user = await newUser(all);
        expectStatus(await patchUser(all, user, { role: 'admin' }), 200);
        return () => patchUser(all, user, { role: 'member' });
      },
    },
    {
      what: 'the reset of a password',
      updates: ['users'],
      prepare: async (all) => {
        const user = await newUser(all);
        return () => resetPassword(all, user);
      },
    },
    {
      what: 'cancelling a reset',
      updates: ['users'],
      prepare: async (all) => {
        const user = await newUser(all);
        expectStatus(await resetPassword(all, user), 200);
        return () => user.call('POST', `/users/${user.id}/password/cancel`);
      },
    },
    {
      what: 'a new password of one’s own',
      updates: ['users', 'logins', 'tokens'],
      prepare: async (all) => {
        const user = await newUser(all);
        await newToken(user);
        await logIn(app, user.username);
        const body = { current_password: 'a password for tests', new_password: 'a password of mine' };
        return () => user.call('POST', `/users/${user.id}/password`, { body });
      },
    },
    {
      what: 'erasing a user',
      inserts: ['closed_identities'],
      updates: ['users', 'closed_identity_count'],
      deletes: ['secrets', 'owner_keys', 'logins', 'tokens'],
      prepare: async (all) => {
        const user = await userWithEverything(all);
        return () => all.admin.call('DELETE', `/users/${user.id}`);
      },
    },
  ];

  const written = changes.flatMap(({ what, inserts = [], updates = [], deletes = [], prepare }) =>
    [...inserts, ...updates, ...deletes, 'audit_log'].map((table) => ({ what, table, prepare })),
  );
  const updated = changes.flatMap(({ what, updates = [], prepare }) =>
    updates.map((table) => ({ what, table, prepare })),
  );

  /** The change fails and writes nothing while the trigger is there. Another of its kind succeeds, and writes, without. */
  const isAcknowledgedOnlyIfWritten = async (trigger: string, { table, prepare }: (typeof written)[number]) => {
    const seals = () => sql(`select seal from ${table} order by seal`);
    const refused = await prepare(cast);
    await sql(`create trigger a_lie ${trigger}`);
    undo.push(() => sql(`drop trigger a_lie on ${table}`));
    const before = await seals();
    const answer = await refused();
    expect(answer.status, answer.text).toBe(503);
    expect(await seals()).toEqual(before);
    await beHonest();
    const allowed = await prepare(cast);
    const beforeAllowed = await seals();
    const { status, text } = await allowed();
    expect([200, 201, 204], text).toContain(status);
    expect(await seals()).not.toEqual(beforeAllowed);
  };

  describe('that swallows writes', () => {
    it.each(written)('does not get $what acknowledged without writing $table', async (one) => {
      await isAcknowledgedOnlyIfWritten(
        `before insert or update or delete on ${one.table} for each row execute function lies.swallow()`,
        one,
      );
    });
  });

  describe('that puts the old row in place of the new', () => {
    it.each(updated)('does not get $what acknowledged without writing $table', async (one) => {
      await isAcknowledgedOnlyIfWritten(
        `before update on ${one.table} for each row execute function lies.keep_old()`,
        one,
      );
    });
  });

  describe('that tells the time', () => {
    it.each([
      ['infinity', `'infinity'`],
      ['minus infinity', `'-infinity'`],
      ['nothing', 'null'],
      ['a year before Christ', `'0044-03-15 12:00:00+00 BC'`],
      ['a year of seven digits', `'294276-01-01 00:00:00+00'`],
    ])('as %s lets nothing live longer', async (_what, time) => {
      const start = app.clock.now();
      const { ada, grace } = cast;
      const soon = new Date(app.clock.now().getTime() + 60_000).toISOString();
      const brief = await keepSecret(ada, {
        value: 'brief',
        expires_at: soon,
        scope: 'shared',
        shared_with: [grace.id],
      });
      const made = await ada.call('POST', '/auth/tokens', {
        body: { name: 'brief', permissions: ['secrets:reveal'], expires_in: 60 },
      });
      const [{ code }] = await sql(`select pg_get_functiondef('pg_catalog.clock_timestamp()'::regprocedure) as code`);
      await sql(`create or replace function pg_catalog.clock_timestamp() returns timestamptz language sql volatile
        as $$ select ${time}::timestamptz $$`);
      undo.push(async () => {
        await sql(code);
        app.clock.set(start);
        await reconnect();
      });
      await reconnect();
      app.clock.advance(120_000);
      for (const answer of [
        await value(ada, brief),
        await value(grace, brief),
        await value(ada.with(made.body.token), brief),
      ])
        expect([401, 404, 409, 503], answer.text).toContain(answer.status);
    });
  });
});
