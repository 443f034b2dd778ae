import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newRootKey, startApp, type TestApp } from '../support/app.ts';
import { some } from '../support/counts.ts';
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

const swallowing = (table: string): string =>
  `before insert or update or delete on ${table} for each row execute function lies.swallow()`;
const keepingOld = (table: string): string => `before update on ${table} for each row execute function lies.keep_old()`;
const undoing = (table: string): string =>
  `after update on ${table} for each row when (pg_trigger_depth() = 0) execute function lies.undo()`;

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
      create function lies.undo() returns trigger language plpgsql as $$ begin
        execute (select format('update public.%I set (%s) = row(%s) where seal = $2', tg_table_name,
            string_agg(quote_ident(attname), ','), string_agg('($1).' || quote_ident(attname), ','))
          from pg_attribute where attrelid = tg_relid and attnum > 0 and not attisdropped) using old, new.seal;
        return null;
      end $$;
      create function lies.keep_old() returns trigger language plpgsql as 'begin return old; end'`);
  });
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

  /** Judges an answer about somebody or something expected, given its field that tells which it is. */
  type Judge = (answer: Answer<any>, expected: string, field: (body: any) => unknown) => void;

  /** Of an honest database: the right answer. */
  const isRight: Judge = (answer, expected, field) => expect(field(expectStatus(answer, 200).body)).toBe(expected);

  /** Of a lying database: the right answer or a refusal. */
  const isRightOrRefused: Judge = (answer, expected, field) => {
    if (answer.status < 300) expect(field(answer.body), answer.text).toBe(expected);
    else isRefused(answer);
  };
  const isRefused = ({ status, body, text }: Answer<any>) => {
    if (body.code !== 'integrity_broken') expect([401, 403, 404, 503], text).toContain(status);
  };

  const everybodyIsThemselves = async (judge: Judge): Promise<void> => {
    for (const [name, who] of Object.entries(fresh)) {
      judge(await who.call('GET', '/auth/me'), name, (body) => body.user.username);
      judge(await refresh(who), name, (body) => body.user.username);
      judge(await who.call('GET', `/users/${who.id}`), name, (body) => body.username);
      judge(
        await app.call('POST', '/auth/login', { body: { username: name, password: 'a password for tests' } }),
        name,
        (body) => body.user.username,
      );
    }
    judge(
      await fresh.mallory.call('GET', '/auth/logins'),
      '1',
      ({ logins }) => `${logins.filter((one: Json) => one['current']).length}`,
    );
  };
  let fresh: { ada: Person; mallory: Person };
  const logInAfresh = async () => {
    fresh = { ada: await logIn(app, 'ada'), mallory: await logIn(app, 'mallory') };
  };

  const everybodyRevealsTheirOwn = async (judge: Judge): Promise<void> => {
    const { ada, grace, mallory, admin } = cast;
    judge(await value(ada, own), 'second value', (body) => body.value);
    judge(await value(grace, shared), 'shared value', (body) => body.value);
    judge(await value(grace, lent, 'chat'), 'lent value', (body) => body.value);
    for (const who of [mallory, admin]) for (const secret of [own, shared, lent]) isRefused(await value(who, secret));
    isRefused(await value(grace, own));
    for (const name of ['chat', 'other', String(session['id'])]) isRefused(await value(mallory, lent, name));
    const values = ({ secrets }: { secrets: Json[] }) =>
      secrets
        .map((one) => one['value'])
        .filter((one) => one !== undefined)
        .join();
    const ids = [own, shared, lent, theirs].map((one) => one['id']);
    for (const body of [{ names: ['OWN', 'SHARED', 'THEIRS'] }, { ids }]) {
      const { status, body: revealed, text } = await mallory.call('POST', '/secrets/reveal', { body });
      const all = values({ secrets: revealed.secrets ?? [] });
      if (judge === isRight) expect([status, all], text).toEqual([200, 'their value']);
      else expect(['', 'their value'], text).toContain(all);
    }
  };

  /** Lists nothing but this; an honest database lists all of it. */
  const lists = async (judge: Judge, who: Person, path: string, field: string, expected: readonly unknown[]) => {
    const { status, body, text } = await who.call('GET', path);
    const key = path.match(/versions|sessions|secrets/g)?.at(-1) ?? '';
    const found = (body[key] ?? []).map((one: Json) => one[field]).toSorted();
    if (judge === isRight) expect([status, found], text).toEqual([200, expected]);
    else {
      expect(body.code === 'integrity_broken' || [200, 401, 403, 404, 503].includes(status), text).toBe(true);
      expect(expected, text).toEqual(expect.arrayContaining(found));
    }
  };

  const everybodyListsTheirOwn = async (judge: Judge): Promise<void> => {
    const { ada, mallory, grace } = cast;
    await lists(judge, mallory, '/secrets', 'name', ['THEIRS']);
    await lists(judge, grace, '/secrets', 'name', ['SHARED']);
    await lists(judge, mallory, '/sessions', 'external_id', ['other']);
    await lists(judge, ada, `/secrets/${own['id']}/versions`, 'version', [1, 2]);
    isRefused(await mallory.call('GET', `/secrets/${own['id']}/versions`));
    isRefused(await mallory.call('GET', `/sessions/${session['id']}`));
    judge(await ada.call('GET', `/sessions/${session['id']}`), 'chat', (body) => body.external_id);
  };

  const operators = [
    ['finds every row whatever id is asked for', '=(uuid,uuid)', 'lies.yes(uuid,uuid)'],
    ['finds every row whatever name is asked for', '=(text,text)', 'lies.yes(text,text)'],
    ['finds every row shared with whomever is asked for', '@>(jsonb,jsonb)', 'lies.yes(jsonb,jsonb)'],
    ['finds no row by its id', '=(uuid,uuid)', 'lies.no(uuid,uuid)'],
  ] as const;

  /** Tests this for each operator in the soak, and otherwise for about half of them, others for each title. */
  const lying = (title: string, work: (operator: string, lie: string) => Promise<void>): void => {
    it.each(some(operators, 0, 2, ([what]) => `${title}: ${what}`))(
      `${title}, by a database that %s`,
      async (_what, operator, lie) => await work(operator, lie),
    );
  };

  describe('that compares otherwise than it should', () => {
    lying('makes nobody somebody else', async (operator, lie) => {
      await logInAfresh();
      await everybodyIsThemselves(isRight);
      await logInAfresh();
      await compareWith(operator, lie);
      await everybodyIsThemselves(isRightOrRefused);
    });

    lying(
      'reveals nothing to anybody who may not have it, and no other value to anybody who may',
      async (operator, lie) => {
        await everybodyRevealsTheirOwn(isRight);
        await compareWith(operator, lie);
        await everybodyRevealsTheirOwn(isRightOrRefused);
      },
    );

    lying('lists nothing to anybody that is not theirs to see', async (operator, lie) => {
      await everybodyListsTheirOwn(isRight);
      await compareWith(operator, lie);
      await everybodyListsTheirOwn(isRightOrRefused);
    });

    lying('changes no row but the one that was named, or nothing', async (operator, lie) => {
      const { ada, grace, admin } = cast;
      const rowsOf = async () => ({
        secrets: await sql('select id, seal from secrets where owner_id::text = $1 order by id', [ada.id]),
        tokens: await sql('select id, seal from tokens order by id'),
        logins: await sql('select id, seal from logins where user_id::text = $1 order by id', [ada.id]),
        users: await sql('select id, seal from users order by id'),
      });
      await newToken(ada);
      const prepare = async () => {
        const other = await newUser(cast);
        return {
          other,
          token: await newToken(other),
          extra: await keepSecret(other),
          purged: await keepSecret(other),
          group: await startSession(other, [grace]),
        };
      };
      const change = async ({ other, token, extra, purged, group }: Awaited<ReturnType<typeof prepare>>) => [
        (await other.call('DELETE', `/auth/tokens/${token.id}`)).status,
        (await other.call('DELETE', `/secrets/${extra.id}`)).status,
        (await other.call('DELETE', `/secrets/${purged.id}?purge=true`)).status,
        (await other.call('DELETE', `/sessions/${group.id}/participants/${grace.id}`)).status,
        (await admin.call('PATCH', `/users/${other.id}`, { body: { status: 'active' } })).status,
      ];
      expect(await change(await prepare())).toEqual([204, 204, 204, 204, 200]);
      const prepared = await prepare();
      const before = await rowsOf();
      await compareWith(operator, lie);
      await change(prepared);
      await prepared.other.call('PATCH', `/secrets/${own['id']}`, { body: { description: 'forged' } });
      await prepared.other.call('DELETE', `/sessions/${session['id']}/participants/${ada.id}`);
      await beHonest();
      const after = await rowsOf();
      expect(after.secrets).toEqual(before.secrets);
      expect(after.logins).toEqual(before.logins);
      const changed = after.tokens.filter((row) => !before.tokens.some((one) => one.seal.equals(row.seal)));
      expect(changed.map((row) => row.id).filter((id) => id !== prepared.token.id)).toEqual([]);
      const users = after.users.filter((row) => !before.users.some((one) => one.seal.equals(row.seal)));
      expect(users.map((row) => row.id).filter((id) => id !== prepared.other.id)).toEqual([]);
      expect((await value(ada, own)).body.value).toBe('second value');
    });

    lying('lists nothing that a filter leaves out', async (operator, lie) => {
      const [who, other] = [await newUser(cast), await newUser(cast)];
      const group = await startSession(who);
      await keepSecret(who, { name: 'FIRST', type: 'token' });
      await keepSecret(who, { name: 'SECOND', scope: 'shared', shared_with: [other.id] });
      await keepSecret(who, { name: 'THIRD', type: 'token', scope: 'session', session_id: group.id });
      await keepSecret(other, { name: 'FOURTH', scope: 'shared', shared_with: [who.id] });
      const listsFiltered = async (judge: Judge): Promise<void> => {
        await lists(judge, who, '/secrets?name=FIRST', 'name', ['FIRST']);
        await lists(judge, who, '/secrets?scope=shared', 'name', ['FOURTH', 'SECOND']);
        await lists(judge, who, '/secrets?type=token', 'name', ['FIRST', 'THIRD']);
        await lists(judge, who, '/secrets?owner=me', 'name', ['FIRST', 'SECOND', 'THIRD']);
      };
      await listsFiltered(isRight);
      await compareWith(operator, lie);
      await listsFiltered(isRightOrRefused);
    });

    lying('imports into no other secret and no other place', async (operator, lie) => {
      const names = ['KEPT', 'RENEWED'] as const;
      const prepare = async () => {
        const who = await newUser(cast);
        const other = await newUser(cast);
        const group = await startSession(who);
        for (const name of names) {
          await keepSecret(who, { name });
          await keepSecret(who, { name, scope: 'session', session_id: group.id });
          await keepSecret(other, { name });
        }
        const items = [{ name: 'RENEWED', type: 'api_key', value: 'renewed' }];
        const send = () => who.call('POST', '/secrets/import', { body: { items, on_conflict: 'update' } });
        return { who, send };
      };
      const rows = async () =>
        await sql(`select id, name, scope, owner_id, encode(seal, 'hex') as seal from secrets order by id`);
      const changedRows = async (before: Json[]) =>
        (await rows())
          .filter((row) => !before.some((one) => one['seal'] === row.seal))
          .map(({ name, scope, owner_id }) => ({ name, scope, owner_id }));
      const honest = await prepare();
      const beforeHonest = await rows();
      expect(expectStatus(await honest.send(), 201).body.updated).toBe(1);
      const renewed = ({ who }: typeof honest) => ({ name: 'RENEWED', scope: 'user', owner_id: who.id });
      expect(await changedRows(beforeHonest)).toEqual([renewed(honest)]);
      const lied = await prepare();
      const before = await rows();
      await compareWith(operator, lie);
      const { status } = await lied.send();
      await beHonest();
      expect(await rows()).toHaveLength(before.length);
      expect([[], [renewed(lied)]]).toContainEqual(await changedRows(before));
      expect(status).not.toBe(500);
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
    const body = { name: 'a token', permissions: ['secrets:list'], expires_in: 3600 };
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
      prepare: async (all) => {
        const { ada } = all;
        const user = await newUser(all);
        const { id } = await keepSecret(ada);
        return () => ada.call('POST', `/secrets/${id}/share`, { body: { user_id: user.id } });
      },
    },
    {
      what: 'an unshare',
      updates: ['secrets'],
      prepare: async (all) => {
        const { ada } = all;
        const user = await newUser(all);
        const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [user.id] });
        return () => ada.call('POST', `/secrets/${id}/unshare`, { body: { user_id: user.id } });
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
      what: 'joining a session',
      updates: ['session_participants'],
      prepare: async ({ ada, grace }) => {
        const body = { participants: [grace.id] };
        const { id } = expectStatus(await ada.call('POST', '/sessions', { body }), 201).body;
        return () => grace.call('POST', `/sessions/${id}/join`);
      },
    },
    {
      what: 'leaving a session that one owns',
      updates: ['session_participants', 'sessions'],
      prepare: async ({ ada, grace }) => {
        const { id } = await startSession(ada, [grace]);
        return () => ada.call('DELETE', `/sessions/${id}/participants/${ada.id}`);
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
      deletes: ['secrets', 'secret_versions', 'owner_keys', 'logins', 'tokens'],
      prepare: async (all) => {
        const user = await userWithEverything(all);
        return () => all.admin.call('DELETE', `/users/${user.id}`);
      },
    },
  ];

  /** The ways in which the database does not write what it was told to write. */
  const lies = [
    { lie: 'swallowing', of: ['inserts', 'updates', 'deletes'], trigger: swallowing },
    { lie: 'keeping the old row of', of: ['updates'], trigger: keepingOld },
    { lie: 'undoing an update of', of: ['updates'], trigger: undoing },
  ] as const;

  const casesOf = (change: Change) =>
    lies.flatMap(({ lie, of, trigger }) => {
      const tables = of.flatMap((kind) => change[kind] ?? []);
      const written = lie === 'swallowing' ? [...tables, 'audit_log'] : tables;
      return written.map((table) => ({ what: change.what, lie, table, trigger: trigger(table) }));
    });

  // The same prepared request is refused under every lie, and succeeds in the end: nothing was written before.
  describe.each(changes)('that does not write what $what writes', (change) => {
    const cases = casesOf(change);
    const tables = [...new Set(cases.map(({ table }) => table))];
    let request: () => Promise<Answer<any>>;
    beforeAll(async () => {
      request = await change.prepare(cast);
    });
    const seals = (table: string) => sql(`select seal from ${table} order by seal`);

    it.each(cases)('does not get $what acknowledged by $lie $table', async ({ table, trigger }) => {
      await sql(`create trigger a_lie ${trigger}`);
      undo.push(() => sql(`drop trigger a_lie on ${table}`));
      const before = await seals(table);
      const answer = await request();
      expect(answer.status, answer.text).toBe(503);
      expect(await seals(table)).toEqual(before);
    });

    it(`gets ${change.what} acknowledged by writing ${tables.join(', ')}`, async () => {
      const before = await Promise.all(tables.map(seals));
      const { status, text } = await request();
      expect([200, 201, 204], text).toContain(status);
      for (const [at, table] of tables.entries()) expect(await seals(table), table).not.toEqual(before[at]);
    });
  });

  describe.each(['secrets', 'session_participants', 'logins', 'users'])('that shows a view in place of %s', (table) => {
    const showView = async (select: (columns: readonly string[]) => string): Promise<void> => {
      const rows = await sql(
        `select column_name as name from information_schema.columns
         where table_schema = 'public' and table_name = $1 order by ordinal_position`,
        [table],
      );
      const query = select(rows.map(({ name }) => name));
      await sql(`begin; alter table ${table} rename to kept_rows; create view ${table} as ${query};
        grant select, insert, update, delete on ${table} to keyhold_service; commit`);
      undo.push(() => sql(`begin; drop view ${table}; alter table kept_rows rename to ${table}; commit`));
    };
    const isKey = (column: string): boolean => ['id', 'session_id'].includes(column);

    const views: readonly [string, (columns: readonly string[]) => string][] = [
      ['with no rows', () => 'select * from kept_rows where false'],
      ['with every row twice', () => 'select * from kept_rows union all select * from kept_rows'],
      [
        'that gives every row to somebody else',
        (columns) =>
          `select ${columns.map((name) => (/^(owner|user)_id$/.test(name) ? `'${cast.mallory.id}'::uuid as ${name}` : name))}
           from kept_rows`,
      ],
      [
        'that shows one row under every id',
        (columns) =>
          `select ${columns.map((name) => `${isKey(name) ? 'kept' : 'one'}.${name}`)} from kept_rows kept
           cross join (select * from kept_rows order by 1 limit 1) one`,
      ],
    ];
    it.each(some(views, 0, 2, ([what]) => `${table} ${what}`))(
      'gives nobody more by a view %s',
      async (_what, select) => {
        await logInAfresh();
        await everybodyRevealsTheirOwn(isRight);
        await everybodyListsTheirOwn(isRight);
        await showView(select);
        await everybodyRevealsTheirOwn(isRightOrRefused);
        await everybodyListsTheirOwn(isRightOrRefused);
        await everybodyIsThemselves(isRightOrRefused);
        await beHonest();
        await logInAfresh();
        await everybodyIsThemselves(isRight);
      },
    );
  });

  describe('that tells the time', () => {
    const tellTime = async (time: string): Promise<void> => {
      const start = app.clock.now();
      const [{ code }] = await sql(`select pg_get_functiondef('pg_catalog.clock_timestamp()'::regprocedure) as code`);
      await sql(`create or replace function pg_catalog.clock_timestamp() returns timestamptz language sql volatile
        as $$ select (${time})::timestamptz $$`);
      undo.push(async () => {
        await sql(code);
        app.clock.set(start);
        await reconnect();
      });
      await reconnect();
    };

    it.each([
      ['infinity', `'infinity'`, [503]],
      ['minus infinity', `'-infinity'`, [503]],
      ['nothing', 'null', [503]],
      ['a year before Christ', `'0044-03-15 12:00:00+00 BC'`, [200, 503]],
      ['a year of seven digits', `'294276-01-01 00:00:00+00'`, [401, 503]],
    ])('as %s lets nothing live longer', async (_what, time, plain) => {
      const { ada, grace } = cast;
      // The database's clock has gone on since the test's was set, by more than a minute on a slow machine.
      app.clock.set(new Date());
      const brief = await keepSecret(ada, {
        value: 'brief',
        expires_at: new Date(app.clock.now().getTime() + 60_000).toISOString(),
        scope: 'shared',
        shared_with: [grace.id],
      });
      const body = { name: 'brief', permissions: ['secrets:reveal'], expires_in: 60 };
      const made = expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201).body;
      for (const who of [ada, grace, ada.with(made.token)])
        expect(expectStatus(await value(who, brief), 200).body.value).toBe('brief');
      expectStatus(await value(ada, own), 200);
      await tellTime(time);
      const lasting = await value(ada, own);
      expect(plain, lasting.text).toContain(lasting.status);
      app.clock.advance(120_000);
      for (const who of [ada, grace, ada.with(made.token)]) {
        const answer = await value(who, brief);
        expect([401, 404, 409, 503], answer.text).toContain(answer.status);
      }
    });

    const hour = 3_600_000;
    const aheadOfTheService = `pg_catalog.now() + interval '25 hours'`;

    it('as 25 hours later makes a login after a reset wait until both clocks say that it has waited', async () => {
      const user = await newUser(cast);
      const secret = await keepSecret(user, { value: 'kept' });
      expectStatus(await resetPassword(cast, user), 200);
      const reveal = async () => await value(await logIn(app, user.username, 'another password here'), secret);
      await tellTime(aheadOfTheService);
      const { status, body } = await reveal();
      expect([status, body.code]).toEqual([403, 'waiting_period']);
      app.clock.advance(25 * hour);
      expect(expectStatus(await reveal(), 200).body.value).toBe('kept');
    });

    it('as 25 hours later ends a session for good that only looks expired', async () => {
      const { ada, grace } = cast;
      const start = async () => {
        const expires_at = new Date(app.clock.now().getTime() + hour).toISOString();
        const { id } = await startSession(ada, [grace], { expires_at });
        expectStatus(await grace.call('GET', '/secrets', { session: id }), 200);
        return id;
      };
      const end = async (id: string) => (await (await logIn(app, 'ada')).call('POST', `/sessions/${id}/end`)).status;
      const isEnded = async (id: string): Promise<void> => {
        const { status, body } = await grace.call('GET', '/secrets', { session: id });
        expect([status, body.code]).toEqual([403, 'session_not_joined']);
      };
      const honest = await start();
      const status = await end(honest);
      await isEnded(honest);
      const lied = await start();
      await tellTime(aheadOfTheService);
      expect(await end(lied)).toBe(status);
      await beHonest();
      await isEnded(lied);
    });
  });
});
