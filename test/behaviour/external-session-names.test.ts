import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import type { Answer } from '../support/http.ts';
import {
  expectStatus,
  keepSecret,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { createPlatform } from '../support/platform.ts';

const second = 1000;
const hour = 3_600_000;
const notJoined = '403 session_not_joined';
const first = createPlatform('https://first.example');
const other = createPlatform('https://other.example');
const unclaimed = createPlatform('https://unclaimed.example', { session_claim: null });

let app: TestApp;
let ada: Person;
let mary: Person;
let nora: Person;
beforeAll(async () => {
  const issuers = [first, other, unclaimed].map(({ setting }) => setting);
  // At the beginning of a second, ahead of the database's clock.
  const start = new Date(Math.ceil((Date.now() + hour) / second) * second);
  app = await startApp({ env: { KEYHOLD_JWT_ISSUERS: JSON.stringify(issuers) }, clock: settableClock(start) });
  ({ ada } = await people(app, await logInAdmin(app), 'ada'));
  [mary, nora] = [await first.person(app, 'mary'), await first.person(app, 'nora')];
});
afterAll(() => app.close());

const outcome = ({ status, body }: Answer<any>): string => (status < 300 ? String(status) : `${status} ${body.code}`);
/** The person by a token that is issued now and names this session. */
const within = (who: Person, sid: string, claims: object = {}) =>
  who.with(first.token(app, who.username, { sid, ...claims }));
const start = (by: Person, external_id: string | null, more: object = {}, headers: Record<string, string> = {}) =>
  by.call('POST', '/sessions', { body: { external_id, ...more }, headers });
const sessionOf = async (by: Person, session?: string) => {
  const answer = await by.call('GET', '/auth/me', { session });
  return answer.status === 200 ? answer.body.session_id : outcome(answer);
};
const remove = (by: Person, id: string, who = by) => by.call('DELETE', `/sessions/${id}/participants/${who.id}`);

/** A session of Mary's under a new name of the platform, which Nora is invited to. */
const started = async () => {
  const name = uniqueName('chat');
  const { id } = expectStatus(await start(within(mary, name), name, { participants: [nora.id] }), 201).body;
  return { name, id };
};

describe('a session in an issuer’s name space', () => {
  it('a platform starts a session by a token that claims its name, and brings in whom it invited', async () => {
    const { name, id } = await started();
    const stranger = await first.person(app, uniqueName('stranger'));
    expect(await sessionOf(within(nora, name))).toBe(id);
    expect(await sessionOf(within(mary, name))).toBe(id);
    expect(await sessionOf(within(stranger, name))).toBe(notJoined);
    const secret = await keepSecret(within(mary, name), { scope: 'session', session_id: name });
    expectStatus(await within(nora, name).call('GET', `/secrets/${secret.id}/value`), 200);
    expect(outcome(await within(stranger, name).call('POST', `/sessions/${name}/join`))).toBe(notJoined);
  });

  it('only a token that claims a name starts a session under it', async () => {
    const name = uniqueName('chat');
    expect(outcome(await start(mary, name))).toBe('403 permission_missing');
    const { name: elsewhere } = await started();
    expect(outcome(await start(within(mary, elsewhere), name))).toBe('403 permission_missing');
    expect(outcome(await start(within(mary, uniqueName('unknown')), name))).toBe(notJoined);
    expect(outcome(await start(within(mary, name), null))).toBe(notJoined);
    expect(outcome(await start(mary, null))).toBe('201');
    expect(outcome(await start(within(mary, name), name))).toBe('201');
    expect(outcome(await start(within(nora, name), name))).toBe('409 name_taken');
  });

  it('nobody takes a platform’s name before the platform does', async () => {
    const name = uniqueName('chat');
    const trap = await startSession(ada, [mary], { external_id: name });
    const ofOther = await other.person(app, uniqueName('guest'));
    const claimed = ofOther.with(other.token(app, ofOther.username, { sid: name }));
    expectStatus(await start(claimed, name, { participants: [mary.id] }), 201);
    expect(await sessionOf(within(mary, name))).toBe(notJoined);
    const { id } = expectStatus(await start(within(mary, name), name), 201).body;
    expect(await sessionOf(within(mary, name))).toBe(id);
    expect(await sessionOf(mary, name)).toBe(id);
    expect(id).not.toBe(trap.id);
  });

  it('a header alone joins nothing by an external id, and a claim does', async () => {
    const { name, id } = await started();
    expect(await sessionOf(nora, name)).toBe(notJoined);
    expect(outcome(await nora.call('POST', `/sessions/${name}/join`))).toBe(notJoined);
    expect(await sessionOf(within(nora, name))).toBe(id);
    expect(await sessionOf(nora, name)).toBe(id);
  });

  it('an invitation can be joined by a request that claims its session, and by no request that also names another', async () => {
    const { name, id } = await started();
    const elsewhere = await started();
    const by = within(nora, name);
    const join = async (session?: string) => outcome(await by.call('POST', `/sessions/${id}/join`, { session }));
    expect(await join(elsewhere.id)).toBe(notJoined);
    expect(await join('no-such-session')).toBe(notJoined);
    expect(outcome(await by.call('POST', `/sessions/${elsewhere.id}/join`))).toBe('200');
    expect(await join(name)).toBe('200');
  });

  it('a creation under a claim can be repeated with its Idempotency-Key', async () => {
    const name = uniqueName('chat');
    const headers = { 'idempotency-key': uniqueName('start') };
    const made = expectStatus(await start(within(mary, name), name, {}, headers), 201).body;
    expect(expectStatus(await start(within(mary, name), name, {}, headers), 201).body.id).toBe(made.id);
    const changed = await start(within(mary, name), name, { title: 'Another' }, headers);
    expect(outcome(changed)).toBe('409 idempotency_key_reused');
  });

  it('an agent starts the session that its token claims, and no other', async () => {
    const name = uniqueName('chat');
    const agent = within(mary, name, { act: { sub: 'bot' } });
    expect(outcome(await start(agent, null))).toBe(notJoined);
    expect(expectStatus(await start(agent, name), 201).body.external_id).toBe(name);
    expect(outcome(await start(agent, null))).toBe('403 permission_missing');
    expect(outcome(await start(agent, uniqueName('chat')))).toBe('403 permission_missing');
  });

  it('users of an issuer without a session claim name sessions that they own or have joined', async () => {
    const olga = await unclaimed.person(app, 'olga');
    const name = uniqueName('chat');
    const { id } = await startSession(ada, [], { external_id: name });
    expectStatus(await ada.call('POST', `/sessions/${id}/participants`, { body: { user_id: olga.id } }), 201);
    expect(await sessionOf(olga, name)).toBe(notJoined);
    expect(await sessionOf(olga, id)).toBe(id);
    expect(await sessionOf(olga, name)).toBe(id);
    expect(outcome(await start(olga, uniqueName('chat')))).toBe('201');
  });
});

describe('somebody of a platform who left', () => {
  /** Nora in a session, and the token that she was in it with. */
  const joined = async () => {
    const { name, id } = await started();
    const before = within(nora, name);
    expect(await sessionOf(before)).toBe(id);
    return { name, id, before };
  };

  it('a token from before they left never brings them back, and one that was issued later does', async () => {
    const { name, id, before } = await joined();
    app.clock.advance(second / 2);
    expectStatus(await remove(nora, id), 204);
    expectStatus(await mary.call('POST', `/sessions/${id}/participants`, { body: { user_id: nora.id } }), 201);
    // Issued within the second in which they left: it may be from before.
    const atTheSame = within(nora, name);
    app.clock.advance(hour);
    const now = Math.floor(app.clock.now().getTime() / second);
    const without = within(nora, name, { iat: undefined });
    for (const token of [before, atTheSame, within(nora, name, { iat: now + 2 }), without]) {
      expect(await sessionOf(token)).toBe(notJoined);
    }
    expect(await sessionOf(nora, id)).toBe(notJoined);
    expect(await sessionOf(within(nora, name))).toBe(id);
    expect(await sessionOf(before)).toBe(id);
  });

  it('a token that was issued at the very moment of leaving brings nobody back', async () => {
    const { name, id } = await joined();
    app.clock.set(new Date(Math.ceil(app.clock.now().getTime() / second + 1) * second));
    expectStatus(await remove(nora, id), 204);
    expect(await sessionOf(within(nora, name))).toBe(notJoined);
    app.clock.advance(second);
    expect(await sessionOf(within(nora, name))).toBe(id);
  });

  it('somebody who was removed is brought back only by a token from after a new invitation', async () => {
    const { name, id } = await joined();
    expectStatus(await remove(mary, id, nora), 204);
    app.clock.advance(10 * second);
    const between = within(nora, name);
    expect(await sessionOf(between)).toBe(notJoined);
    app.clock.advance(10 * second);
    expectStatus(await mary.call('POST', `/sessions/${id}/participants`, { body: { user_id: nora.id } }), 201);
    app.clock.advance(10 * second);
    expect(await sessionOf(between)).toBe(notJoined);
    expect(await sessionOf(within(nora, name))).toBe(id);
  });

  it('joining by the claim’s own session is open to those who left, with a token from before', async () => {
    const { name, id, before } = await joined();
    expectStatus(await remove(nora, id), 204);
    expect(await sessionOf(before)).toBe(notJoined);
    expect(outcome(await before.call('POST', `/sessions/${name}/join`))).toBe('200');
    expect(await sessionOf(before)).toBe(id);
  });
});

describe('an agent that the issuer binds to a session', () => {
  it('reads, writes and forgets the memory of that session only, and a person by the same session all of theirs', async () => {
    const { name, id } = await started();
    const agent = within(mary, name, { act: { sub: 'bot' } });
    const remember = async (who: Person, what: string, body: object = {}) =>
      await who.call('POST', '/graph/entities', { body: { entities: [{ type: 'TASK', name: what, ...body }] } });
    const [own, shared] = [uniqueName('own'), uniqueName('shared')];
    const atHome = mary.with(first.token(app, mary.username, {}));
    expectStatus(await remember(atHome, own), 201);
    expectStatus(await remember(agent, shared), 201);

    const found = async (who: Person, q: string, mode: string): Promise<unknown> => {
      const answer = await who.call('GET', `/graph/search?q=${q}&mode=${mode}`);
      return answer.status === 200 ? answer.body.results.length : outcome(answer);
    };
    expect(await found(agent, own, 'session')).toBe(0);
    expect(await found(agent, shared, 'session')).toBe(1);
    expect(await found(agent, own, 'all')).toBe('403 permission_missing');
    expect((await agent.call('GET', '/graph/export?mode=all')).status).toBe(403);
    expect(outcome(await remember(agent, uniqueName('elsewhere'), { session_id: null }))).toBe(
      '403 permission_missing',
    );
    expect((await agent.call('DELETE', '/graph/me')).status).toBe(403);
    const person = within(mary, name);
    expect(await found(person, own, 'session')).toBe(1);
    expect(await found(person, own, 'all')).toBe(1);
    expect((await sessionOf(agent)) === id).toBe(true);
  });
});
