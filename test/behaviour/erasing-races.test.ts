import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { count, seed } from '../support/counts.ts';
import { type Answer, send } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import { keepSecret, type Person, startSession } from '../support/people.ts';
import { useTwoServices } from '../support/two-services.ts';

/*
 * Sharing, unsharing, new values and new keys, the end of a session and erasures at the same time. Some order of the requests must
 * explain every answer, and afterwards nobody reaches a value whom no order allows it.
 */

const two = useTwoServices();
const { newUser, sql } = two;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Scene {
  readonly owner: Person;
  readonly grantee: Person;
  readonly guest: Person;
  readonly session: string;
  /** The owner's secret that is shared and unshared, and the one in the session. */
  readonly given: string;
  readonly inside: string;
  readonly sharedAtFirst: boolean;
}

const setScene = async (sharedAtFirst: boolean): Promise<Scene> => {
  const [owner, grantee, guest] = [await newUser('owner'), await newUser('grantee'), await newUser('guest')];
  const session = (await startSession(owner, [guest])).id;
  const place = sharedAtFirst ? { scope: 'shared', shared_with: [grantee.id] } : {};
  const given = (await keepSecret(owner, { value: 'given', ...place })).id;
  const inside = (await keepSecret(owner, { value: 'inside', scope: 'session', session_id: session })).id;
  return { owner, grantee, guest, session, given, inside, sharedAtFirst };
};

const verbs = [
  'share',
  'unshare',
  'put',
  'end',
  'erase the owner',
  'erase the grantee',
  'the owner erases themself',
  're-encrypt the owner',
  'reveal what is given',
  'reveal what is inside',
  'the guest reveals what is given',
] as const;
type Verb = (typeof verbs)[number];

interface Happened {
  readonly verb: Verb;
  readonly sent: number;
  readonly answered: number;
  readonly answer: Answer<any>;
}

type Request = readonly [who: Person, method: string, path: string, options?: object];

const requestOf = (scene: Scene, verb: Verb): Request => {
  const { owner, grantee, guest, session, given, inside } = scene;
  switch (verb) {
    case 'share':
    case 'unshare':
      return [owner, 'POST', `/secrets/${given}/${verb}`, { body: { user_id: grantee.id } }];
    case 'put':
      return [owner, 'PUT', `/secrets/${given}/value`, { body: { value: 'another' } }];
    case 'end':
      return [owner, 'POST', `/sessions/${session}/end`];
    case 'erase the owner':
      return [two.root, 'DELETE', `/users/${owner.id}`];
    case 'erase the grantee':
      return [two.root, 'DELETE', `/users/${grantee.id}`];
    case 'the owner erases themself':
      return [owner, 'DELETE', `/users/${owner.id}`];
    case 're-encrypt the owner':
      return [two.root, 'POST', '/admin/keys/reencrypt', { body: { user_id: owner.id } }];
    case 'reveal what is given':
      return [grantee, 'GET', `/secrets/${given}/value`];
    case 'reveal what is inside':
      return [guest, 'GET', `/secrets/${inside}/value`, { session }];
    case 'the guest reveals what is given':
      return [guest, 'GET', `/secrets/${given}/value`];
  }
};

const perform = async (scene: Scene, verb: Verb, at: 0 | 1): Promise<Happened> => {
  const [who, method, path, options] = requestOf(scene, verb);
  const sent = performance.now();
  const answer = await unlessOverloaded(() =>
    send(two.apps[at].url, method, `/api/v1${path}`, { token: who.token, ...options }),
  );
  return { verb, sent, answered: performance.now(), answer };
};

const done = ({ answer }: Happened): boolean => answer.status < 300;
const erasesOwner = ({ verb }: Happened): boolean => verb === 'erase the owner' || verb === 'the owner erases themself';

/** What each request may be answered, in whatever order: done, or refused because of another one. */
const possible: Readonly<Record<Verb, readonly string[]>> = {
  share: ['200', '401 unauthenticated', '400 invalid_request', '404 not_found'],
  unshare: ['200', '401 unauthenticated', '404 not_found'],
  put: ['200', '401 unauthenticated'],
  end: ['200', '401 unauthenticated'],
  'erase the owner': ['200', '404 not_found'],
  'erase the grantee': ['200', '404 not_found'],
  'the owner erases themself': ['200', '401 unauthenticated'],
  're-encrypt the owner': ['200', '404 not_found'],
  'reveal what is given': ['200', '404 not_found', '401 unauthenticated'],
  'reveal what is inside': ['200', '404 not_found', '403 session_not_joined'],
  'the guest reveals what is given': ['404 not_found'],
};

const said = ({ answer: { status, body } }: Happened): string =>
  status < 300 ? String(status) : `${status} ${body.code}`;

/** Whether `b` certainly came after `a` was over. */
const before = (a: Happened, b: Happened): boolean => a.answered < b.sent;

/** Why no order of the requests explains this answer, or null. */
const contradiction = ({ sharedAtFirst }: Scene, history: readonly Happened[], one: Happened): string | null => {
  if (!possible[one.verb].includes(said(one))) return 'this is never answered';
  const others = history.filter((other) => other !== one && done(other));
  const ownerErased = others.some((other) => erasesOwner(other) && before(other, one));
  if (done(one) && ownerErased && one.verb !== 'erase the grantee') return 'the owner was erased before';
  if (one.verb === 'reveal what is given' && done(one)) {
    if (others.some((other) => other.verb === 'erase the grantee' && before(other, one)))
      return 'the grantee was erased';
    const shares = others.filter((other) => other.verb === 'share' && !before(one, other));
    if (!sharedAtFirst && shares.length === 0) return 'nobody had shared it';
    const taken = others.filter((other) => other.verb === 'unshare' && before(other, one));
    const sharedAgain = (unshare: Happened): boolean => shares.some((share) => !before(share, unshare));
    if (taken.some((unshare) => !sharedAgain(unshare))) return 'it was unshared before';
  }
  if (
    one.verb === 'reveal what is inside' &&
    done(one) &&
    others.some((other) => other.verb === 'end' && before(other, one))
  )
    return 'the session had ended';
  const refused = said(one);
  const anyErasesOwner = history.some((other) => erasesOwner(other) && done(other));
  if (refused === '401 unauthenticated' && one.verb !== 'reveal what is given' && !anyErasesOwner)
    return 'nobody had erased the caller';
  return null;
};

const tracesOf = async ({ id }: Person): Promise<number> =>
  (
    await sql(
      `select ((select count(*) from secrets where owner_id = $1 or shared_with @> jsonb_build_array($1::text))
        + (select count(*) from owner_keys where owner_id = $1) + (select count(*) from logins where user_id = $1)
        + (select count(*) from session_participants where user_id = $1 and left_at is null)
        + (select count(*) from sessions where owner_id = $1 and status = 'active'))::int as n`,
      [id],
    )
  )[0].n;

const untilGone = (who: Person): Promise<void> =>
  vi.waitFor(async () => expect(await tracesOf(who)).toBe(0), { timeout: 60_000, interval: 20 });

/** What must hold once everything was answered. */
const afterwards = async (scene: Scene, history: readonly Happened[]): Promise<void> => {
  const { owner, grantee, given, inside } = scene;
  const erasures = history.filter((one) => erasesOwner(one) && done(one));
  const granteeErased = history.some((one) => one.verb === 'erase the grantee' && done(one));
  expect(erasures.length).toBeLessThanOrEqual(1);
  const records = await sql(
    "select target_id from audit_log where action = 'user.erase' and outcome = 'allowed' and target_id = any($1::uuid[])",
    [[owner.id, grantee.id]],
  );
  expect(records).toHaveLength(erasures.length + (granteeErased ? 1 : 0));
  const reveals = verbs.filter((one) => /reveal/.test(one));
  const refused = erasures.length > 0 ? reveals : granteeErased ? (['reveal what is given'] as const) : [];
  for (const verb of refused) expect((await perform(scene, verb, 1)).answer.status, verb).toBeGreaterThanOrEqual(400);
  // Rows that another request had locked are deleted by a job.
  if (granteeErased) await untilGone(grantee);
  if (erasures.length === 0) return;
  await untilGone(owner);
  expect(await sql('select 1 from secret_versions where secret_id = any($1::uuid[])', [[given, inside]])).toEqual([]);
};

const drawn = fc.record({
  sharedAtFirst: fc.boolean(),
  requests: fc.array(
    fc.record({ verb: fc.constantFrom(...verbs), after: fc.integer({ min: 0, max: 8 }), at: fc.constantFrom(0, 1) }),
    { minLength: 6, maxLength: 10 },
  ),
});

it('erasures that race with shares, values, ends and each other have the outcome of some order, and leave no value', async () => {
  let erased = 0;
  let overlapped = 0;
  await fc.assert(
    fc.asyncProperty(drawn, async ({ sharedAtFirst, requests }) => {
      const scene = await setScene(sharedAtFirst);
      // Re-encryptions of earlier rounds wait for a minute of this clock before they destroy a key.
      two.apps[0].clock.advance(2000);
      const history = await Promise.all(
        requests.map(async ({ verb, after, at }) => {
          await pause(after);
          return await perform(scene, verb, at as 0 | 1);
        }),
      );
      const told = history.map((one) => `${one.sent.toFixed(1)}–${one.answered.toFixed(1)} ${one.verb} → ${said(one)}`);
      for (const one of history)
        expect(contradiction(scene, history, one), `${one.verb} → ${said(one)}\n${told.join('\n')}`).toBeNull();
      await afterwards(scene, history);
      const erasure = history.find((one) => erasesOwner(one) && done(one));
      if (!erasure) return;
      erased += 1;
      if (history.some((one) => one !== erasure && !before(one, erasure) && !before(erasure, one))) overlapped += 1;
    }),
    { numRuns: count(200), seed, endOnFailure: true },
  );
  // The races took place: most rounds erase the owner, while something else is under way.
  expect(erased).toBeGreaterThan(count(200) / 4);
  expect(overlapped).toBeGreaterThan(0);
}, 900_000);
