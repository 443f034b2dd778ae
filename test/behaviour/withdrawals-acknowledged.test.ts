import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import type { Answer } from '../support/http.ts';
import {
  expectStatus,
  joinSession,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  people,
  startSession,
} from '../support/people.ts';

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
let linus: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ada, grace, linus } = await people(app, admin, 'ada', 'grace', 'linus'));
});
afterAll(() => app.close());

const during = async <T>(before: () => Promise<unknown>, work: () => Promise<T>, after: () => Promise<unknown>) => {
  await before();
  try {
    return await work();
  } finally {
    await after();
  }
};

const sql = (text: string) => app.database.client.query(text);
const tables = ['logins', 'tokens', 'sessions', 'session_participants'];

/** The service sees every row, but none that it asks for in order to change it. */
const hideFromChanges = async (): Promise<void> => {
  for (const table of tables) {
    await sql(`create policy seen on public.${table} for select using (true)`);
    await sql(`create policy added on public.${table} for insert with check (true)`);
    await sql(`alter table public.${table} enable row level security`);
  }
};
const showAgain = async (): Promise<void> => {
  for (const table of tables) {
    await sql(`alter table public.${table} disable row level security`);
    await sql(`drop policy seen on public.${table}`);
    await sql(`drop policy added on public.${table}`);
  }
};

/** The database says that each update succeeded and writes none. */
const swallowUpdates = async (): Promise<void> => {
  await sql(`create function public.swallow() returns trigger language plpgsql as $$ begin return null; end $$`);
  for (const table of tables)
    await sql(`create trigger swallow before update on public.${table} for each row execute function public.swallow()`);
};
const writeAgain = async (): Promise<void> => {
  await sql('drop function public.swallow() cascade');
};

interface Withdrawal {
  readonly withdraw: () => Promise<Answer<any>>;
  /** True while what is withdrawn can still be used. */
  readonly works: () => Promise<boolean>;
}

const isLetIn = async (who: Person, session?: string): Promise<boolean> =>
  (await who.call('GET', '/auth/me', session === undefined ? {} : { session })).status === 200;

const loginOf = (who: Person): string =>
  JSON.parse(Buffer.from(who.token.split('.')[1] ?? '', 'base64url').toString()).login_id;

const withdrawals: Readonly<Record<string, () => Promise<Withdrawal>>> = {
  'logging out': async () => {
    const login = await logIn(app, 'grace');
    return { withdraw: () => login.call('POST', '/auth/logout'), works: () => isLetIn(login) };
  },
  'ending a login': async () => {
    const login = await logIn(app, 'grace');
    const withdraw = () => grace.call('DELETE', `/auth/logins/${loginOf(login)}`);
    return { withdraw, works: () => isLetIn(login) };
  },
  'revoking a token': async () => {
    const body = { name: 'a token', permissions: ['secrets:list'], expires_in: 60 };
    const { id, token } = expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body;
    return { withdraw: () => grace.call('DELETE', `/auth/tokens/${id}`), works: () => isLetIn(grace.with(token)) };
  },
  'taking a participant out': async () => {
    const { id } = await startSession(ada, [grace]);
    const withdraw = () => ada.call('DELETE', `/sessions/${id}/participants/${grace.id}`);
    return { withdraw, works: () => isLetIn(grace, id) };
  },
  'leaving a session': async () => {
    const { id } = await startSession(ada, [grace]);
    const withdraw = () => grace.call('DELETE', `/sessions/${id}/participants/${grace.id}`);
    return { withdraw, works: () => isLetIn(grace, id) };
  },
  'ending a session': async () => {
    const { id } = await startSession(ada, [grace]);
    return { withdraw: () => ada.call('POST', `/sessions/${id}/end`), works: () => isLetIn(grace, id) };
  },
};

describe('what the database did not withdraw is not acknowledged', () => {
  it.each(Object.entries(withdrawals))(
    '%s is not acknowledged when the row is hidden from changes',
    async (_, make) => {
      const { withdraw, works } = await make();
      await hideFromChanges();
      const answer = await withdraw().finally(showAgain);
      expect(answer.status, JSON.stringify(answer.body)).toBeGreaterThanOrEqual(400);
      expect(await works()).toBe(true);
      expect([200, 204]).toContain((await withdraw()).status);
      expect(await works()).toBe(false);
    },
  );

  it.each(Object.entries(withdrawals))('%s is not acknowledged when its update is swallowed', async (_, make) => {
    const { withdraw, works } = await make();
    const answer = await during(swallowUpdates, withdraw, writeAgain);
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(await works()).toBe(true);
    expect([200, 204]).toContain((await withdraw()).status);
    expect(await works()).toBe(false);
  });
});

describe('a participant whose row cannot be seen', () => {
  const hideGrace = async (): Promise<void> => {
    await sql(`create policy seen on public.session_participants using (user_id <> '${grace.id}') with check (true)`);
    await sql('alter table public.session_participants enable row level security');
  };
  const showParticipants = async (): Promise<void> => {
    await sql('alter table public.session_participants disable row level security');
    await sql('drop policy seen on public.session_participants');
  };

  it('a participant whose row is hidden altogether is not taken out with success, and is once it is seen', async () => {
    const { id } = await startSession(ada, [grace]);
    const secret = await keepSecret(ada, { scope: 'session', session_id: id });
    const reveal = () => grace.call('GET', `/secrets/${secret.id}/value`, { session: id });
    const takeOut = () => ada.call('DELETE', `/sessions/${id}/participants/${grace.id}`);
    const answer = await during(hideGrace, takeOut, showParticipants);
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expectStatus(await reveal(), 200);
    expectStatus(await takeOut(), 204);
    expect((await reveal()).body.code).toBe('session_not_joined');
  });

  it('a participant whose row is hidden altogether is not added with success', async () => {
    const { id } = await startSession(ada, [grace]);
    const add = () => ada.call('POST', `/sessions/${id}/participants`, { body: { user_id: grace.id } });
    const answer = await during(hideGrace, add, showParticipants);
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expectStatus(await add(), 201);
  });

  it('a user who was never in a session can be taken out of it, and joins it later like anyone', async () => {
    const external_id = `chat-${randomUUID()}`;
    const { id } = await startSession(ada, [grace], { external_id });
    const path = `/sessions/${id}/participants`;
    for (const _ of [1, 2]) expectStatus(await ada.call('DELETE', `${path}/${linus.id}`), 204);
    for (const name of [id, external_id]) expect(await isLetIn(linus, name)).toBe(false);
    expect((await linus.call('DELETE', `${path}/${linus.id}`)).body.code).toBe('session_not_joined');
    const shown = expectStatus(await ada.call('GET', `/sessions/${id}`), 200).body.participants;
    const states = shown.map(({ user_id, state }: Record<string, string>) => [user_id, state]);
    expect(states).toEqual([
      [ada.id, 'present'],
      [grace.id, 'present'],
      [linus.id, 'left'],
    ]);
    expectStatus(await ada.call('POST', path, { body: { user_id: linus.id } }), 201);
    await joinSession(linus, id);
    for (const name of [id, external_id]) expect(await isLetIn(linus, name)).toBe(true);
  });

  it('an id that is nobody’s cannot be taken out of a session', async () => {
    const { id } = await startSession(ada, [grace]);
    const answer = await ada.call('DELETE', `/sessions/${id}/participants/${randomUUID()}`);
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    expectStatus(await ada.call('DELETE', `/sessions/${id}/participants/${grace.id}`), 204);
  });
});

describe('an Idempotency-Key whose row the database hides or keeps', () => {
  const create = (who: Person, key: string) =>
    who.call('POST', '/sessions', { body: {}, headers: { 'idempotency-key': key } });
  const sessionsOf = async (who: Person): Promise<number> =>
    expectStatus(await who.call('GET', '/sessions'), 200).body.sessions.length;

  it('a repeated creation whose key is hidden creates nothing, and is answered once the key is seen', async () => {
    const { mary } = await people(app, admin, 'mary');
    const key = randomUUID();
    const first = expectStatus(await create(mary, key), 201).body.id;
    const hide = async () => {
      await sql('create policy hidden on public.idempotency_keys using (false) with check (true)');
      await sql('alter table public.idempotency_keys enable row level security');
    };
    const show = async () => {
      await sql('alter table public.idempotency_keys disable row level security');
      await sql('drop policy hidden on public.idempotency_keys');
    };
    const answer = await during(hide, () => create(mary, key), show);
    expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(await sessionsOf(mary)).toBe(1);
    expect(expectStatus(await create(mary, key), 201).body.id).toBe(first);
  });

  it('a key that the database keeps beyond a day does not answer a new request', async () => {
    const clock = settableClock(new Date(Date.now() + 1000));
    const later = await startApp({ clock });
    const client = later.database.client;
    try {
      const { nora } = await people(later, await logInAdmin(later), 'nora');
      const key = randomUUID();
      const first = expectStatus(await create(nora, key), 201).body.id;
      clock.set(new Date(clock.now().getTime() + 24 * 3_600_000 + 1));
      const back = await logIn(later, 'nora');
      await client.query(
        `create function public.keep() returns trigger language plpgsql as $$ begin return null; end $$`,
      );
      await client.query(`create trigger keep before delete on public.idempotency_keys
        for each row execute function public.keep()`);
      expect(await create(back, key)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      await client.query('drop function public.keep() cascade');
      expect(expectStatus(await create(back, key), 201).body.id).not.toBe(first);
    } finally {
      await later.close();
    }
  });
});
