import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { createSeals } from '../../src/keys/index.ts';
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
  uniqueName,
} from '../support/people.ts';
import { withRecords } from '../support/records.ts';

const minute = 60_000;
const hour = 60 * minute;
const notJoined = '403 session_not_joined';

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
let linus: Person;
beforeAll(async () => {
  // Ahead of the database's clock, so that only the test moves time.
  app = await startApp({ clock: settableClock(new Date(Date.now() + hour)) });
  admin = await logInAdmin(app);
  ({ ada, grace, linus } = await people(app, admin, 'ada', 'grace', 'linus'));
});
afterAll(() => app.close());

const outcome = ({ status, body }: Answer<any>): string => (status < 300 ? String(status) : `${status} ${body.code}`);
const invite = (by: Person, id: string, who: Person, headers: Record<string, string> = {}) =>
  by.call('POST', `/sessions/${id}/participants`, { body: { user_id: who.id }, headers });
const leave = (by: Person, id: string, who = by, query = '') =>
  by.call('DELETE', `/sessions/${id}/participants/${who.id}${query}`);
const join = async (by: Person, name: string) => outcome(await by.call('POST', `/sessions/${name}/join`));
/** How a request that names the session is answered. */
const named = async (by: Person, session: string) => outcome(await by.call('GET', '/secrets', { session }));
const stateOf = ({ participants }: any, who: Person): string =>
  participants.find((one: any) => one.user_id === who.id)?.state;
/** The state of somebody, as the session's owner sees it. */
const shown = async (owner: Person, id: string, who: Person): Promise<string> =>
  stateOf(expectStatus(await owner.call('GET', `/sessions/${id}`), 200).body, who);

/** A session of Ada's that Grace is invited to, and has not joined. */
const inviting = async (body: object = {}): Promise<string> =>
  expectStatus(await ada.call('POST', '/sessions', { body: { participants: [grace.id], ...body } }), 201).body.id;

describe('an invitation', () => {
  it('an invited user sees the invitation and nothing else of the session, and looking does not join it', async () => {
    const invited_at = app.clock.now().toISOString();
    const id = await inviting({ title: 'Deploy', metadata: { a: 1 } });
    const secret = await keepSecret(ada, { scope: 'session', session_id: id });
    const invitation = {
      id,
      title: 'Deploy',
      invited_by: { id: ada.id, username: 'ada' },
      invited_at,
      status: 'active',
    };
    expect(expectStatus(await grace.call('GET', `/sessions/${id}`), 200).body).toEqual(invitation);
    const listed = expectStatus(await grace.call('GET', '/sessions?state=invited'), 200).body.sessions;
    expect(listed).toContainEqual(invitation);
    const mine = expectStatus(await grace.call('GET', '/sessions'), 200).body.sessions;
    expect(mine.map((one: any) => one.id)).not.toContain(id);
    expect(outcome(await grace.call('GET', `/sessions/${id}/cleanup`))).toBe(notJoined);
    expect(outcome(await grace.call('GET', `/secrets/${secret.id}`))).toBe('404 not_found');
    expect(await shown(ada, id, grace)).toBe('invited');
    expect(outcome(await linus.call('GET', `/sessions/${id}`))).toBe(notJoined);
    expect(await join(grace, id)).toBe('200');
    expectStatus(await grace.call('GET', `/secrets/${secret.id}/value`, { session: id }), 200);
  });

  it('an invited user is in the session from the first request that names it by its id, which is recorded', async () => {
    const external_id = uniqueName('chat');
    const id = await inviting({ external_id });
    expect(await named(grace, external_id)).toBe(notJoined);
    const { records } = await withRecords(app, () => grace.call('GET', '/auth/me', { session: id.toUpperCase() }));
    expect(records).toMatchObject([{ action: 'session.join', outcome: 'allowed', actor_id: grace.id, target_id: id }]);
    expect(await shown(ada, id, grace)).toBe('present');
    // From then on, the external id is hers to name.
    expect(await named(grace, external_id)).toBe('200');
    const again = await withRecords(app, () => grace.call('GET', '/auth/me', { session: id }));
    expect(again.records).toEqual([]);
  });

  it('an invited user joins by a body that names the session by its id, and not by its external id', async () => {
    const external_id = uniqueName('chat');
    const id = await inviting({ external_id });
    const put = async (session_id: string) => {
      const body = { name: uniqueName(), type: 'other', value: 'v', scope: 'session', session_id };
      return outcome(await grace.call('POST', '/secrets', { body }));
    };
    expect(await put(external_id)).toBe(notJoined);
    expect(await shown(ada, id, grace)).toBe('invited');
    expect(await put(id)).toBe('201');
    expect(await shown(ada, id, grace)).toBe('present');
  });

  it('a token that is bound to another session joins none by naming it in a body', async () => {
    const [id, elsewhere] = [await inviting(), (await startSession(grace)).id];
    const permissions = ['secrets:write', 'sessions:write'];
    const body = { name: 'bound', permissions, session_id: elsewhere, expires_in: 60 };
    const bound = grace.with(expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body.token);
    const item = { name: uniqueName(), type: 'other', value: 'v', scope: 'session', session_id: id };
    expect(outcome(await bound.call('POST', '/secrets', { body: item }))).toBe(notJoined);
    expect(await join(bound, id)).toBe(notJoined);
    expect(await shown(ada, id, grace)).toBe('invited');
    expect(outcome(await grace.call('POST', '/secrets', { body: item }))).toBe('201');
  });

  it('an invitation that was declined is not listed any more, and its user can still join', async () => {
    const id = await inviting();
    expectStatus(await leave(grace, id), 204);
    const listed = (await grace.call('GET', '/sessions?state=invited')).body.sessions;
    expect(listed.map((one: any) => one.id)).not.toContain(id);
    expect([await named(grace, id), await shown(ada, id, grace)]).toEqual([notJoined, 'left']);
    expect(await join(grace, id)).toBe('200');
  });

  it('a withdrawn invitation lets nobody in', async () => {
    const id = await inviting();
    expectStatus(await leave(ada, id, grace), 204);
    expect([await named(grace, id), await join(grace, id)]).toEqual([notJoined, notJoined]);
    expect(outcome(await grace.call('GET', `/sessions/${id}`))).toBe(notJoined);
    expectStatus(await invite(ada, id, grace), 201);
    expect([await named(grace, id), await join(grace, id)]).toEqual([notJoined, '200']);
  });

  it('a login that waits after a reset joins no session, in whatever way', async () => {
    const { mary } = await people(app, admin, 'mary');
    const { id } = await startSession(ada);
    expectStatus(await invite(ada, id, mary), 201);
    const body = { new_password: 'chosen by the administrator' };
    app.clock.advance(1);
    expectStatus(await admin.call('POST', `/users/${mary.id}/password`, { body }), 200);
    const waiting = await logIn(app, 'mary', body.new_password);
    expect([await named(waiting, id), await join(waiting, id)]).toEqual([notJoined, '403 waiting_period']);
    expect(await shown(ada, id, mary)).toBe('invited');
    expect(await named(mary, id)).toBe('200');
  });

  it('sessions are listed by their state', async () => {
    const [open, over] = [(await startSession(linus)).id, (await startSession(linus)).id];
    expectStatus(await linus.call('POST', `/sessions/${over}/end`), 200);
    const { id } = await startSession(ada);
    expectStatus(await invite(ada, id, linus), 201);
    const listed = async (state: string) =>
      expectStatus(await linus.call('GET', `/sessions?state=${state}&limit=200`), 200).body.sessions.map(
        (one: any) => one.id,
      );
    expect([await listed('active'), await listed('ended'), await listed('invited')]).toEqual([[open], [over], [id]]);
    expectStatus(await linus.call('GET', '/sessions?state=left'), 400);
  });
});

describe('somebody who left', () => {
  it('a platform that posts its participants every minute brings nobody back who left', async () => {
    const { id } = await startSession(ada, [grace, linus]);
    const secret = await keepSecret(grace, { scope: 'session', session_id: id });
    const reveal = async () => outcome(await linus.call('GET', `/secrets/${secret.id}/value`, { session: id }));
    const key = { 'idempotency-key': uniqueName('participants') };
    expectStatus(await invite(ada, id, grace, key), 201);
    expect(await reveal()).toBe('200');
    expectStatus(await leave(grace, id), 204);
    for (const headers of [key, {}, key, {}, { 'idempotency-key': uniqueName('participants') }]) {
      app.clock.advance(minute);
      const { body } = expectStatus(await invite(ada, id, grace, headers), 201);
      expect([stateOf(body, grace), stateOf(body, linus)]).toEqual(['left', 'present']);
      expect([await reveal(), await named(grace, id)]).toEqual(['404 not_found', notJoined]);
      const invitations = (await grace.call('GET', '/sessions?state=invited')).body.sessions;
      expect(invitations.map((one: any) => one.id)).not.toContain(id);
    }
    expect(await join(grace, id)).toBe('200');
    expect(await reveal()).toBe('200');
  });

  it('somebody who left is not brought back by what their tokens and clients go on naming', async () => {
    const external_id = uniqueName('chat');
    const { id } = await startSession(ada, [grace], { external_id });
    const body = { name: 'bound', permissions: ['secrets:list', 'sessions:write'], session_id: id, expires_in: 3600 };
    const bound = grace.with(expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body.token);
    expectStatus(await leave(grace, id), 204);
    expectStatus(await invite(ada, id, grace), 201);
    for (const name of [id, external_id]) expect(await named(grace, name)).toBe(notJoined);
    expect([await named(bound, id), await join(bound, id)]).toEqual([notJoined, notJoined]);
    expect(await shown(ada, id, grace)).toBe('left');
    expect(await join(grace, id)).toBe('200');
    expect([await named(bound, id), await named(grace, external_id)]).toEqual(['200', '200']);
  });

  it('only the session’s owner sees who has left it', async () => {
    const { id } = await startSession(ada, [grace, linus]);
    expectStatus(await leave(linus, id), 204);
    const seen = async (who: Person) => (await who.call('GET', `/sessions/${id}`)).body.participants.length;
    expect([await seen(ada), await seen(grace)]).toEqual([3, 2]);
  });

  it('somebody whom the owner removed joins only after a new invitation, and never by naming the session', async () => {
    const { id } = await startSession(ada, [grace]);
    expectStatus(await leave(ada, id, grace), 204);
    // Leaving as well makes it no leaving by themselves.
    await leave(grace, id);
    expect([await join(grace, id), await named(grace, id)]).toEqual([notJoined, notJoined]);
    const { body } = expectStatus(await invite(ada, id, grace), 201);
    expect(stateOf(body, grace)).toBe('left');
    expect(await named(grace, id)).toBe(notJoined);
    const invitations = (await grace.call('GET', '/sessions?state=invited')).body.sessions;
    expect(invitations.map((one: any) => one.id)).toContain(id);
    expect(await join(grace, id)).toBe('200');
    expect(await named(grace, id)).toBe('200');
  });

  it('the end of a session leaves its title, participants and secrets to see to those who were present', async () => {
    const { id } = await startSession(ada, [grace, linus], { title: 'Over' });
    await keepSecret(grace, { scope: 'session', session_id: id });
    expectStatus(await leave(linus, id), 204);
    const { nora } = await people(app, admin, 'nora');
    expectStatus(await invite(ada, id, nora), 201);
    expectStatus(await ada.call('POST', `/sessions/${id}/end`), 200);
    expect((await grace.call('GET', `/sessions/${id}`)).body).toMatchObject({ title: 'Over', status: 'ended' });
    expect((await grace.call('GET', `/sessions/${id}/cleanup`)).body.secrets).toMatchObject([{ mine: true }]);
    for (const who of [linus, nora]) {
      expect(outcome(await who.call('GET', `/sessions/${id}`))).toBe(notJoined);
      expect(await join(who, id)).toBe(notJoined);
    }
    expect([await join(grace, id), await join(ada, id)]).toEqual([notJoined, '409 state_conflict']);
  });
});

describe('the leaving of a session’s owner', () => {
  const ownerOf = async (by: Person, id: string) => (await by.call('GET', `/sessions/${id}`)).body.owner_id;

  it('an owner who leaves hands the session to the one who has been present longest', async () => {
    const { id } = await startSession(ada);
    for (const who of [linus, grace]) expectStatus(await invite(ada, id, who), 201);
    for (const who of [grace, linus]) {
      await joinSession(who, id);
      app.clock.advance(1);
    }
    expectStatus(await leave(ada, id), 204);
    expect(await ownerOf(grace, id)).toBe(grace.id);
    expect(outcome(await ada.call('POST', `/sessions/${id}/end`))).toBe(notJoined);
    // The former owner joins again like anybody who left, and the new one can remove them.
    expect(await join(ada, id)).toBe('200');
    expect(outcome(await ada.call('POST', `/sessions/${id}/end`))).toBe('403 owner_only');
    expectStatus(await leave(grace, id, ada), 204);
    expect(await join(ada, id)).toBe(notJoined);
  });

  it('an owner who leaves can name the new one, who has to be present and active', async () => {
    const { id } = await startSession(ada, [grace, linus]);
    expectStatus(await leave(linus, id), 204);
    const to = async (who: Person) => outcome(await leave(ada, id, ada, `?new_owner=${who.id}`));
    for (const who of [linus, ada, admin]) expect(await to(who)).toBe('400 invalid_request');
    expect(outcome(await leave(grace, id, grace, `?new_owner=${ada.id}`))).toBe('400 invalid_request');
    await joinSession(linus, id);
    expect(await to(linus)).toBe('204');
    expect(await ownerOf(grace, id)).toBe(linus.id);
  });

  it('nobody is handed a session under an external id that they have given one already', async () => {
    const external_id = uniqueName('chat');
    await startSession(grace, [], { external_id });
    const { id } = await startSession(ada, [grace, linus], { external_id });
    expect(outcome(await leave(ada, id, ada, `?new_owner=${grace.id}`))).toBe('409 name_taken');
    expect(outcome(await leave(ada, id))).toBe('204');
    expect(await ownerOf(linus, id)).toBe(linus.id);
  });

  it('a session that its owner leaves ends where nobody else is present', async () => {
    const { id } = await startSession(ada, [grace]);
    expectStatus(await invite(ada, id, linus), 201);
    expectStatus(await leave(grace, id), 204);
    const { records } = await withRecords(app, () => leave(ada, id));
    expect(records.map(({ action }) => action)).toEqual(['session.end']);
    expect((await ada.call('GET', `/sessions/${id}`)).body.status).toBe('ended');
    expect(await join(linus, id)).toBe(notJoined);
  });
});

describe('a session from before there were invitations', () => {
  /** Makes the participants' rows what an earlier version wrote. */
  const asBefore = async (session_id: string): Promise<void> => {
    const seals = createSeals(() => app.app.keys.held().sealKeys);
    await inTransaction(app.db.db, async (tx) => {
      const rows = await seals.load(
        tx,
        'session_participants',
        { session_id: session_id as never },
        { lock: 'update' },
      );
      for (const row of rows) {
        const changes = {
          invited_at: null,
          invited_by: null,
          removed_at: null,
          joined_at: row.joined_at ?? new Date(),
        };
        await seals.update(tx, 'session_participants', row, changes);
      }
    });
  };

  it('its owner is present, whom they added is invited, and whom they removed needs an invitation', async () => {
    const { id } = await startSession(ada, [grace, linus]);
    expectStatus(await leave(ada, id, linus), 204);
    const secret = await keepSecret(ada, { scope: 'session', session_id: id });
    await asBefore(id);
    expect(await named(ada, id)).toBe('200');
    expect([await shown(ada, id, grace), await join(linus, id)]).toEqual(['invited', notJoined]);
    expect(expectStatus(await grace.call('GET', `/sessions/${id}`), 200).body.invited_by.id).toBe(ada.id);
    expectStatus(await grace.call('GET', `/secrets/${secret.id}/value`, { session: id }), 200);
    expect(await shown(ada, id, grace)).toBe('present');
    expectStatus(await invite(ada, id, linus), 201);
    expect(await join(linus, id)).toBe('200');
  });
});

describe('requests at the same time', () => {
  const rounds = 4;

  it('joining and being removed end with the user outside, or with a removal that came first', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const id = await inviting();
      const [joined, removed] = await Promise.all([join(grace, id), leave(ada, id, grace)]);
      expect(outcome(removed)).toBe('204');
      expect(['200', notJoined]).toContain(joined);
      expect([await shown(ada, id, grace), await named(grace, id)]).toEqual(['left', notJoined]);
    }
  });

  it('joining and the end of the session end with an ended session that lets nobody in', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const id = await inviting();
      const [joined, ended] = await Promise.all([named(grace, id), ada.call('POST', `/sessions/${id}/end`)]);
      expect(outcome(ended)).toBe('200');
      expect(['200', notJoined]).toContain(joined);
      expect(await named(grace, id)).toBe(notJoined);
    }
  });

  it('two invitations of one user make one, and an invitation beside a leaving brings nobody back', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const { id } = await startSession(ada);
      const both = await Promise.all([invite(ada, id, grace), invite(ada, id, grace)]);
      expect(both.map(outcome)).toEqual(['201', '201']);
      await joinSession(grace, id);
      const headers = { 'idempotency-key': uniqueName('invite') };
      expectStatus(await invite(ada, id, grace, headers), 201);
      await Promise.all([leave(grace, id), invite(ada, id, grace, headers), invite(ada, id, grace)]);
      expect([await shown(ada, id, grace), await named(grace, id)]).toEqual(['left', notJoined]);
    }
  });

  it('a session that everybody leaves at once has ended, and one whose owner left has another owner', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const { id } = await startSession(ada, [grace]);
      const left = await Promise.all([leave(ada, id), leave(grace, id)]);
      expect(left.map(outcome)).toEqual(['204', '204']);
      const seen = await Promise.all([ada, grace].map((who) => who.call('GET', `/sessions/${id}`)));
      expect(seen.map(outcome).sort()).toEqual(['200', notJoined]);
      expect(seen.find(({ status }) => status === 200)?.body.status).toBe('ended');

      const other = await startSession(ada, [grace]);
      const [handed, ended] = await Promise.all([leave(ada, other.id), ada.call('POST', `/sessions/${other.id}/end`)]);
      expect(outcome(handed)).toBe('204');
      expect(['200', notJoined]).toContain(outcome(ended));
      const owner = outcome(ended) === '200' ? ada : grace;
      expect((await owner.call('GET', `/sessions/${other.id}`)).body.owner_id).toBe(owner.id);
    }
  });
});
