import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ColumnKind, kindOf, type LaterColumn, type SealedTable } from '../../src/crypto/seal.ts';
import { type SealedTableName, sealedTables } from '../../src/db/tables/index.ts';
import { createSeals, type Seals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { type Answer, withoutRequestId } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';

type Json = Record<string, unknown>;

/** What a hostile database would write into a column, where the kind alone doesn't say it. */
const temptations: Readonly<Record<string, unknown>> = {
  'users.role': 'admin',
  'users.status': 'disabled',
  'secrets.scope': 'user',
  'secrets.type': 'other',
  'secrets.exposure': 'use',
  'owner_keys.state': 'retiring',
  'session_participants.role': 'owner',
  'sessions.status': 'ended',
  'handovers.kind': 'user',
  'handovers.state': 'accepted',
  'tokens.permissions': ['admin'],
};

const forgedBytes = (text: string): string => `\\x${text.slice(2, -2)}${text.endsWith('00') ? '01' : '00'}`;

const byKind: Record<ColumnKind, (value: unknown) => unknown> = {
  uuid: () => randomUUID(),
  text: (value) => (value === null ? 'forged' : `${String(value).slice(0, 8)}x`),
  int: (value) => Number(value) + 1,
  bigint: (value) => Number(value) + 1,
  bool: (value) => !value,
  time: (value) => (value === null ? '2031-01-01T00:00:00+00:00' : '2030-01-01T00:00:00+00:00'),
  json: (value) => (Array.isArray(value) ? [...value, randomUUID()] : { ...(value as Json), forged: true }),
  bytes: (value) => forgedBytes(String(value)),
};

describe('a hostile database gives nothing away', () => {
  let app: TestApp;
  let seals: Seals;
  let admin: Person;
  let ada: Person;
  let grace: Person;
  let mallory: Person;
  let session: Json;

  const sql = async (text: string, values: unknown[] = []) => (await app.database.client.query(text, values)).rows;

  beforeAll(async () => {
    app = await startApp();
    admin = await logInAdmin(app);
    ({ ada, grace, mallory } = await people(app, admin, 'ada', 'grace', 'mallory'));
    session = await startSession(ada, [grace, mallory]);
    seals = createSeals(() => app.app.keys.held().sealKeys);
    await becomeHostile();
  });
  afterAll(() => app.close());

  /** Whoever owns the database takes away whatever stands in the way there. */
  const becomeHostile = async (): Promise<void> => {
    const constraints = await sql(`select conrelid::regclass as on_table, conname from pg_constraint
      where connamespace = 'public'::regnamespace and contype in ('c', 'f')`);
    for (const one of constraints) await sql(`alter table ${one.on_table} drop constraint ${one.conname}`);
    const unique = await sql(
      `select indexrelid::regclass as name from pg_index
      where indisunique and not indisprimary and indrelid::regclass::text = any($1)`,
      [Object.keys(sealedTables)],
    );
    for (const one of unique) await sql(`drop index ${one.name}`);
    await sql('alter table audit_log disable trigger all');
  };

  type Where = Readonly<Record<string, unknown>>;

  const condition = (where: Where): string =>
    Object.keys(where)
      .map((name, at) => `${name} = $${at + 1}`)
      .join(' and ');

  const read = async (table: string, where: Where): Promise<Json> => {
    const rows = await sql(`select to_jsonb(t) as row from ${table} t where ${condition(where)}`, Object.values(where));
    if (rows.length !== 1) throw new Error(`${rows.length} rows of ${table}`);
    return rows[0].row;
  };

  const write = (table: string, row: Json) =>
    sql(`insert into ${table} select * from jsonb_populate_record(null::${table}, $1)`, [JSON.stringify(row)]);

  const keyOf = (table: SealedTableName, row: Json): Where =>
    Object.fromEntries(sealedTables[table].key.map((name) => [name, row[name]]));

  const remove = (table: SealedTableName, row: Json) => {
    const where = keyOf(table, row);
    return sql(`delete from ${table} where ${condition(where)}`, Object.values(where));
  };

  const undo: (() => Promise<unknown>)[] = [];
  const putBack = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
    await sql('delete from login_failures');
  };
  afterEach(putBack);

  /** Replaces a row by another, until `putBack`. */
  const replace = async (table: SealedTableName, before: Json, after: Json): Promise<void> => {
    await remove(table, before);
    await write(table, after);
    undo.push(async () => {
      await remove(table, after);
      await write(table, before);
    });
  };

  const forge = async (table: SealedTableName, where: Where, change: Json): Promise<void> => {
    const before = await read(table, where);
    await replace(table, before, { ...before, ...change });
  };

  /** Every sealed column of the row in turn holds something else, and `holds` is asked what that gives. */
  const eachColumn = async (
    table: SealedTableName,
    where: Where,
    holds: (column: string, forged: Json) => Promise<void>,
  ): Promise<void> => {
    const before = await read(table, where);
    const columns = Object.entries(sealedTables[table].sealed) as [string, ColumnKind | LaterColumn][];
    for (const [column, spec] of columns) {
      const kind = kindOf(spec);
      const forged = { ...before, [column]: temptations[`${table}.${column}`] ?? byKind[kind](before[column]) };
      if (JSON.stringify(forged[column]) === JSON.stringify(before[column])) throw new Error(`${column} is unchanged`);
      await replace(table, before, forged);
      await holds(column, forged).catch((cause) => {
        throw new Error(`with ${table}.${column} forged: ${cause.message}`, { cause });
      });
      await putBack();
    }
  };

  /** The contents of two rows change places; each keeps its key. */
  const swap = async (table: SealedTableName, one: Where, other: Where): Promise<void> => {
    const [a, b] = [await read(table, one), await read(table, other)];
    await replace(table, a, { ...b, ...keyOf(table, a) });
    await replace(table, b, { ...a, ...keyOf(table, b) });
  };

  const copySeal = async (table: SealedTableName, from: Where, to: Where, change: Json = {}): Promise<void> =>
    forge(table, to, { ...change, seal: (await read(table, from))['seal'] });

  const brokenRecords = async (targetId?: unknown): Promise<Json[]> =>
    await sql(
      `select actor_id, target_type, target_id, outcome, reason, details from audit_log
        where action = 'row.integrity_broken' and ($1::uuid is null or target_id = $1) order by id`,
      [targetId ?? null],
    );

  const failures = async (): Promise<number> => {
    const { text } = await metrics();
    return Number(/^keyhold_integrity_failures_total (\d+)$/m.exec(text)?.[1]);
  };

  /** A broken row of another table is recorded as soon as it is met, though not in the transaction that met it. */
  const isRecorded = (table: SealedTableName, key: string): Promise<void> =>
    vi.waitFor(async () => {
      const records = (await brokenRecords()).filter(({ details }) => {
        const { table: named, key: of } = details as Json;
        return named === table && of === key;
      });
      expect(records[0]).toMatchObject({ outcome: 'failed', reason: 'seal' });
      expect(await failures()).toBeGreaterThan(0);
    }, 10_000);

  const metrics = async () => {
    const response = await fetch(`${app.url}/metrics`, { headers: { authorization: `Bearer ${admin.token}` } });
    return { status: response.status, text: await response.text() };
  };

  const me = (who: Person, session_?: string) => who.call('GET', '/auth/me', { session: session_ });
  const value = (who: Person, id: unknown, session_?: string) =>
    who.call('GET', `/secrets/${id}/value`, { session: session_ });
  const tryLogin = (username: string, secret = password) =>
    app.call('POST', '/auth/login', { body: { username, password: secret } });

  /** What somebody gets who asks for what never existed. */
  const isNothing = async (answer: Answer<unknown>, who: Person, path = '/value', session_?: string): Promise<void> => {
    const never = await who.call('GET', `/secrets/${randomUUID()}${path}`, { session: session_ });
    expect(never.status).toBe(404);
    expect(withoutRequestId(answer)).toBe(withoutRequestId(never));
  };

  describe('users', () => {
    it('each column: neither token nor password of the row is good, and what they shared rests', async () => {
      const secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
      await eachColumn('users', { id: ada.id }, async () => {
        expect((await me(ada)).status).toBe(401);
        expect((await value(ada, secret.id)).status).toBe(401);
        await isNothing(await value(grace, secret.id), grace);
        expect((await grace.call('GET', '/secrets')).body.secrets).not.toContainEqual(
          expect.objectContaining({ id: secret.id }),
        );
      });
      expect((await me(ada)).status).toBe(200);
      expect((await value(grace, secret.id)).status).toBe(200);
      await isRecorded('users', ada.id);
    });

    it('a role written in makes nobody an administrator, nor lets them in at all', async () => {
      await forge('users', { id: mallory.id }, { role: 'admin' });
      expect((await me(mallory)).status).toBe(401);
      expect((await tryLogin('mallory')).body.code).toBe('login_failed');
      expect((await mallory.call('POST', '/users', { body: { username: 'eve' } })).status).toBe(401);
      await putBack();
      expect((await tryLogin('mallory')).status).toBe(200);
    });

    it('a password hash copied from one’s own row logs nobody in as another', async () => {
      const other = await read('users', { id: mallory.id });
      await forge('users', { id: admin.id }, { password_hash: other['password_hash'] });
      expect((await tryLogin('admin')).body.code).toBe('login_failed');
      await putBack();
      await copySeal('users', { id: mallory.id }, { id: admin.id }, { password_hash: other['password_hash'] });
      expect((await tryLogin('admin')).body.code).toBe('login_failed');
    });

    it('names that change places let nobody in under another’s', async () => {
      const [a, m] = [await read('users', { id: ada.id }), await read('users', { id: mallory.id })];
      await forge('users', { id: ada.id }, { username_key: m['username_key'], username: m['username'] });
      await forge('users', { id: mallory.id }, { username_key: a['username_key'], username: a['username'] });
      for (const name of ['ada', 'mallory']) expect((await tryLogin(name)).body.code).toBe('login_failed');
    });

    it('two rows that change places, and a seal that is copied, are nobody’s', async () => {
      await swap('users', { id: admin.id }, { id: mallory.id });
      for (const who of [mallory, admin]) expect((await me(who)).status).toBe(401);
      expect((await tryLogin('mallory')).body.code).toBe('login_failed');
      await putBack();
      await copySeal('users', { id: admin.id }, { id: mallory.id }, { role: 'admin' });
      expect((await me(mallory)).status).toBe(401);
    });

    it('a user who was disabled stays disabled, and a waiting time stays', async () => {
      const { dave, erin } = await people(app, admin, 'dave', 'erin');
      const secret = await keepSecret(erin);
      expectStatus(await admin.call('PATCH', `/users/${dave.id}`, { body: { status: 'disabled' } }), 200);
      await forge('users', { id: dave.id }, { status: 'active' });
      expect((await me(dave)).status).toBe(401);
      expect((await tryLogin('dave')).body.code).toBe('login_failed');
      const reset = 'another password for tests';
      expectStatus(await admin.call('POST', `/users/${erin.id}/password`, { body: { new_password: reset } }), 200);
      const later = await logIn(app, 'erin', reset);
      expect((await value(later, secret.id)).body.code).toBe('waiting_period');
      await forge('users', { id: erin.id }, { secrets_from: null, password_reset_at: null });
      expect((await value(later, secret.id)).status).toBe(401);
    });

    it('an invented row is found by nobody', async () => {
      const row = {
        ...(await read('users', { id: mallory.id })),
        id: randomUUID(),
        username: 'eve',
        username_key: 'eve',
      };
      await write('users', row);
      undo.push(() => remove('users', row));
      expect((await tryLogin('eve')).body.code).toBe('login_failed');
      expect((await ada.call('GET', `/users/${row.id}`)).status).toBe(404);
      expect((await ada.call('GET', '/users?q=eve')).body.users).toEqual([]);
      const shared = await keepSecret(ada);
      expect((await ada.call('POST', `/secrets/${shared.id}/share`, { body: { user_id: row.id } })).status).toBe(400);
    });
  });

  describe('logins', () => {
    const loginOf = (who: Person): string =>
      JSON.parse(Buffer.from(who.token.split('.')[1] ?? '', 'base64url').toString()).login_id;

    it('each column: neither access nor refresh token of the login is good', async () => {
      const fresh = await logIn(app, 'ada');
      await eachColumn('logins', { id: loginOf(fresh) }, async () => {
        expect((await me(fresh)).status).toBe(401);
        const refresh = await app.call('POST', '/auth/refresh', { body: { refresh_token: fresh.refreshToken } });
        expect(refresh.body.code).toBe('unauthenticated');
      });
      await isRecorded('logins', loginOf(fresh));
      expect((await me(fresh)).status).toBe(200);
      expectStatus(await app.call('POST', '/auth/refresh', { body: { refresh_token: fresh.refreshToken } }), 200);
    });

    it('one that ended stays ended', async () => {
      const fresh = await logIn(app, 'ada');
      expectStatus(await fresh.call('POST', '/auth/logout'), 204);
      await forge('logins', { id: loginOf(fresh) }, { ended_at: null });
      expect((await me(fresh)).status).toBe(401);
      await putBack();
      const live = await read('logins', { id: loginOf(await logIn(app, 'ada')) });
      await forge('logins', { id: loginOf(fresh) }, { ...live, id: loginOf(fresh) });
      expect((await me(fresh)).status).toBe(401);
    });

    it('one that is made another’s, or changes places with another’s, is nobody’s', async () => {
      const [mine, theirs] = [await logIn(app, 'mallory'), await logIn(app, 'ada')];
      await forge('logins', { id: loginOf(mine) }, { user_id: ada.id });
      expect((await me(mine)).status).toBe(401);
      await putBack();
      await swap('logins', { id: loginOf(mine) }, { id: loginOf(theirs) });
      for (const who of [mine, theirs]) expect((await me(who)).status).toBe(401);
      await putBack();
      await copySeal('logins', { id: loginOf(theirs) }, { id: loginOf(mine) }, { user_id: ada.id });
      expect((await me(mine)).status).toBe(401);
      expect((await ada.call('GET', '/auth/logins')).body.logins).not.toContainEqual(
        expect.objectContaining({ id: loginOf(mine) }),
      );
    });
  });

  describe('tokens', () => {
    const makeToken = async (who: Person, permissions: string[], more: Json = {}) =>
      expectStatus(
        await who.call('POST', '/auth/tokens', { body: { name: 'a token', permissions, expires_in: 3600, ...more } }),
        201,
      ).body;

    it('each column: the token is no good', async () => {
      const token = await makeToken(ada, ['secrets:list']);
      const bearer = ada.with(token.token);
      await eachColumn('tokens', { id: token.id }, async () => {
        expect((await me(bearer)).status).toBe(401);
        expect((await bearer.call('GET', '/secrets')).status).toBe(401);
      });
      await isRecorded('tokens', token.id);
      expect((await bearer.call('GET', '/secrets')).status).toBe(200);
    });

    it('permissions that are written in, another user, another time, another session are not had', async () => {
      const secret = await keepSecret(ada);
      const token = await makeToken(mallory, ['secrets:list'], { session_id: session['id'] });
      const bearer = mallory.with(token.token);
      expect((await bearer.call('GET', '/secrets')).status).toBe(200);
      const forgeries: Json[] = [
        { permissions: ['secrets:list', 'secrets:reveal', 'secrets:own'] },
        { user_id: ada.id },
        { session_id: null },
        { expires_at: '2099-01-01T00:00:00Z' },
      ];
      for (const change of forgeries) {
        await forge('tokens', { id: token.id }, change);
        expect((await value(bearer, secret.id)).status).toBe(401);
        await putBack();
      }
    });

    it('a revoked one stays revoked; one with the hash, the row or the seal of another is nobody’s', async () => {
      const mine = await makeToken(mallory, ['secrets:list']);
      const theirs = await makeToken(ada, ['secrets:list', 'secrets:reveal']);
      const gone = await makeToken(ada, ['secrets:list']);
      expectStatus(await ada.call('DELETE', `/auth/tokens/${gone.id}`), 204);
      const hash = (await read('tokens', { id: mine.id }))['token_hash'];
      await forge('tokens', { id: gone.id }, { revoked_at: null });
      expect((await me(ada.with(gone.token))).status).toBe(401);
      await forge('tokens', { id: theirs.id }, { token_hash: hash });
      expect((await me(ada.with(theirs.token))).status).toBe(401);
      await putBack();
      await swap('tokens', { id: mine.id }, { id: theirs.id });
      for (const one of [mine, theirs]) expect((await me(mallory.with(one.token))).status).toBe(401);
      await putBack();
      await copySeal('tokens', { id: theirs.id }, { id: mine.id }, { user_id: ada.id });
      expect((await me(mallory.with(mine.token))).status).toBe(401);
    });
  });

  describe('sessions', () => {
    it('each column: nobody is in the session any more, and nobody else’s secret is reached in it', async () => {
      const own = await startSession(ada, [grace], { external_id: 'sealed-chat' });
      const secret = await keepSecret(ada, { scope: 'session', session_id: own.id });
      await eachColumn('sessions', { id: own.id }, async () => {
        for (const name of [own.id, 'sealed-chat']) {
          expect((await value(grace, secret.id, name)).body.code).toBe('session_not_joined');
          expect((await value(ada, secret.id, name)).body.code).toBe('session_not_joined');
          expect((await ada.call('GET', `/sessions/${name}`)).body.code).toBe('session_not_joined');
        }
        await isNothing(await value(grace, secret.id), grace);
        expect((await value(ada, secret.id)).status).toBe(200);
        expect((await ada.call('GET', '/sessions')).body.sessions).not.toContainEqual(
          expect.objectContaining({ id: own.id }),
        );
      });
      await isRecorded('sessions', own.id);
      expect((await value(grace, secret.id, own.id)).status).toBe(200);
    });

    it('one that ended stays ended', async () => {
      const own = await startSession(ada, [grace]);
      const secret = await keepSecret(ada, { scope: 'session', session_id: own.id });
      expectStatus(await ada.call('POST', `/sessions/${own.id}/end`), 200);
      await forge('sessions', { id: own.id }, { status: 'active', ended_at: null });
      expect((await value(grace, secret.id, own.id)).body.code).toBe('session_not_joined');
    });

    it('two that change places, one that is taken over, and a copied seal let nobody in', async () => {
      const theirs = await startSession(ada, [grace], { external_id: 'theirs' });
      const mine = await startSession(mallory, [], { external_id: 'mine' });
      const secret = await keepSecret(ada, { scope: 'session', session_id: theirs.id });
      const attempts: (() => Promise<void>)[] = [
        () => swap('sessions', { id: theirs.id }, { id: mine.id }),
        () => forge('sessions', { id: theirs.id }, { owner_id: mallory.id }),
        () => copySeal('sessions', { id: mine.id }, { id: theirs.id }, { owner_id: mallory.id }),
      ];
      for (const attempt of attempts) {
        await attempt();
        for (const name of [theirs.id, 'theirs', 'mine'])
          expect((await value(mallory, secret.id, name)).status).not.toBe(200);
        expect((await mallory.call('POST', `/sessions/${theirs.id}/end`)).body.code).toBe('session_not_joined');
        await putBack();
      }
    });
  });

  describe('session_participants', () => {
    it('each column of one’s row: one is not present', async () => {
      const own = await startSession(ada, [grace]);
      const secret = await keepSecret(ada, { scope: 'session', session_id: own.id });
      await eachColumn('session_participants', { session_id: own.id, user_id: grace.id }, async () => {
        expect((await value(grace, secret.id, own.id)).body.code).toBe('session_not_joined');
        await isNothing(await value(grace, secret.id), grace);
        expect((await ada.call('GET', `/secrets/${secret.id}/access`)).body.access).not.toContainEqual(
          expect.objectContaining({ user_id: grace.id }),
        );
      });
      await isRecorded('session_participants', `${own.id} ${grace.id}`);
      expect((await value(grace, secret.id, own.id)).status).toBe(200);
    });

    it('each column of the owner’s row: their secrets are not in the session', async () => {
      const own = await startSession(grace, [ada]);
      const secret = await keepSecret(ada, { scope: 'session', session_id: own.id });
      await eachColumn('session_participants', { session_id: own.id, user_id: ada.id }, async () => {
        await isNothing(await value(grace, secret.id, own.id), grace, '/value', own.id);
        expect((await value(ada, secret.id)).status).toBe(200);
      });
      expect((await value(grace, secret.id, own.id)).status).toBe(200);
    });

    it('who left stays away, and who never came cannot be written in', async () => {
      const own = await startSession(ada, [grace, mallory]);
      const other = await startSession(ada);
      const secret = await keepSecret(ada, { scope: 'session', session_id: own.id });
      const foreign = await keepSecret(ada, { scope: 'session', session_id: other.id });
      const ofGrace = { session_id: own.id, user_id: grace.id };
      const ofMallory = { session_id: own.id, user_id: mallory.id };
      const whileThere = await read('session_participants', ofMallory);
      expectStatus(await ada.call('DELETE', `/sessions/${own.id}/participants/${mallory.id}`), 204);
      const refused = async (): Promise<void> => {
        expect((await value(mallory, secret.id, own.id)).body.code).toBe('session_not_joined');
        expect((await value(mallory, foreign.id, other.id)).body.code).toBe('session_not_joined');
        await putBack();
      };
      await forge('session_participants', ofMallory, { left_at: null });
      await refused();
      await copySeal('session_participants', ofGrace, ofMallory, { left_at: null });
      await refused();
      await swap('session_participants', ofGrace, ofMallory);
      expect((await value(grace, secret.id, own.id)).body.code).toBe('session_not_joined');
      await refused();
      const copied = { ...whileThere, session_id: other.id };
      await write('session_participants', copied);
      undo.push(() => remove('session_participants', copied));
      await refused();
    });
  });

  describe('secrets', () => {
    it('each column: one 409 for the owner whom the row names, 404 for others, a record and a count', async () => {
      const { id } = await keepSecret(ada, {
        scope: 'shared',
        shared_with: [grace.id],
        metadata: { a: 1 },
        tags: ['t'],
      });
      await eachColumn('secrets', { id }, async (column, forged) => {
        const seen = forged['id'];
        const owner = column === 'owner_id' ? null : ada;
        const [records, counted] = [await brokenRecords(seen), await failures()];
        await isNothing(await value(grace, seen), grace);
        await isNothing(await mallory.call('GET', `/secrets/${seen}`), mallory, '');
        expect(await brokenRecords(seen)).toHaveLength(records.length + 2);
        if (owner === null) return;
        for (const answer of [
          await value(owner, seen),
          await owner.call('GET', `/secrets/${seen}`),
          await owner.call('PATCH', `/secrets/${seen}`, { body: { tags: [] } }),
          await owner.call('POST', `/secrets/${seen}/share`, { body: { user_id: mallory.id } }),
          await owner.call('PUT', `/secrets/${seen}/value`, { body: { value: 'new' } }),
          await owner.call('DELETE', `/secrets/${seen}`),
        ])
          expect(answer).toMatchObject({ status: 409, body: { code: 'integrity_broken' } });
        expect((await brokenRecords(seen)).at(-1)).toEqual({
          actor_id: ada.id,
          target_type: 'secret',
          target_id: seen,
          outcome: 'failed',
          reason: 'seal',
          details: { table: 'secrets', during: 'secret.delete' },
        });
        expect(await failures()).toBeGreaterThanOrEqual(counted + 8);
        // Nothing of it was written, and above all nothing was sealed.
        expect(await read('secrets', { id: seen })).toEqual(forged);
      });
      expect((await value(grace, id)).status).toBe(200);
    });

    it('one that is made another’s shows its new owner an error and no value, and its old one nothing', async () => {
      const { id } = await keepSecret(ada);
      await forge('secrets', { id }, { owner_id: mallory.id });
      expect((await value(mallory, id)).body.code).toBe('integrity_broken');
      await isNothing(await value(ada, id), ada);
      expect(await brokenRecords(id)).toMatchObject([{ actor_id: mallory.id }, { actor_id: ada.id }]);
    });

    it('a list names one’s own damaged secrets, shows none of them, and tells others nothing', async () => {
      const names = [uniqueName(), uniqueName()];
      const good = await keepSecret(ada, { name: names[0], scope: 'shared', shared_with: [grace.id] });
      const bad = await keepSecret(ada, { name: names[1], scope: 'shared', shared_with: [grace.id] });
      const damaged = [
        { description: 'forged' },
        { is_active: true, shared_with: [grace.id, mallory.id] },
        { seal: '\\x01' },
        { seal: (await read('secrets', { id: good.id }))['seal'] },
      ];
      for (const change of damaged) {
        await forge('secrets', { id: bad.id }, change);
        const counted = await failures();
        const mine = (await ada.call('GET', '/secrets?limit=200')).body;
        expect(mine.damaged).toEqual([bad.id]);
        const ids = mine.secrets.map((one: Json) => one['id']);
        expect([ids.includes(good.id), ids.includes(bad.id)]).toEqual([true, false]);
        for (const who of [grace, mallory]) {
          const theirs = await who.call('GET', '/secrets?limit=200');
          expect(theirs.body.damaged).toEqual([]);
          expect(theirs.text).not.toContain(bad.id);
        }
        expect(await failures()).toBeGreaterThanOrEqual(counted + 2);
        await putBack();
      }
      const found = (await ada.call('POST', '/secrets/reveal', { body: { names } })).body.secrets;
      expect(found.map((one: Json) => one['id'])).toEqual([good.id, bad.id]);
    });

    it('two rows that change places open for neither, in single and in batch reveals', async () => {
      const theirs = await keepSecret(ada, { value: 'of ada' });
      const mine = await keepSecret(mallory, { value: 'of mallory' });
      await swap('secrets', { id: theirs.id }, { id: mine.id });
      for (const who of [ada, mallory]) {
        const batch = await who.call('POST', '/secrets/reveal', { body: { ids: [theirs.id, mine.id] } });
        expect(batch.text).not.toMatch(/of ada|of mallory/);
        expect(batch.body.secrets.map((one: any) => one.problem.code).sort()).toEqual([
          'integrity_broken',
          'not_found',
        ]);
      }
    });

    it('an older row does not bring back whom the owner took off, without the row’s own seal', async () => {
      const { id } = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
      const whileShared = await read('secrets', { id });
      expectStatus(await ada.call('POST', `/secrets/${id}/unshare`, { body: { user_id: grace.id } }), 200);
      const { seal: _seal, ...columns } = whileShared;
      await forge('secrets', { id }, columns);
      await isNothing(await value(grace, id), grace);
    });

    it('an expired, inactive or deleted secret stays what it is', async () => {
      app.clock.set(new Date());
      const expiring = await keepSecret(ada, {
        expires_at: new Date(app.clock.now().getTime() + 60_000).toISOString(),
      });
      const resting = await keepSecret(ada);
      const deleted = await keepSecret(ada);
      expectStatus(await ada.call('POST', `/secrets/${resting.id}/deactivate`), 200);
      expectStatus(await ada.call('DELETE', `/secrets/${deleted.id}`), 204);
      app.clock.advance(60_001);
      await forge('secrets', { id: expiring.id }, { expires_at: null });
      await forge('secrets', { id: resting.id }, { is_active: true });
      await forge('secrets', { id: deleted.id }, { deleted_at: null });
      for (const { id } of [expiring, resting, deleted])
        expect((await value(ada, id)).body.code).toBe('integrity_broken');
    });
  });

  describe('an encrypted value', () => {
    const opensNowhere = async (who: Person, id: string): Promise<void> => {
      const [records, counted] = [await brokenRecords(id), await failures()];
      expect(await value(who, id)).toMatchObject({ status: 409, body: { code: 'integrity_broken' } });
      expect((await brokenRecords(id)).slice(records.length)).toEqual([
        {
          actor_id: who.id,
          target_type: 'secret',
          target_id: id,
          outcome: 'failed',
          reason: 'value',
          details: { table: 'secrets', during: 'secret.reveal' },
        },
      ]);
      expect(await failures()).toBeGreaterThanOrEqual(counted + 1);
      await putBack();
      expect((await value(who, id)).status).toBe(200);
    };
    const encrypted = async (where: Where, table = 'secrets') => (await read(table, where))['encrypted_value'];

    it('does not open in another row of the same owner', async () => {
      const [from, to] = [await keepSecret(ada, { value: 'from' }), await keepSecret(ada, { value: 'to' })];
      await forge('secrets', { id: to.id }, { encrypted_value: await encrypted({ id: from.id }) });
      await opensNowhere(ada, to.id);
    });

    it('does not open for another owner, and not for those they share with', async () => {
      const from = await keepSecret(ada, { value: 'from' });
      const to = await keepSecret(mallory, { value: 'to', scope: 'shared', shared_with: [grace.id] });
      await forge('secrets', { id: to.id }, { encrypted_value: await encrypted({ id: from.id }) });
      await isNothing(await value(grace, to.id), grace);
      await opensNowhere(mallory, to.id);
    });

    it('does not open as another version, current or old', async () => {
      const { id } = await keepSecret(ada, { value: 'first' });
      const first = await encrypted({ id });
      expectStatus(await ada.call('PUT', `/secrets/${id}/value`, { body: { value: 'second' } }), 200);
      const second = await encrypted({ id });
      expect(await encrypted({ secret_id: id, version: 1 }, 'secret_versions')).toBe(first);
      await forge('secrets', { id }, { encrypted_value: first });
      await opensNowhere(ada, id);
      await forge('secret_versions', { secret_id: id, version: 1 }, { encrypted_value: second });
      expect((await ada.call('POST', `/secrets/${id}/versions/1/restore`)).body.code).toBe('integrity_broken');
      expect((await brokenRecords(id)).at(-1)).toMatchObject({
        actor_id: ada.id,
        outcome: 'failed',
        reason: 'value',
        details: { table: 'secret_versions', during: 'secret.version_restore' },
      });
      await putBack();
      expectStatus(await ada.call('POST', `/secrets/${id}/versions/1/restore`), 201);
      expect((await value(ada, id)).body.value).toBe('first');
    });

    it('does not open when a character of it was changed', async () => {
      const { id } = await keepSecret(ada);
      const token = String(await encrypted({ id }));
      for (const at of [1, 12, 40, token.length - 5]) {
        const other = token[at] === 'A' ? 'B' : 'A';
        await forge('secrets', { id }, { encrypted_value: token.slice(0, at) + other + token.slice(at + 1) });
        await opensNowhere(ada, id);
      }
    });
  });

  describe('secret_versions', () => {
    const restore = (id: string, version = 1) => ada.call('POST', `/secrets/${id}/versions/${version}/restore`);
    const twoVersions = async (first: string): Promise<string> => {
      const { id } = await keepSecret(ada, { value: first });
      expectStatus(await ada.call('PUT', `/secrets/${id}/value`, { body: { value: `${first} again` } }), 200);
      return id;
    };

    it('each column: the version is not listed and not restored', async () => {
      const id = await twoVersions('first');
      await eachColumn('secret_versions', { secret_id: id, version: 1 }, async (column) => {
        const moved = column === 'secret_id' || column === 'version';
        expect((await restore(id)).body.code).toBe(moved ? 'not_found' : 'integrity_broken');
        expect((await ada.call('GET', `/secrets/${id}/versions`)).body.versions).toMatchObject([{ version: 2 }]);
        expect((await value(ada, id)).body).toMatchObject({ version: 2, value: 'first again' });
      });
      await isRecorded('secret_versions', `${id} 1`);
      expectStatus(await restore(id), 201);
    });

    it('versions that change places, or bear another’s seal, are not restored', async () => {
      const [one, other] = [await twoVersions('one'), await twoVersions('other')];
      const [of1, of2] = [
        { secret_id: one, version: 1 },
        { secret_id: other, version: 1 },
      ];
      await swap('secret_versions', of1, of2);
      for (const id of [one, other]) expect((await restore(id)).body.code).toBe('integrity_broken');
      await putBack();
      await copySeal('secret_versions', of2, of1);
      expect((await restore(one)).body.code).toBe('integrity_broken');
    });
  });

  describe('owner_keys', () => {
    it('each column: values under the key don’t open, for the owner an error, for others nothing', async () => {
      const { dora } = await people(app, admin, 'dora');
      const { id } = await keepSecret(dora, { scope: 'shared', shared_with: [grace.id] });
      const [{ key_id }] = (await sql('select key_id from secrets where id = $1', [id])) as [Json];
      await eachColumn('owner_keys', { id: key_id }, async () => {
        const [records, counted] = [await brokenRecords(id), await failures()];
        expect((await value(dora, id)).body.code).toBe('integrity_broken');
        await isNothing(await value(grace, id), grace);
        expect((await brokenRecords(id)).slice(records.length)).toMatchObject([
          { reason: 'value' },
          { reason: 'value' },
        ]);
        expect(await failures()).toBeGreaterThanOrEqual(counted + 2);
        const body = { name: uniqueName(), type: 'other', value: 'never under a forged key' };
        expect((await dora.call('POST', '/secrets', { body })).body.code).toBe('integrity_broken');
      });
      await isRecorded('owner_keys', String(key_id));
      expect((await value(grace, id)).status).toBe(200);
    });

    it('keys that change places, and a copied seal, open nothing and take no new value', async () => {
      const { dora, mona } = { dora: await logIn(app, 'dora'), ...(await people(app, admin, 'mona')) };
      const [ofDora, ofMona] = [await keepSecret(dora), await keepSecret(mona)];
      const keyIn = async (id: string) => ({ id: (await read('secrets', { id }))['key_id'] });
      const [a, b] = [await keyIn(ofDora.id), await keyIn(ofMona.id)];
      await swap('owner_keys', a, b);
      expect((await value(dora, ofDora.id)).body.code).toBe('integrity_broken');
      expect((await value(mona, ofMona.id)).body.code).toBe('integrity_broken');
      await putBack();
      // Mona's key under Dora's name: whatever Dora keeps from now on, Mona could have read.
      await copySeal('owner_keys', b, a, { wrapped_key: (await read('owner_keys', b))['wrapped_key'] });
      expect((await value(dora, ofDora.id)).body.code).toBe('integrity_broken');
      const body = { name: uniqueName(), type: 'other', value: 'v' };
      expect((await dora.call('POST', '/secrets', { body })).body.code).toBe('integrity_broken');
    });
  });

  describe('handovers', () => {
    const offered = async () => {
      const { id } = await keepSecret(ada);
      const body = { to: grace.id };
      const offer = expectStatus(await ada.call('POST', `/secrets/${id}/handover`, { body }), 201).body;
      return { secret: id, id: offer.id as string };
    };
    const accept = async (who: Person, id: unknown): Promise<number> =>
      (await who.call('POST', `/handovers/${id}/accept`)).status;

    it('each column: nobody can accept it, and whom it was made to can once it is as it was', async () => {
      const { secret, id } = await offered();
      await eachColumn('handovers', { id }, async (_column, forged) => {
        for (const who of [grace, mallory])
          for (const of of [id, forged['id']]) expect(await accept(who, of)).toBe(404);
        expect((await value(grace, secret)).status).toBe(404);
      });
      await isRecorded('handovers', id);
      expect(await accept(grace, id)).toBe(200);
      expect((await value(grace, secret)).status).toBe(200);
    });

    it('one that is made to somebody else, cancelled, accepted before or copied under another id gives nothing', async () => {
      const [one, other] = [await offered(), await offered()];
      expectStatus(await ada.call('POST', `/handovers/${other.id}/cancel`), 200);
      await forge('handovers', { id: one.id }, { to_user: mallory.id });
      expect([await accept(mallory, one.id), await accept(grace, one.id)]).toEqual([404, 404]);
      await putBack();
      await forge('handovers', { id: other.id }, { state: 'pending', decided_at: null });
      expect(await accept(grace, other.id)).toBe(404);
      await putBack();
      await copySeal('handovers', { id: one.id }, { id: other.id }, { state: 'pending', decided_at: null });
      expect(await accept(grace, other.id)).toBe(404);
      await putBack();
      await swap('handovers', { id: one.id }, { id: other.id });
      expect([await accept(grace, one.id), await accept(grace, other.id)]).toEqual([404, 404]);
      await putBack();
      const copied = { ...(await read('handovers', { id: one.id })), id: randomUUID() };
      await write('handovers', copied);
      undo.push(() => remove('handovers', copied));
      expect(await accept(grace, copied.id)).toBe(404);
      await putBack();
      expect(await accept(grace, one.id)).toBe(200);
      await forge('handovers', { id: one.id }, { state: 'pending', decided_at: null });
      expect(await accept(grace, one.id)).toBe(404);
    });
  });

  describe('idempotency_keys', () => {
    const create = (who: Person, key: string, body: Json) =>
      who.call('POST', '/secrets', { headers: { 'idempotency-key': key }, body });
    const rowOf = (who: Person, key: string): Where => ({ user_id: who.id, key });

    it('each column: a repeat gives an error, or counts as a first one; never another’s resource', async () => {
      const body = { name: uniqueName('ONCE'), type: 'other', value: 'v' };
      const { id } = expectStatus(await create(ada, 'key-1', body), 201).body;
      await eachColumn('idempotency_keys', rowOf(ada, 'key-1'), async (column) => {
        const again = await create(ada, 'key-1', body);
        const isKey = ['user_id', 'route', 'key'].includes(column);
        expect(again.body.code).toBe(isKey ? 'name_taken' : 'integrity_broken');
      });
      await isRecorded('idempotency_keys', `${ada.id} POST /api/v1/secrets key-1`);
      expect((await create(ada, 'key-1', body)).body.id).toBe(id);
    });

    it('a resource that is written in, rows that change places and copied seals lead nowhere', async () => {
      const foreign = await keepSecret(ada);
      const request = (key: string) => ({ key, body: { name: uniqueName('TWICE'), type: 'other', value: 'v' } });
      const [one, other] = [request('key-a'), request('key-b')] as const;
      for (const { key, body } of [one, other]) expectStatus(await create(mallory, key, body), 201);
      const broken = async (): Promise<void> => {
        const again = await create(mallory, one.key, one.body);
        expect(again.body.code).toBe('integrity_broken');
        expect(again.text).not.toContain(foreign.id);
        await putBack();
      };
      await forge('idempotency_keys', rowOf(mallory, one.key), { resource_ids: [foreign.id] });
      await broken();
      await swap('idempotency_keys', rowOf(mallory, one.key), rowOf(mallory, other.key));
      await broken();
      await copySeal('idempotency_keys', rowOf(mallory, other.key), rowOf(mallory, one.key));
      await broken();
    });
  });

  describe('audit_log', () => {
    it('each column, each swap and each copied seal shows', async () => {
      await keepSecret(ada);
      const [a, b] = (await sql('select id from audit_log order by id desc limit 2')) as [Json, Json];
      const holds = async (id: unknown): Promise<boolean> => {
        const row = await app.db.db.selectFrom('audit_log').selectAll().where('id', '=', String(id)).executeTakeFirst();
        return row !== undefined && seals.isIntact('audit_log', row);
      };
      expect([await holds(a['id']), await holds(b['id'])]).toEqual([true, true]);
      await eachColumn('audit_log', { id: a['id'] }, async (_column, forged) => {
        expect(await holds(forged['id'])).toBe(false);
      });
      await swap('audit_log', { id: a['id'] }, { id: b['id'] });
      expect([await holds(a['id']), await holds(b['id'])]).toEqual([false, false]);
      await putBack();
      await copySeal('audit_log', { id: b['id'] }, { id: a['id'] });
      expect([await holds(a['id']), await holds(b['id'])]).toEqual([false, true]);
      await putBack();
      expect([await holds(a['id']), await holds(b['id'])]).toEqual([true, true]);
    });
  });

  describe('what is sealed', () => {
    const catalogue = async (): Promise<Map<string, Set<string>>> => {
      const rows = await sql(`select table_name, array_agg(column_name::text) as columns
        from information_schema.columns where table_schema = 'public' group by 1`);
      return new Map(rows.map((row) => [row.table_name, new Set(row.columns)]));
    };

    it('is every column of the database that is not on the written list', async () => {
      const tables = await catalogue();
      for (const [table, { sealed, unsealed }] of Object.entries(sealedTables)) {
        const written = [...Object.keys(sealed), ...Object.keys(unsealed), 'seal'];
        expect([...(tables.get(table) ?? [])].sort(), table).toEqual(written.sort());
      }
    });

    it('is every table with a seal, and every table but the few that decide nothing', async () => {
      const tables = await catalogue();
      const withSeal = [...tables].filter(([, columns]) => columns.has('seal')).map(([name]) => name);
      expect(withSeal.sort()).toEqual(Object.keys(sealedTables).sort());
      const without = [...tables.keys()].filter((name) => !withSeal.includes(name));
      expect(without.sort()).toEqual([
        'event_log',
        'kysely_migration',
        'kysely_migration_lock',
        'login_failures',
        'memory_entities',
        'memory_merges',
        'memory_metadata',
        'memory_names',
        'memory_observations',
        'memory_relations',
        'memory_scopes',
        'memory_uses',
        'notice_marks',
        'reminders',
        'service_keys',
      ]);
    });

    it('has a reason for each column that is not', () => {
      for (const { unsealed } of Object.values(sealedTables))
        for (const { why } of Object.values(unsealed)) expect(why.length).toBeGreaterThan(5);
    });

    it('has the columns that hold what they say in the database', async () => {
      const kinds: Record<ColumnKind, string[]> = {
        uuid: ['uuid'],
        text: ['text', 'character varying'],
        int: ['integer'],
        bigint: ['bigint'],
        bool: ['boolean'],
        time: ['timestamp with time zone'],
        json: ['jsonb'],
        bytes: ['bytea'],
      };
      const rows = await sql(`select table_name || '.' || column_name as name, data_type
        from information_schema.columns where table_schema = 'public'`);
      const types = new Map(rows.map((row) => [row.name, row.data_type]));
      for (const [table, { sealed, unsealed }] of Object.entries<SealedTable>(sealedTables))
        for (const [column, kind] of Object.entries({ ...sealed, ...unsealed }))
          expect(kinds[kindOf(kind)], `${table}.${column}`).toContain(types.get(`${table}.${column}`));
    });
  });
});
