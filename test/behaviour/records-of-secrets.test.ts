import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cell, grid } from '../support/access-table/grid.ts';
import { type OperationName, operationNames, operationOf, type Target } from '../support/access-table/operations.ts';
import { createSender, outcomeOf, type Reply, type Send } from '../support/access-table/requests.ts';
import { nonexistent } from '../support/access-table/world.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people, startSession } from '../support/people.ts';
import { type AuditRecord, createMarkedTexts, withRecords } from '../support/records.ts';

/*
 * One record for every request about a secret, whether it is allowed or refused. A cell has the reason of a refusal under
 * the operation's own action, or action and reason where the action is another one; `allowed` for a record of success,
 * `no record` for a repetition that changes nothing, and `–` where the operation takes no If-Match.
 */
const table = grid(`
operation               | action                 | stranger | nonexistent | grantee    | grantee, use only | waiting                        | inactive   | expired    | deleted        | stale
list                    | secret.list            | allowed  | allowed     | allowed    | allowed           | allowed                        | allowed    | allowed    | allowed        | –
get                     | secret.get             | nothing  | nothing     | allowed    | allowed           | allowed                        | allowed    | allowed    | allowed        | –
reveal                  | secret.reveal          | nothing  | nothing     | allowed    | use_only          | waiting                        | inactive   | expired    | deleted        | –
reveal by id            | secret.reveal          | nothing  | nothing     | allowed    | use_only          | waiting                        | inactive   | expired    | deleted        | –
reveal by name          | secret.reveal          | nothing  | nothing     | allowed    | use_only          | waiting                        | inactive   | expired    | nothing        | –
access                  | secret.access_list     | nothing  | nothing     | owner_only | owner_only        | waiting                        | allowed    | allowed    | allowed        | –
versions                | secret.versions_list   | nothing  | nothing     | owner_only | owner_only        | waiting                        | allowed    | allowed    | allowed        | –
patch                   | secret.update          | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | deleted        | revision_mismatch
set value               | secret.value_set       | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | deleted        | revision_mismatch
restore                 | secret.version_restore | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | state_conflict | –
share                   | secret.share           | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | deleted        | revision_mismatch
unshare                 | secret.unshare         | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | deleted        | revision_mismatch
leave share             | secret.unshare         | nothing  | nothing     | allowed    | allowed           | request.refused waiting_period | not_found  | not_found  | not_found      | –
activate                | secret.activate        | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | allowed        | revision_mismatch
deactivate              | secret.deactivate      | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | allowed        | revision_mismatch
recover                 | secret.recover         | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | allowed        | revision_mismatch
transfer to user        | secret.transfer        | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | state_conflict | revision_mismatch
transfer into a session | secret.transfer        | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | state_conflict | revision_mismatch
offer                   | handover.offer         | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | state_conflict | –
delete                  | secret.delete          | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | no record      | revision_mismatch
purge                   | secret.purge           | nothing  | nothing     | owner_only | owner_only        | request.refused waiting_period | allowed    | allowed    | allowed        | revision_mismatch
`);

const columns = [
  'stranger',
  'nonexistent',
  'grantee',
  'grantee, use only',
  'waiting',
  'inactive',
  'expired',
  'deleted',
  'stale',
] as const;
type Column = (typeof columns)[number];

/** The same for every operation, since the request never comes to it. */
const atTheGate = {
  'a token without the permission': 'request.refused permission_missing',
  'an unknown session': 'session.refused session_not_joined',
  'a revoked token': 'token.refused ended',
  'an expired token': 'token.refused expired',
  'a login that was ended': 'login.refused ended',
  'a disabled user': 'login.refused user_disabled',
  'no token': 'no record',
  'a token that nobody was given': 'no record',
} as const;
type GateCaller = keyof typeof atTheGate;

const second = 1000;
const hour = 3_600_000;

describe('the records of requests about a secret', () => {
  const { marked, foundInRecords } = createMarkedTexts();
  let app: TestApp;
  let send: Send;
  let admin: Person;
  let users: Record<'owner' | 'grantee' | 'stranger' | 'newcomer' | 'disabled', Person>;
  let waiting: Person;
  let elsewhere: string;
  let gate: Record<GateCaller, { token?: string | undefined; session?: string }>;

  const tokenOf = async (who: Person, permissions: readonly string[], expires_in = 3600) =>
    expectStatus(await who.call('POST', '/auth/tokens', { body: { name: marked(), permissions, expires_in } }), 201)
      .body;

  beforeAll(async () => {
    app = await startApp({ clock: settableClock(new Date(Date.now() + hour)) });
    send = createSender(app.url);
    admin = await logInAdmin(app);
    users = await people(app, admin, 'owner', 'grantee', 'stranger', 'newcomer', 'disabled');
    elsewhere = (await startSession(users.owner, [], { external_id: marked(), title: marked() })).id;
    const revoked = await tokenOf(users.owner, ['secrets:list']);
    expectStatus(await users.owner.call('DELETE', `/auth/tokens/${revoked.id}`), 204);
    const ended = await logIn(app, 'owner');
    expectStatus(await ended.call('POST', '/auth/logout'), 204);
    expectStatus(await admin.call('PATCH', `/users/${users.disabled.id}`, { body: { status: 'disabled' } }), 200);
    gate = {
      'a token without the permission': { token: (await tokenOf(users.owner, ['secrets:use'])).token },
      'an unknown session': { token: users.owner.token, session: marked() },
      'a revoked token': { token: revoked.token },
      'an expired token': { token: (await tokenOf(users.owner, ['secrets:list'], 1)).token },
      'a login that was ended': { token: ended.token },
      'a disabled user': { token: users.disabled.token },
      'no token': {},
      'a token that nobody was given': { token: `kh_${Buffer.alloc(48, 7).toString('base64url')}` },
    };
    app.clock.advance(second);
    const chosen = 'chosen by an administrator';
    expectStatus(
      await admin.call('POST', `/users/${users.owner.id}/password`, { body: { new_password: chosen } }),
      200,
    );
    waiting = await logIn(app, 'owner', chosen);
  });
  afterAll(() => app.close());

  const newTarget = async (column?: Column, before?: 'a second version'): Promise<Target> => {
    const name = marked();
    const value = marked(32);
    const { owner } = users;
    const { id } = await keepSecret(owner, {
      name,
      value,
      type: 'api_key',
      description: marked(),
      tags: [marked()],
      metadata: { [marked()]: marked() },
      scope: 'shared',
      shared_with: [users.grantee.id],
      ...(column === 'grantee, use only' ? { exposure: 'use' } : {}),
      ...(column === 'expired' ? { expires_at: new Date(app.clock.now().getTime() + second) } : {}),
    });
    const then = async (method: string, path: string, status: number, body?: object) =>
      expectStatus(await owner.call(method, `/secrets/${id}${path}`, body ? { body } : {}), status);
    if (before) await then('PUT', '/value', 200, { value: marked(32) });
    if (column === 'inactive') await then('POST', '/deactivate', 200);
    if (column === 'deleted') await then('DELETE', '', 204);
    if (column === 'expired') app.clock.advance(second);
    return { id, name, value, listedAs: 'live' };
  };

  const callerOf = (column: Column): Person => {
    if (column === 'stranger') return users.stranger;
    if (column.startsWith('grantee')) return users.grantee;
    return column === 'waiting' ? waiting : users.owner;
  };

  const request = async (name: OperationName, target: Target, token: string | undefined, more: object = {}) =>
    await send(
      operationOf(name).request(target, { newcomer: users.newcomer.id, grantee: users.grantee.id, elsewhere }),
      { token, ...more },
    );

  /** What a cell says, as the records that it stands for. */
  const recordsOf = (text: string, action: string, actor: Person, target: string | null): readonly AuditRecord[] => {
    if (text === 'no record') return [];
    const [first = '', second_] = text.split(' ');
    const record = { actor_id: actor.id, target_id: target };
    if (text === 'allowed') return [{ ...record, action, outcome: 'allowed', reason: expect.anything() }];
    if (second_ === undefined) return [{ ...record, action, outcome: 'refused', reason: first }];
    return [{ ...record, target_id: null, action: first, outcome: 'refused', reason: second_ }];
  };

  const withStaleRevision = async (name: OperationName, target: Target): Promise<Reply> => {
    const { method, path, body } = operationOf(name).request(target, {
      newcomer: users.newcomer.id,
      grantee: users.grantee.id,
      elsewhere,
    });
    const answer = await users.owner.call(method, path.replace('/api/v1', ''), {
      headers: { 'if-match': '"999"' },
      ...(body === undefined ? {} : { body }),
    });
    return { ...answer, rawHeaders: [] };
  };

  const cells = operationNames.flatMap((name) =>
    columns.flatMap((column) => {
      const line = table.find((one) => cell(one, 'operation') === name);
      if (!line) throw new Error(`the table of records has no line for ${name}`);
      const text = cell(line, column);
      return text === '–' ? [] : [{ name, column, text, action: cell(line, 'action') }];
    }),
  );

  it.each(cells)('$name of a secret, tried as "$column", leaves: $text', async ({ name, column, text, action }) => {
    const there = await newTarget(column, operationOf(name).before);
    const target = column === 'nonexistent' ? { ...nonexistent(there), name: marked() } : there;
    const caller = callerOf(column);
    const { answer, records } = await withRecords(app, () =>
      column === 'stale' ? withStaleRevision(name, target) : request(name, target, caller.token),
    );
    const noTarget = name === 'list' || (name === 'reveal by name' && text === 'nothing');
    const expected = recordsOf(text, action, caller, noTarget ? null : target.id);
    expect(records, outcomeOf(answer)).toEqual(
      name === 'list' ? expected.map((one) => ({ ...one, reason: null })) : expected,
    );
  });

  const gateCells = operationNames.flatMap((name) =>
    (Object.keys(atTheGate) as GateCaller[]).map((caller) => ({ name, caller, text: atTheGate[caller] })),
  );
  it.each(gateCells)('$name of a secret by $caller leaves: $text', async ({ name, caller, text }) => {
    const target = await newTarget();
    const { token, ...session } = gate[caller];
    const { answer, records } = await withRecords(app, () => request(name, target, token, session));
    expect(answer.status).toBeGreaterThanOrEqual(401);
    const actor = caller === 'a disabled user' ? users.disabled : users.owner;
    expect(records, outcomeOf(answer)).toEqual(recordsOf(text, '', actor, null));
  });

  it('each of several secrets that are revealed together leaves a record of its own', async () => {
    const [one, two] = [await newTarget(), await newTarget('deleted')];
    const missing = nonexistent(one);
    const ids = [one.id, two.id, missing.id];
    const { answer, records } = await withRecords(app, () =>
      users.owner.call('POST', '/secrets/reveal', { body: { ids } }),
    );
    expectStatus(answer, 200);
    expect(records.map(({ target_id, outcome, reason }) => [target_id, outcome, reason])).toEqual([
      [one.id, 'allowed', 'owner'],
      [two.id, 'refused', 'deleted'],
      [missing.id, 'refused', 'nothing'],
    ]);
  });

  it('an ambiguous name leaves one record, with the ids that it could mean', async () => {
    const name = marked();
    const ids: string[] = [];
    for (const owner of [users.owner, users.stranger])
      ids.push((await keepSecret(owner, { name, scope: 'shared', shared_with: [users.grantee.id] })).id);
    const { answer, records } = await withRecords(app, () =>
      users.grantee.call('POST', '/secrets/reveal', { body: { names: [name] } }),
    );
    expect(expectStatus(answer, 200).body.secrets[0].problem.code).toBe('state_conflict');
    expect(records).toEqual([
      { action: 'secret.reveal', outcome: 'refused', reason: 'ambiguous', actor_id: users.grantee.id, target_id: null },
    ]);
    const { rows } = await app.database.client.query("select details from audit_log where reason = 'ambiguous'");
    expect(rows[0].details.candidates.sort()).toEqual(ids.sort());
  });

  // Last: it looks through everything that the others left.
  it('no record has six characters in a row of a name, a value, a description or any other text that was sent', async () => {
    const { rows } = await app.database.client.query('select count(*)::int as n from audit_log');
    expect(rows[0].n).toBeGreaterThan(cells.length);
    expect(await foundInRecords(app)).toEqual([]);
    const planted = marked();
    await app.call('GET', '/secrets', { token: users.stranger.token, headers: { 'user-agent': planted.slice(4, 12) } });
    // Two texts can have a piece in common.
    expect(new Set(await foundInRecords(app)).size, 'a piece would be found').toBe(3);
  });
});
