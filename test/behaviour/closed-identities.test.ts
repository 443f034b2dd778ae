import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { prepareSchema } from '../../src/db/grants.ts';
import { migrateDown } from '../../src/db/migrate.ts';
import { type Access, asMigrator } from '../../src/db/open.ts';
import { newRootKey, startApp, type TestApp } from '../support/app.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { forge, macSigner } from '../support/forged-tokens.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people, startSession } from '../support/people.ts';

type Json = Record<string, unknown>;

const secret = 'a shared secret of more than 32 bytes';

const issuers = [
  { issuer: 'https://plain.example', audience: 'keyhold', hs256_secret: secret, may_create_users: true },
  {
    issuer: 'https://ids.example',
    audience: 'keyhold',
    hs256_secret: `${secret}, another one`,
    may_create_users: true,
    supplies_ids: true,
  },
] as const;
const [plain, supplying] = issuers;
type Issuer = (typeof issuers)[number];

const env = { KEYHOLD_JWT_ISSUERS: JSON.stringify(issuers) };

let count = 0;
/** A subject, an id or a name that nobody had before. */
const fresh = (): string => {
  count += 1;
  return `0198f1c2-0000-7000-8000-${String(count).padStart(12, '0')}`;
};

/** Somebody whom an issuer vouches for. */
interface External {
  readonly issuer: Issuer;
  readonly sub: string;
}

const tokenOf = (app: TestApp, { issuer, sub }: External): string => {
  const exp = Math.floor(app.clock.now().getTime() / 1000) + 600;
  const claims = { iss: issuer.issuer, aud: issuer.audience, exp, sub, preferred_username: `user-${sub}` };
  return forge({ alg: 'HS256' }, claims, macSigner(issuer.hs256_secret));
};

const me = (app: TestApp, who: External) => app.call('GET', '/auth/me', { token: tokenOf(app, who) });

const letIn = async (app: TestApp, who: External): Promise<string> =>
  expectStatus(await me(app, who), 200).body.user.id;

const newcomer = (issuer: Issuer = plain): External => ({ issuer, sub: fresh() });

const lastRecord = async (app: TestApp, action: string): Promise<Json> =>
  (await app.database.client.query('select * from audit_log where action = $1 order by id desc limit 1', [action]))
    .rows[0];

/** Whoever owns the database writes past its constraints and triggers. */
const becomeHostile = async (app: TestApp): Promise<void> => {
  await app.database.client.query('set session_replication_role = replica');
  await app.database.client.query('alter table audit_log disable trigger all');
};

const setStatus = async (admin: Person, id: string, status: 'active' | 'disabled'): Promise<Json> =>
  expectStatus(await admin.call('PATCH', `/users/${id}`, { body: { status } }), 200).body;
const erase = async (admin: Person, id: string): Promise<void> => {
  expectStatus(await admin.call('DELETE', `/users/${id}`), 200);
};

describe('users who were disabled or erased', () => {
  let app: TestApp;
  let admin: Person;
  beforeAll(async () => {
    app = await startApp({ env });
    admin = await logInAdmin(app);
    await becomeHostile(app);
  });
  afterAll(() => app.close());

  const sql = async (text: string, values: unknown[] = []) => (await app.database.client.query(text, values)).rows;
  const deleteUser = (id: string) => sql('delete from users where id = $1', [id]);
  const countUsers = async (): Promise<number> => (await sql('select count(*)::int as n from users'))[0].n;

  const disable = (id: string) => setStatus(admin, id, 'disabled');
  const enable = (id: string) => setStatus(admin, id, 'active');

  const isKeptOut = async (who: External, userId: string): Promise<void> => {
    const before = await countUsers();
    expect(expectStatus(await me(app, who), 401).body.code).toBe('unauthenticated');
    expect(await countUsers()).toBe(before);
    const record = await lastRecord(app, 'login.refused');
    expect(record).toMatchObject({ outcome: 'refused', reason: 'identity_closed', actor_id: userId });
  };

  describe.each([
    ['an issuer', plain],
    ['an issuer that supplies ids', supplying],
  ] as const)('of %s', (_name, issuer) => {
    it('a disabled user stays out when their row is deleted, and somebody new is let in', async () => {
      const who = newcomer(issuer);
      const id = await letIn(app, who);
      await disable(id);
      await deleteUser(id);
      await isKeptOut(who, id);
      await letIn(app, newcomer(issuer));
    });

    it('an erased user stays out, with and without their row', async () => {
      const who = newcomer(issuer);
      const id = await letIn(app, who);
      await erase(admin, id);
      await isKeptOut(who, id);
      await deleteUser(id);
      await isKeptOut(who, id);
      await letIn(app, newcomer(issuer));
    });

    it('a user who was erased while disabled stays out', async () => {
      const who = newcomer(issuer);
      const id = await letIn(app, who);
      await disable(id);
      await erase(admin, id);
      await isKeptOut(who, id);
      await deleteUser(id);
      await isKeptOut(who, id);
    });

    it('a user is let in again whenever they are enabled', async () => {
      const who = newcomer(issuer);
      const id = await letIn(app, who);
      for (let round = 0; round < 3; round += 1) {
        await disable(id);
        expectStatus(await me(app, who), 401);
        await enable(id);
        expect(await letIn(app, who)).toBe(id);
      }
      await disable(id);
      await deleteUser(id);
      await isKeptOut(who, id);
    });
  });

  it('a user who was enabled again is kept out no longer: without their row they are somebody new', async () => {
    const who = newcomer();
    const id = await letIn(app, who);
    await disable(id);
    await enable(id);
    await deleteUser(id);
    expect(await letIn(app, who)).not.toBe(id);
  });

  it('the rows of an erased user hold neither their issuer nor their subject', async () => {
    const who = newcomer();
    const id = await letIn(app, who);
    await disable(id);
    await erase(admin, id);
    const [row] = await sql('select to_jsonb(u)::text as text from users u where id = $1', [id]);
    const entries = await sql('select to_jsonb(c)::text as text from closed_identities c where user_id = $1', [id]);
    expect(entries.length).toBe(4);
    for (const { text } of [row, ...entries]) {
      expect(text).not.toContain(who.sub);
      expect(text).not.toContain(plain.issuer);
    }
  });

  it('an external user never gets the id of a closed user of this service, however it is written', async () => {
    const { greta, hugo } = await people(app, admin, 'greta', 'hugo');
    await disable(greta.id);
    await erase(admin, hugo.id);
    for (const { id } of [greta, hugo]) {
      for (const sub of [id, id.toUpperCase()]) await isKeptOut({ issuer: supplying, sub }, id);
      await deleteUser(id);
      for (const sub of [id, id.toUpperCase()]) await isKeptOut({ issuer: supplying, sub }, id);
    }
    // Another issuer's subject is a name like any other.
    await letIn(app, { issuer: plain, sub: greta.id });
    await letIn(app, newcomer(supplying));
  });

  it('a user whose requests arrive while they are closed is out once that is answered', async () => {
    for (let round = 0; round < 8; round += 1) {
      const who = newcomer(round % 2 === 0 ? plain : supplying);
      const id = await letIn(app, who);
      const gone = round % 4 < 2 ? erase(admin, id) : disable(id);
      await Promise.all([gone, me(app, who), me(app, who), me(app, who)]);
      expectStatus(await me(app, who), 401);
      expect(await sql('select 1 from users where subject = $1 and id <> $2', [who.sub, id])).toEqual([]);
    }
  });

  it('a new external user waits while an identity is being closed, and is let in then', async () => {
    const client = new pg.Client(app.database.settings('superuser'));
    await client.connect();
    try {
      await client.query('begin');
      await client.query('select * from closed_identity_count for update');
      const who = newcomer();
      const answer = me(app, who);
      await vi.waitFor(async () => {
        const waiting = await sql(`select 1 from pg_stat_activity where datname = current_database()
          and wait_event_type = 'Lock' and query like '%closed_identity_count%'`);
        expect(waiting.length).toBe(1);
      }, 10_000);
      expect(await sql('select 1 from users where subject = $1', [who.sub])).toEqual([]);
      await client.query('commit');
      expectStatus(await answer, 200);
    } finally {
      await client.end();
    }
  });

  describe('with a register that was changed', () => {
    let saved: { entries: Json[]; count: Json[] };

    const allOf = async (table: string): Promise<Json[]> =>
      (await sql(`select to_jsonb(t) as row from ${table} t order by (to_jsonb(t) ->> 'entry')::int`)).map(
        ({ row }) => row,
      );
    const write = async (table: string, rows: readonly Json[]): Promise<void> => {
      await sql(`delete from ${table}`);
      await sql(`insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1)`, [
        JSON.stringify(rows),
      ]);
    };
    const save = async () => ({
      entries: await allOf('closed_identities'),
      count: await allOf('closed_identity_count'),
    });
    const putBack = async ({ entries, count: counted }: typeof saved): Promise<void> => {
      await write('closed_identities', entries);
      await write('closed_identity_count', counted);
    };

    /** Disabled, and their row in `users` deleted. */
    let gone: External;
    let goneId: string;
    /** Enabled again. */
    let back: External;
    let backId: string;
    beforeAll(async () => {
      [gone, back] = [newcomer(), newcomer()];
      [goneId, backId] = [await letIn(app, gone), await letIn(app, back)];
      await disable(backId);
      await disable(goneId);
      await enable(backId);
      await deleteUser(goneId);
      await deleteUser(backId);
      await sql('alter table closed_identities drop constraint closed_identities_pkey');
      saved = await save();
    });
    afterEach(() => putBack(saved));

    const failures = async (): Promise<number> => {
      const response = await fetch(`${app.url}/metrics`, { headers: { authorization: `Bearer ${admin.token}` } });
      return Number(/^keyhold_integrity_failures_total (\d+)$/m.exec(await response.text())?.[1] ?? 0);
    };

    const isRefused = (answer: Answer<any>): void => {
      expect(expectStatus(answer, 409).body).toMatchObject({
        code: 'integrity_broken',
        detail: expect.stringContaining('operator'),
      });
    };

    /** Nobody new is let in, on the record, until the register is back as it was. */
    const nobodyComesBack = async (): Promise<void> => {
      const [before, counted] = [await countUsers(), await failures()];
      // What is left of the register may still say that they are disabled; that is refused without going through all of it.
      for (const who of [gone, back]) expect([401, 409]).toContain((await me(app, who)).status);
      for (const who of [newcomer(), newcomer(supplying)]) {
        isRefused(await me(app, who));
        expect(await lastRecord(app, 'login.refused')).toMatchObject({ reason: 'record_broken', outcome: 'refused' });
        expect(await lastRecord(app, 'row.integrity_broken')).toMatchObject({ outcome: 'failed' });
      }
      expect(await countUsers()).toBe(before);
      expect(await failures()).toBeGreaterThan(counted);
      await putBack(saved);
      await isKeptOut(gone, goneId);
      await letIn(app, newcomer());
    };

    const entriesOf = (id: string): Json[] => saved.entries.filter((row) => row['user_id'] === id);
    const others = (id: string): Json[] => saved.entries.filter((row) => row['user_id'] !== id);
    const [first, second] = [0, 1];
    const at = (rows: readonly Json[], index: number): Json => {
      const row = rows[index];
      if (!row) throw new Error('no such entry');
      return row;
    };
    const replace = (number: unknown, by: Json): Json[] =>
      saved.entries.map((row) => (row['entry'] === number ? by : row));

    it.each<[string, () => Json[]]>([
      ['lacks both entries of a user', () => others(goneId)],
      ['lacks one entry of a user', () => saved.entries.filter((row) => row !== at(entriesOf(goneId), first))],
      ['has no entry', () => []],
      ['lacks its last entry', () => saved.entries.slice(0, -1)],
      [
        'has somebody else’s entry in place of a user’s',
        () => {
          const [one, other] = [at(entriesOf(goneId), first), at(entriesOf(backId), first)];
          return replace(one['entry'], { ...other, entry: one['entry'] });
        },
      ],
      [
        'has two entries in each other’s place',
        () => {
          const [one, other] = [at(entriesOf(goneId), second), at(entriesOf(backId), second)];
          return saved.entries.map((row) => {
            if (row === one) return { ...other, entry: one['entry'] };
            return row === other ? { ...one, entry: other['entry'] } : row;
          });
        },
      ],
      [
        'has another entry twice in place of a user’s',
        () => [...others(goneId), ...entriesOf(goneId).map(() => at(entriesOf(backId), first))],
      ],
      [
        'has an entry that was changed from closed to open',
        () => {
          const one = at(entriesOf(goneId), second);
          return replace(one['entry'], { ...one, state: 'open' });
        },
      ],
      [
        'has an entry that bears the seal of another',
        () => {
          const one = at(entriesOf(goneId), second);
          return replace(one['entry'], { ...one, state: 'open', seal: at(entriesOf(backId), second)['seal'] });
        },
      ],
      [
        'has an entry that was made another user’s',
        () => {
          const open = saved.entries.filter((row) => row['state'] === 'open');
          const one = at(open, second);
          return replace(one['entry'], { ...one, mac: at(entriesOf(goneId), second)['mac'], user_id: goneId });
        },
      ],
      [
        'has an invented entry',
        () => [...saved.entries, { ...at(saved.entries, first), entry: saved.entries.length + 1 }],
      ],
    ])('nobody comes back and nobody new is let in while the register %s', async (_what, changed) => {
      await write('closed_identities', changed());
      await nobodyComesBack();
    });

    it('nobody comes back and nobody new is let in while the count is missing, altered or older', async () => {
      const older = saved;
      const { id } = await letIn(app, newcomer()).then((made) => ({ id: made }));
      await disable(id);
      saved = await save();
      for (const counted of [
        [],
        [{ ...at(saved.count, first), entries: saved.entries.length - 2 }],
        older.count,
        [{ ...at(older.count, first), seal: at(saved.count, first)['seal'] }],
      ]) {
        await write('closed_identity_count', counted);
        await nobodyComesBack();
      }
    });

    it('a user stays out whose entries are hidden from the search for them, but not from the whole register', async () => {
      await sql('alter table closed_identities enable row level security');
      await sql(`create policy hiding on closed_identities using (position('mac in' in current_query()) = 0)`);
      await isKeptOut(gone, goneId);
      await letIn(app, newcomer());
      await sql('drop policy hiding on closed_identities');
      await sql('alter table closed_identities disable row level security');
    });

    it('nobody comes back and nobody new is let in while entries and count are both gone', async () => {
      await write('closed_identities', []);
      await write('closed_identity_count', []);
      await nobodyComesBack();
    });

    it('a user is not disabled, enabled or erased while that cannot be recorded', async () => {
      const who = newcomer();
      const id = await letIn(app, who);
      await write('closed_identity_count', []);
      isRefused(await admin.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } }));
      expect(await lastRecord(app, 'user.disable')).toMatchObject({ outcome: 'refused', reason: 'integrity_broken' });
      isRefused(await admin.call('DELETE', `/users/${id}`));
      expect(await lastRecord(app, 'user.erase')).toMatchObject({ outcome: 'refused', reason: 'integrity_broken' });
      expect(await letIn(app, who)).toBe(id);
      expectStatus(await admin.call('PATCH', `/users/${id}`, { body: { role: 'admin' } }), 200);
      await putBack(saved);
      await disable(id);
      expectStatus(await me(app, who), 401);
      await erase(admin, id);
      await isKeptOut(who, id);
      saved = await save();
    });
  });

  describe('whose ids occur somewhere', () => {
    /** A row of the table that names somebody who has no row in `users`; its copy names the id in question. */
    const traces: readonly (readonly [string, string])[] = [
      ['owner_keys', 'owner_id'],
      ['logins', 'user_id'],
      ['tokens', 'user_id'],
      ['idempotency_keys', 'user_id'],
      ['sessions', 'owner_id'],
      ['session_participants', 'user_id'],
      ['secrets', 'owner_id'],
      ['secrets', 'shared_with'],
      ['audit_log', 'actor_id'],
      ['audit_log', 'target_id'],
    ];
    const idKeys = ['owner_keys', 'logins', 'tokens', 'sessions', 'secrets', 'audit_log'];

    beforeAll(async () => {
      const { iris } = await people(app, admin, 'iris');
      const body = { name: 't', permissions: ['secrets:list'], expires_in: 3600 };
      expectStatus(await iris.call('POST', '/auth/tokens', { body }), 201);
      await startSession(iris, [admin]);
      await keepSecret(iris, {}, { headers: { 'idempotency-key': 'key-1' } });
    });

    it.each(traces)('an id that occurs in %s.%s is given to nobody', async (table, column) => {
      const who = newcomer(supplying);
      const [{ row }] = (await sql(`select to_jsonb(t) as row from ${table} t limit 1`)) as [{ row: Json }];
      const named =
        column === 'shared_with' ? { scope: 'shared', shared_with: [who.sub], name: who.sub } : { [column]: who.sub };
      const planted: Json = { ...row, ...(idKeys.includes(table) ? { id: randomUUID() } : {}), ...named };
      await sql(`insert into ${table} select * from jsonb_populate_record(null::${table}, $1)`, [
        JSON.stringify(planted),
      ]);
      const before = await countUsers();
      expect(expectStatus(await me(app, who), 409).body.code).toBe('name_taken');
      expect(await lastRecord(app, 'login.refused')).toMatchObject({ reason: 'id_taken' });
      expect(await countUsers()).toBe(before);
      const where = column === 'shared_with' ? `shared_with @> jsonb_build_array($1::text)` : `${column} = $1::uuid`;
      await sql(`delete from ${table} where ${where}`, [who.sub]);
      expect(await letIn(app, who)).toBe(who.sub);
    });

    it('the id of a user whose row alone was deleted is given to nobody', async () => {
      const who = newcomer(supplying);
      const id = await letIn(app, who);
      await deleteUser(id);
      expect(expectStatus(await me(app, who), 409).body.code).toBe('name_taken');
      await letIn(app, newcomer(supplying));
    });
  });
});

describe('a user who is disabled', () => {
  let app: TestApp;
  let admin: Person;
  beforeAll(async () => {
    app = await startApp();
    admin = await logInAdmin(app);
  });
  afterAll(() => app.close());

  const tokenFor = async (who: Person): Promise<string> => {
    const body = { name: 't', permissions: ['secrets:list'], expires_in: 3600 };
    return expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body.token;
  };
  const works = async (who: Person, token: string): Promise<number[]> => {
    const refresh = { body: { refresh_token: who.refreshToken } };
    const list = await app.call('GET', '/secrets', { token });
    return [
      (await who.call('GET', '/auth/me')).status,
      list.status,
      (await app.call('POST', '/auth/refresh', refresh)).status,
    ];
  };

  it('a disabled user loses every login and token for good, and gets in by a new login once enabled', async () => {
    const { ada, grace } = await people(app, admin, 'ada', 'grace');
    const [token, other] = [await tokenFor(ada), await logIn(app, 'ada')];
    const untouched = await tokenFor(grace);
    await setStatus(admin, ada.id, 'disabled');
    expect(await lastRecord(app, 'user.disable')).toMatchObject({
      target_id: ada.id,
      details: { logins: 2, tokens: 1 },
    });
    for (const one of [ada, other]) expect(await works(one, token)).toEqual([401, 401, 401]);
    expectStatus(
      await app.call('POST', '/auth/login', { body: { username: 'ada', password: 'a password for tests' } }),
      401,
    );
    await setStatus(admin, ada.id, 'active');
    for (const one of [ada, other]) expect(await works(one, token)).toEqual([401, 401, 401]);
    const again = await logIn(app, 'ada');
    expect(await works(again, await tokenFor(again))).toEqual([200, 200, 200]);
    expect(await works(grace, untouched)).toEqual([200, 200, 200]);
  });

  it('enabling a user ends logins and tokens that an earlier version left alive', async () => {
    const { mary } = await people(app, admin, 'mary');
    const token = await tokenFor(mary);
    const { client } = app.database;
    const saved: Json[] = [];
    for (const table of ['logins', 'tokens']) {
      const { rows } = await client.query(`select to_jsonb(t) as row from ${table} t where user_id = $1`, [mary.id]);
      saved.push({ table, row: rows[0].row });
    }
    await setStatus(admin, mary.id, 'disabled');
    for (const { table, row } of saved) {
      await client.query(`delete from ${table} where user_id = $1`, [mary.id]);
      await client.query(`insert into ${table} select * from jsonb_populate_record(null::${table}, $1)`, [
        JSON.stringify(row),
      ]);
    }
    await setStatus(admin, mary.id, 'active');
    expect(await works(mary, token)).toEqual([401, 401, 401]);
    const again = await logIn(app, 'mary');
    expect(await works(again, await tokenFor(again))).toEqual([200, 200, 200]);
  });

  it('an administrator who disables themselves loses the login that they did it with', async () => {
    expectStatus(
      await admin.call('POST', '/users', {
        body: { username: 'root', password: 'a password for tests', role: 'admin' },
      }),
      201,
    );
    const root = await logIn(app, 'root');
    expectStatus(await root.call('PATCH', `/users/${root.id}`, { body: { status: 'disabled' } }), 200);
    expectStatus(await root.call('GET', '/auth/me'), 401);
    await setStatus(admin, root.id, 'active');
    expectStatus(await root.call('GET', '/auth/me'), 401);
    await logIn(app, 'root');
  });
});

describe('the lookup key and the register under it', () => {
  const stack: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of stack.splice(0).reverse()) await end();
  });

  const database = async (): Promise<TestDatabase> => {
    const made = await freshDatabase();
    stack.push(() => made.drop());
    return made;
  };
  const start = (on: TestDatabase, rootKey: string): Promise<TestApp> => startApp({ database: on, rootKey, env });
  const on = async <T>(db: TestDatabase, rootKey: string, work: (app: TestApp, admin: Person) => Promise<T>) => {
    const app = await start(db, rootKey);
    try {
      return await work(app, await logInAdmin(app));
    } finally {
      await app.close();
    }
  };

  it('the register begins with the users whom an earlier version disabled or erased and whose rows are intact', async () => {
    const [db, rootKey] = [await database(), newRootKey()];
    const [disabled, erased, altered, enabled] = [newcomer(), newcomer(supplying), newcomer(), newcomer()];
    const ids = await on(db, rootKey, async (app, admin) => {
      const made = [];
      for (const who of [disabled, erased, altered, enabled]) made.push(await letIn(app, who));
      for (const id of [made[0], made[2], made[3]]) await setStatus(admin, String(id), 'disabled');
      await erase(admin, String(made[1]));
      await setStatus(admin, String(made[3]), 'active');
      return made;
    });
    const access: Access = { migrator: db.settings('migrator'), service: db.settings('service'), serviceLogin: '' };
    const hasRegister = async (): Promise<boolean> =>
      (await db.client.query(`select to_regclass('public.closed_identities') as found`)).rows[0].found !== null;
    while (await hasRegister()) await asMigrator(access, (migrator) => migrateDown(migrator, async () => undefined));
    expect((await db.client.query(`select distinct purpose from service_keys`)).rows).toEqual([{ purpose: 'seal' }]);
    await db.client.query(`update users set email = 'forged@a.test' where id = $1`, [ids[2]]);
    await asMigrator(access, (migrator) => prepareSchema(migrator, db.settings('service').user ?? ''));
    await on(db, rootKey, async (app, admin) => {
      await becomeHostile(app);
      const { rows } = await db.client.query(
        'select user_id, kind, state from closed_identities order by kind, user_id',
      );
      expect(rows).toEqual([
        ...[ids[0], ids[1]].sort().map((user_id) => ({ user_id, kind: 'id', state: 'closed' })),
        { user_id: ids[0], kind: 'subject', state: 'closed' },
      ]);
      await db.client.query('delete from users where id = any($1)', [ids]);
      for (const who of [disabled, erased]) expectStatus(await me(app, who), 401);
      const again = await letIn(app, enabled);
      await setStatus(admin, again, 'disabled');
      expectStatus(await me(app, enabled), 401);
    });
  });

  it('a start without the lookup key of a register is refused, and works once the key is back', async () => {
    const [db, rootKey] = [await database(), newRootKey()];
    const who = newcomer();
    await on(db, rootKey, async (app, admin) => setStatus(admin, await letIn(app, who), 'disabled'));
    const { rows } = await db.client.query(`select * from service_keys where purpose = 'lookup'`);
    expect(rows.length).toBe(1);
    await db.client.query(`delete from service_keys where purpose = 'lookup'`);
    await expect(start(db, rootKey)).rejects.toThrow(
      /lookup key is missing from the database although it holds a register.*Restore table service_keys/,
    );
    expect((await db.client.query(`select 1 from service_keys where purpose = 'lookup'`)).rows).toEqual([]);
    const [row] = rows;
    await db.client.query('insert into service_keys values ($1, $2, $3, $4, $5)', [
      row.id,
      row.root_key_id,
      row.purpose,
      row.wrapped_key,
      row.created_at,
    ]);
    await on(db, rootKey, async (app) => expectStatus(await me(app, who), 401));
  });

  it('a start with a wrong lookup key, or with the seal key in its place, is refused', async () => {
    const [db, rootKey] = [await database(), newRootKey()];
    await on(db, rootKey, async () => undefined);
    const wrapped = async (purpose: string): Promise<string> =>
      (await db.client.query('select wrapped_key from service_keys where purpose = $1', [purpose])).rows[0].wrapped_key;
    const own = await wrapped('lookup');
    const put = (text: string) =>
      db.client.query(`update service_keys set wrapped_key = $1 where purpose = 'lookup'`, [text]);
    await put(await wrapped('seal'));
    await expect(start(db, rootKey)).rejects.toThrow(/does not open the lookup key .*service_keys was changed/);
    await put(own);
    await db.client.query(`update service_keys set purpose = 'lookup' where purpose = 'seal'`);
    await expect(start(db, rootKey)).rejects.toThrow(/does not open the lookup key .*service_keys was changed/);
    await db.client.query(`update service_keys set purpose = 'seal' where wrapped_key <> $1`, [own]);
    await on(db, rootKey, async () => undefined);
  });

  it('a root key that was added opens the lookup key by itself', async () => {
    const [db, first, second] = [await database(), newRootKey(), newRootKey()];
    const who = newcomer();
    const id = await on(db, first, async (app, admin) => {
      const made = await letIn(app, who);
      await setStatus(admin, made, 'disabled');
      return made;
    });
    await on(db, `${first},${second}`, async () => undefined);
    const { rows } = await db.client.query(
      'select purpose, count(*)::int as copies, count(distinct id)::int as keys from service_keys group by 1 order by 1',
    );
    expect(rows).toEqual([
      { purpose: 'lookup', copies: 2, keys: 1 },
      { purpose: 'seal', copies: 2, keys: 1 },
    ]);
    await db.client.query('set session_replication_role = replica');
    await db.client.query('delete from users where id = $1', [id]);
    // Nobody's values can be opened without the first root key; what is kept under the lookup key can.
    await db.client.query('delete from owner_keys');
    await db.client.query('delete from secrets');
    const app = await start(db, second);
    stack.push(() => app.close());
    expectStatus(await me(app, who), 401);
    await letIn(app, newcomer());
  });
});
