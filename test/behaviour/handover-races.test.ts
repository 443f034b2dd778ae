import fc from 'fast-check';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { examineDatabase } from '../../src/doctor/index.ts';
import { count, seed } from '../support/counts.ts';
import { type Answer, send } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import { expectStatus, keepSecret, type Person, startSession } from '../support/people.ts';
import { useTwoServices } from '../support/two-services.ts';
import { isExplained, type Operation, operations, type Party, type State } from './handover-race-model.ts';
import { type Happened, told } from './linearizable.ts';

/*
 * A hand-over at the same time as sharing, new values and new keys, moves into a session, its end, deletion, other offers and
 * erasures. Some order of the requests must explain every answer, and afterwards every value opens with its owner's key.
 */

const two = useTwoServices();
const { newUser, sql } = two;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let parties: Partial<Record<Party, Person>> = {};

interface Drawn {
  readonly sharedWith: readonly Party[];
  readonly keepSharing: boolean;
}

interface Scene {
  readonly parties: Readonly<Record<Party, Person>>;
  readonly secret: string;
  readonly session: string;
  readonly offer: string;
}

const setScene = async ({ sharedWith, keepSharing }: Drawn): Promise<{ scene: Scene; start: State }> => {
  const giver = parties.giver ?? (await newUser('giver'));
  const receiver = parties.receiver ?? (await newUser('receiver'));
  const other = parties.other ?? (await newUser('other'));
  const all = { giver, receiver, other };
  parties = all;
  const session = (await startSession(giver, [other])).id;
  const place = { scope: 'shared', shared_with: sharedWith.map((party) => all[party].id) };
  const secret = (await keepSecret(giver, { value: 'old', ...(sharedWith.length > 0 ? place : {}) })).id;
  expectStatus(await giver.call('PUT', `/secrets/${secret}/value`, { body: { value: 'new' } }), 200);
  const body = { to: receiver.id, keep_sharing: keepSharing };
  const offer = expectStatus(await giver.call('POST', `/secrets/${secret}/handover`, { body }), 201).body.id;
  const start: State = {
    owner: 'giver',
    scope: sharedWith.length > 0 ? 'shared' : 'user',
    sharedWith,
    isDeleted: false,
    version: 2,
    ended: false,
    offer: 'pending',
    keepSharing,
    offeredAgain: false,
    erased: [],
  };
  return { scene: { parties: all, secret, session, offer }, start };
};

type Request = readonly [who: Person, method: string, path: string, body?: object];

const requestOf = ({ parties: { giver, receiver, other }, ...scene }: Scene, operation: Operation): Request => {
  const secret = `/secrets/${scene.secret}`;
  const offer = `/handovers/${scene.offer}`;
  const requests: Readonly<Record<Operation, Request>> = {
    share: [giver, 'POST', `${secret}/share`, { user_id: other.id }],
    unshare: [giver, 'POST', `${secret}/unshare`, { user_id: other.id }],
    put: [giver, 'PUT', `${secret}/value`, { value: 'newer' }],
    'the receiver puts': [receiver, 'PUT', `${secret}/value`, { value: 'newer' }],
    'to the session': [giver, 'POST', `${secret}/transfer`, { scope: 'session', session_id: scene.session }],
    'to the user': [giver, 'POST', `${secret}/transfer`, { scope: 'user' }],
    delete: [giver, 'DELETE', secret],
    recover: [giver, 'POST', `${secret}/recover`],
    'end the session': [giver, 'POST', `/sessions/${scene.session}/end`],
    'offer again': [giver, 'POST', `${secret}/handover`, { to: receiver.id }],
    accept: [receiver, 'POST', `${offer}/accept`],
    cancel: [giver, 'POST', `${offer}/cancel`],
    decline: [receiver, 'POST', `${offer}/cancel`],
    'erase the giver': [two.root, 'DELETE', `/users/${giver.id}`],
    'erase the receiver': [two.root, 'DELETE', `/users/${receiver.id}`],
    're-encrypt the giver': [two.root, 'POST', '/admin/keys/reencrypt', { user_id: giver.id }],
    're-encrypt the receiver': [two.root, 'POST', '/admin/keys/reencrypt', { user_id: receiver.id }],
    'the giver reveals': [giver, 'GET', `${secret}/value`],
    'the receiver reveals': [receiver, 'GET', `${secret}/value`],
    'the other reveals': [other, 'GET', `${secret}/value`],
  };
  return requests[operation];
};

const said = (operation: Operation, { status, body }: Answer<any>): string => {
  if (status >= 400) return `${status} ${body.code}`;
  return operation.endsWith('reveals') ? `${status} v${body.version}` : String(status);
};

const perform = async (scene: Scene, operation: Operation, at: 0 | 1): Promise<Happened<Operation>> => {
  const [who, method, path, body] = requestOf(scene, operation);
  const options = { token: who.token, ...(body === undefined ? {} : { body }) };
  const sent = performance.now();
  const answer = await unlessOverloaded(() => send(two.apps[at].url, method, `/api/v1${path}`, options));
  return { operation, sent, answered: performance.now(), answer: said(operation, answer) };
};

/** Owners under whose keys what is kept of this secret is encrypted, and the owner whom its row names. */
const ownersOf = async (secret: string): Promise<readonly string[]> =>
  (
    await sql(
      `select s.owner_id as id from secrets s where s.id = $1
        union select k.owner_id from secrets s join owner_keys k on k.id = s.key_id where s.id = $1
        union select k.owner_id from secret_versions v join owner_keys k on k.id = v.key_id where v.secret_id = $1`,
      [secret],
    )
  ).map(({ id }) => id);

/** What the doctor finds in rows and values. */
const damage = async (): Promise<Record<string, readonly unknown[]>> => {
  const { db, config, rootKeys } = two.apps[0];
  const target = { env: {}, config, rootKeys: rootKeys.read(), clock: systemClock, full: true };
  const found: Record<string, readonly unknown[]> = {};
  for await (const { name, findings } of examineDatabase(db, target))
    if (['owner keys', 'seals', 'values'].includes(name)) found[name] = findings;
  return found;
};

const reads = ['the giver reveals', 'the receiver reveals', 'the other reveals'] as const;

const drawn = fc.record({
  sharedWith: fc.subarray<Party>(['receiver', 'other']),
  keepSharing: fc.boolean(),
  accept: fc.record({ after: fc.integer({ min: 0, max: 8 }), at: fc.constantFrom<0 | 1>(0, 1) }),
  requests: fc.array(
    fc.record({
      operation: fc.constantFrom(...operations),
      after: fc.integer({ min: 0, max: 8 }),
      at: fc.constantFrom<0 | 1>(0, 1),
    }),
    { minLength: 5, maxLength: 9 },
  ),
});

it('a hand-over that races with everything else has the outcome of some order, and every value stays with its owner', async () => {
  let accepted = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(drawn, async ({ accept, requests, ...how }) => {
      const { scene, start } = await setScene(how);
      // Re-encryptions of earlier rounds wait for a minute of this clock before they destroy a key.
      two.apps[0].clock.advance(2000);
      const all = [{ operation: 'accept', ...accept } as const, ...requests];
      const happened = await Promise.all(
        all.map(async ({ operation, after, at }) => {
          await pause(after);
          return await perform(scene, operation, at);
        }),
      );
      const history = [...happened];
      for (const [index, read] of reads.entries()) history.push(await perform(scene, read, index === 1 ? 0 : 1));
      if (!isExplained(start, history))
        throw new Error(`no order explains this, beginning with ${JSON.stringify(start)}:\n${told(history)}`);
      expect((await ownersOf(scene.secret)).length, told(history)).toBeLessThanOrEqual(1);
      const isDone = (name: Operation): boolean =>
        history.some(({ operation, answer }) => operation === name && answer === '200');
      if (isDone('accept')) accepted += 1;
      else refused += 1;
      // A user who was erased is another one in the next round.
      for (const party of ['giver', 'receiver'] as const) if (isDone(`erase the ${party}`)) delete parties[party];
    }),
    { numRuns: count(200), seed, endOnFailure: true },
  );
  expect(accepted).toBeGreaterThan(count(200) / 5);
  expect(refused).toBeGreaterThan(0);
  expect(await damage()).toEqual({ 'owner keys': [], seals: [], values: [] });
}, 900_000);
