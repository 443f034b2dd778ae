import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Requirement } from '../../src/access/index.ts';
import type { Caller } from '../../src/core/caller.ts';
import { type SecretId, toId } from '../../src/core/ids.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
} from '../support/people.ts';

/*
 * Another protocol than HTTP enters by the same gate. Here it is a plain caller in the service's own process, whose whole
 * edge is `enter`.
 */

interface Asked<T> {
  readonly token: string;
  readonly requires?: Requirement;
  readonly sessionName?: string;
  readonly ip?: string;
  readonly work?: (caller: Caller) => Promise<T>;
}

const operation = 'tool.of-a-test';

const enter = async <T>({ app }: TestApp, { token, requires = 'authenticated', ...asked }: Asked<T>) => {
  const origin = { requestId: 'in-process', ip: asked.ip ?? '192.0.2.9', userAgent: 'a tool' };
  const sender = { origin, token };
  app.gate.admit(sender);
  const presented = { ...sender, sessionName: asked.sessionName ?? null };
  const caller = await app.gate.enter(presented, { name: operation, requires });
  return { caller, answer: await app.gate.serve(sender, asked.work?.(caller) ?? Promise.resolve(undefined)) };
};

let app: TestApp;
let ada: Person;
let grace: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace'));
});
afterAll(() => app.close());

const tokenOf = async (who: Person, permissions: readonly string[], expires_in = 3600) =>
  expectStatus(await who.call('POST', '/auth/tokens', { body: { name: 'a tool', permissions, expires_in } }), 201)
    .body as { readonly id: string; readonly token: string };

const columns = `action, outcome, reason, actor_id, token_id, session_id, host(ip::inet) as ip, user_agent, request_id,
  target_type, target_id, details`;

/** The records that some work adds. */
const recordsOf = async (work: () => Promise<unknown>): Promise<Record<string, unknown>[]> => {
  const { rows: before } = await app.database.client.query('select id from audit_log');
  await work();
  const known = before.map(({ id }) => id);
  return (await app.database.client.query(`select ${columns} from audit_log where id <> all($1)`, [known])).rows;
};

const refusal = (asked: Asked<unknown>): Promise<unknown> =>
  enter(app, asked).then(
    () => 'let in',
    ({ code }) => code,
  );

describe('a caller that enters without HTTP', () => {
  it('a caller without HTTP does what its token allows, as its user, on the record', async () => {
    const secret = await keepSecret(ada, { value: 'swordfish' });
    const id = toId<SecretId>(secret.id);
    const { id: tokenId, token } = await tokenOf(ada, ['secrets:reveal']);
    const records = await recordsOf(async () => {
      const { caller, answer } = await enter(app, {
        token,
        requires: { anyOf: ['secrets:reveal'] },
        work: (who) => app.app.domains.secrets.reveal(who, id),
      });
      expect(caller).toMatchObject({ userId: ada.id, credential: { kind: 'token', id: tokenId }, session: null });
      expect(answer).toMatchObject({ id, value: 'swordfish' });
    });
    expect(records).toMatchObject([
      { action: 'secret.reveal', outcome: 'allowed', actor_id: ada.id, token_id: tokenId, ip: '192.0.2.9' },
    ]);
  });

  it('a caller is refused without the permission, with exactly one record, and let in with it', async () => {
    const { id, token } = await tokenOf(ada, ['secrets:list']);
    const records = await recordsOf(async () => {
      expect(await refusal({ token, requires: { anyOf: ['secrets:reveal', 'admin'] } })).toBe('permission_missing');
    });
    expect(records).toEqual([
      {
        action: 'request.refused',
        outcome: 'refused',
        reason: 'permission_missing',
        actor_id: ada.id,
        token_id: id,
        session_id: null,
        ip: '192.0.2.9',
        user_agent: 'a tool',
        request_id: 'in-process',
        target_type: 'route',
        target_id: null,
        details: { route: operation },
      },
    ]);
    const allowed = recordsOf(async () => {
      expect(await refusal({ token, requires: { anyOf: ['secrets:list', 'admin'] } })).toBe('let in');
    });
    expect(await allowed).toEqual([]);
  });

  it('a caller needs a login where a token will not do', async () => {
    const { token } = await tokenOf(ada, ['secrets:list']);
    expect(await refusal({ token, requires: { login: true } })).toBe('permission_missing');
    expect(await refusal({ token: ada.token, requires: { login: true } })).toBe('let in');
    // Either of the two is enough.
    expect(await refusal({ token, requires: { login: true, anyOf: ['secrets:list'] } })).toBe('let in');
  });

  it.each(['revoked token', 'expired token', 'ended login'] as const)(
    'a caller is refused by a credential that is no longer valid, with exactly one record (%s)',
    async (kind) => {
      const login = await logIn(app, 'ada');
      const { id, token } = await tokenOf(ada, ['secrets:list'], 60);
      const presented = kind === 'ended login' ? login.token : token;
      expect(await refusal({ token: presented })).toBe('let in');
      if (kind === 'revoked token') expectStatus(await ada.call('DELETE', `/auth/tokens/${id}`), 204);
      // The token is valid from the later of the two clocks on.
      if (kind === 'expired token') app.clock.set(new Date(Date.now() + 61_000));
      if (kind === 'ended login') expectStatus(await login.call('POST', '/auth/logout'), 204);
      const records = await recordsOf(async () => {
        expect(await refusal({ token: presented })).toBe('unauthenticated');
      });
      const action = kind === 'ended login' ? 'login.refused' : 'token.refused';
      expect(records).toMatchObject([{ action, outcome: 'refused', actor_id: ada.id, ip: '192.0.2.9' }]);
      expect(await refusal({ token: ada.token })).toBe('let in');
    },
  );

  it('a caller with what was never a token is refused, without a record', async () => {
    const records = await recordsOf(async () => {
      for (const token of ['', 'kh_made-up', 'a.b.c']) expect(await refusal({ token })).toBe('unauthenticated');
    });
    expect(records).toEqual([]);
  });

  it('a caller is refused with the name of a session that it does not take part in, and let in with one that it does', async () => {
    const session = await startSession(ada, [grace], { external_id: 'chat-7' });
    const other = await startSession(ada);
    for (const sessionName of [session.id, 'chat-7'])
      expect((await enter(app, { token: grace.token, sessionName })).caller.session).toBe(session.id);
    for (const sessionName of [other.id, 'chat-8', '']) {
      const records = await recordsOf(async () => {
        expect(await refusal({ token: grace.token, sessionName })).toBe('session_not_joined');
      });
      expect(records, sessionName).toMatchObject([
        { action: 'session.refused', outcome: 'refused', actor_id: grace.id },
      ]);
    }
  });
});

describe('the limits on a caller that enters without HTTP', () => {
  const turnedAway = async ({ database }: TestApp) =>
    (
      await database.client.query(
        "select actor_id, details->>'count' as count from audit_log where action = 'request.limited' order by 2",
      )
    ).rows;

  it('the limit on requests is one for a user, whichever way they come, and is recorded with their count', async () => {
    const limited = await startApp({ env: { KEYHOLD_RATE_LIMIT: '10' } });
    const admin = await logInAdmin(limited);
    const { ada: person } = await people(limited, admin, 'ada');
    const body = { name: 'a tool', permissions: ['secrets:list'], expires_in: 60 };
    const { token } = expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body;
    let turned = 0;
    const isLetIn = async (by: string): Promise<boolean> => {
      const code = await enter(limited, { token: by }).catch((error) => error.code);
      if (typeof code !== 'string') return true;
      expect(code).toBe('rate_limited');
      turned += 1;
      return false;
    };
    const knock = async (times: number): Promise<boolean[]> => {
      const outcomes: boolean[] = [];
      for (let time = 0; time < times; time += 1) outcomes.push(await isLetIn(person.token));
      return outcomes;
    };
    /** Whatever second it is, one of the next few shows it. */
    const soon = (work: () => Promise<unknown>) => vi.waitFor(work, { timeout: 10_000, interval: 50 });

    await soon(async () => expect(await isLetIn(person.token)).toBe(true));
    expect(new Set(await knock(500))).toEqual(new Set([true, false]));
    // Once its user is known, a token counts together with their login, and requests over HTTP with both.
    await soon(async () => expect(await isLetIn(token)).toBe(true));
    await soon(async () => {
      await knock(30);
      expect(await isLetIn(token)).toBe(false);
    });
    await soon(async () => {
      await knock(30);
      expect((await person.call('GET', '/auth/me')).status).toBe(429);
      turned += 1;
    });
    expect((await admin.call('GET', '/auth/me')).status).toBe(200);
    await limited.app.close();
    expect(await turnedAway(limited)).toEqual([{ actor_id: person.id, count: String(turned) }]);
    await limited.db.close();
    await limited.database.drop();
  });

  it('what a domain’s own limit turns away is counted', async () => {
    const other = await startApp();
    const { users } = other.app.domains;
    const guess = (current: string) => (caller: Caller) =>
      users.setPassword(caller, caller.userId, current, 'a new password of hers');
    const made = await people(other, await logInAdmin(other), 'ada');
    const codes: string[] = [];
    for (let time = 0; time < 12; time += 1)
      await enter(other, { token: made.ada.token, work: guess('a wrong password') }).catch(({ code }) =>
        codes.push(code),
      );
    expect(codes).toEqual([...Array(10).fill('login_failed'), 'rate_limited', 'rate_limited']);
    other.clock.advance(16 * 60_000);
    const again = await logIn(other, 'ada');
    await enter(other, { token: again.token, work: guess(password) });
    await other.app.close();
    expect(await turnedAway(other)).toEqual([{ actor_id: made.ada.id, count: '2' }]);
    await other.db.close();
    await other.database.drop();
  });
});
