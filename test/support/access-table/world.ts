import { randomUUID } from 'node:crypto';
import type { Permission } from '../../../src/core/permissions.ts';
import { startApp, type TestApp } from '../app.ts';
import { settableClock } from '../clock.ts';
import { unlessOverloaded } from '../overload.ts';
import { expectStatus, logIn, logInAdmin, type Person, people, startSession } from '../people.ts';
import { storeAs } from '../stored-rows.ts';
import { type CallerKind, type CallerName, callerNames, kindOf, type Role } from './callers.ts';
import { type Condition, conditions, describeCondition, endedSession } from './conditions.ts';
import { createCredentials, onSecrets, permissionsNotOnSecrets, permissionsOfMember } from './credentials.ts';
import type { Operation, OtherIds, Target } from './operations.ts';
import { type Credentials, createSender, type Send } from './requests.ts';

const second = 1000;
const hour = 3_600_000;
const resetPassword = 'a password that the admin chose';

/** Two sessions with the same participants: one stays active, one ends before the table is tried. */
interface SessionPair {
  readonly active: any;
  readonly ended: any;
}

type SpecialCase = NonNullable<CallerKind['secret']>;

export interface World {
  readonly app: TestApp;
  readonly send: Send;
  readonly users: Readonly<Record<Role | 'host' | 'newcomer', Person>>;
  readonly others: OtherIds;
  readonly sessions: Readonly<Record<'ordinary' | SpecialCase, SessionPair>>;
  /** New secrets of the owner's in this condition, about which no request was sent yet. */
  newSecrets(condition: Condition, count: number, operation?: Operation): Promise<readonly Target[]>;
  /** The secret that this caller asks about in place of the ordinary one; null for most callers. */
  specialSecret(caller: CallerName, condition: Condition): Target | null;
  credentials(caller: CallerName, condition: Condition, needs: Permission): Promise<Credentials>;
  /** A token of the owner's or the grantee's with only these permissions, made by a login that does not wait. */
  token(who: 'owner' | 'grantee', chosen: readonly Permission[]): Promise<string>;
  /** The rows of these secrets and of their versions, as text. */
  storedRows(ids: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

let named = 0;
/** A new name. All names have one length, so that answers can be compared byte by byte. */
export const nextName = (): string => {
  named += 1;
  return `S_${String(named).padStart(8, '0')}`;
};

/** A secret that never existed, with an id and a name of the same form. */
export const nonexistent = (target: Target): Target => ({
  ...target,
  id: randomUUID().replace(/-4/, '-7'),
  name: target.name.replace('S_', 'N_'),
});

const listedAs = ({ state }: Condition): Target['listedAs'] => (state === 'use only' ? 'live' : state);

interface StoreOptions {
  readonly app: TestApp;
  readonly owner: Person;
  readonly session: string;
  readonly sharedWith: readonly string[];
}

/** Stores secrets by one import, then brings them into the condition. */
const storeSecrets = async (
  { app, owner, session, sharedWith }: StoreOptions,
  condition: Condition,
  count: number,
  before: (target: Target) => Promise<unknown> = async () => undefined,
): Promise<readonly Target[]> => {
  const items = Array.from({ length: count }, () => {
    const name = nextName();
    return {
      name,
      type: 'api_key',
      value: `the value of ${name}`,
      scope: condition.scope,
      ...(condition.scope === 'session' ? { session_id: session } : {}),
      ...(condition.scope === 'shared' ? { shared_with: sharedWith } : {}),
      ...(condition.state === 'expired'
        ? { expires_at: new Date(app.clock.now().getTime() + second).toISOString() }
        : {}),
      ...(condition.state === 'use only' ? { exposure: 'use' } : {}),
    };
  });
  const made = expectStatus(await owner.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201)
    .body.items;
  const targets: Target[] = items.map(({ name, value }, at) => ({
    id: made[at].id,
    name,
    value,
    listedAs: listedAs(condition),
  }));
  for (const target of targets) {
    await before(target);
    if (condition.state === 'inactive') expectStatus(await owner.call('POST', `/secrets/${target.id}/deactivate`), 200);
    if (condition.state === 'deleted') expectStatus(await owner.call('DELETE', `/secrets/${target.id}`), 204);
  }
  if (condition.state === 'expired') app.clock.advance(second);
  return targets;
};

type Users = World['users'];

const createUsers = async (app: TestApp): Promise<Users> => {
  const admin = await logInAdmin(app);
  const { auditor } = await people(app, admin, 'auditor');
  // No route gives this role any more; users of earlier versions have it.
  await storeAs(app, 'users', auditor.id, { role: 'auditor' });
  const members = await people(
    app,
    admin,
    'owner',
    'participant',
    'ex-participant',
    'invited',
    'invited by name',
    'invited again',
    'waiting guest',
    'grantee',
    'ex-grantee',
    'stranger',
    'disabled',
    'disabled owner',
    'host',
    'newcomer',
  );
  return { ...members, admin, auditor };
};

const startSessionPair = async (users: Users, present: readonly Person[]): Promise<SessionPair> => ({
  active: await startSession(users.host, present),
  ended: await startSession(users.host, present),
});

const inBothSessions = async (sessions: SessionPair, work: (id: string) => Promise<unknown>): Promise<void> => {
  await work(sessions.active.id);
  await work(sessions.ended.id);
};

const roles = ['owner', 'participant', 'grantee', 'waiting guest'] as const;

/** Has an administrator reset passwords. A login with one of them has to wait; earlier logins are not affected. */
const resetPasswords = async (app: TestApp, users: Users, once: ReturnType<typeof createCredentials>['once']) => {
  for (const role of roles) {
    const { id, username } = users[role];
    const body = { new_password: resetPassword };
    expectStatus(await users.admin.call('POST', `/users/${id}/password`, { body }), 200);
    const { token } = await logIn(app, username, resetPassword);
    await once(`${username} reset`, async () => token);
  }
};

type Store = Map<string, Target>;

const specialCases: readonly SpecialCase[] = ['its owner has left', 'its owner is disabled', 'the caller is disabled'];

/**
 * Secrets for callers whose refusal has a cause of its own, such as an owner who left the session. Leaving a session
 * matters to secrets of session scope only.
 */
const prepareSpecial = async (
  app: TestApp,
  users: Users,
  sessions: World['sessions'],
  prepared: Store,
): Promise<void> => {
  for (const special of specialCases) {
    const owner = special === 'its owner is disabled' ? users['disabled owner'] : users.owner;
    const sharedWith = [(special === 'the caller is disabled' ? users.disabled : users.grantee).id];
    for (const condition of conditions) {
      if (special === 'its owner has left' && condition.scope !== 'session') continue;
      const session = condition.ended ? sessions[special].ended.id : sessions[special].active.id;
      const [target] = await storeSecrets({ app, owner, session, sharedWith }, condition, 1);
      if (target) prepared.set(`${special} ${describeCondition(condition)}`, target);
    }
  }
};

const invite =
  ({ host }: Users, who: Person) =>
  async (id: string) => {
    expectStatus(await host.call('POST', `/sessions/${id}/participants`, { body: { user_id: who.id } }), 201);
  };

/** Makes the callers what their names say: people leave and are invited, sessions end, users are disabled. */
const takeAway = async (users: Users, sessions: World['sessions']): Promise<void> => {
  const leave = (who: Person) => (id: string) =>
    who.call('DELETE', `/sessions/${id}/participants/${who.id}`).then((answer) => expectStatus(answer, 204));
  await inBothSessions(sessions.ordinary, leave(users['ex-participant']));
  const guests = [users.invited, users['invited by name'], users['waiting guest']];
  for (const who of guests) await inBothSessions(sessions.ordinary, invite(users, who));
  await inBothSessions(sessions.ordinary, async (id) => {
    const { id: user } = users['invited again'];
    expectStatus(await users.host.call('DELETE', `/sessions/${id}/participants/${user}`), 204);
    await invite(users, users['invited again'])(id);
  });
  await inBothSessions(sessions['its owner has left'], leave(users.owner));
  for (const { ended } of Object.values(sessions))
    expectStatus(await users.host.call('POST', `/sessions/${ended.id}/end`), 200);
  for (const who of [users.disabled, users['disabled owner']])
    expectStatus(await users.admin.call('PATCH', `/users/${who.id}`, { body: { status: 'disabled' } }), 200);
};

/** Makes every credential of every caller in time: tokens of a session can't be made once it has ended. */
const makeCredentials = async ({ credentials, token }: Pick<World, 'credentials' | 'token'>): Promise<void> => {
  for (const chosen of [...permissionsOfMember.map((one) => [one]), permissionsNotOnSecrets])
    for (const who of ['owner', 'grantee'] as const) await token(who, chosen);
  for (const caller of callerNames) {
    if (kindOf(caller).by === 'login after a reset') continue;
    for (const condition of conditions.filter(({ state }) => state === 'live'))
      for (const needs of onSecrets) await credentials(caller, condition, needs);
  }
};

/**
 * Starts a service with all callers on it. `endedSecrets` is the number of secrets to put into the session that ends, since
 * none can be added to it later. The clock is ahead of the database's, so that only the test moves it.
 */
export const buildWorld = async (endedSecrets: number): Promise<World> => {
  const started = await startApp({ clock: settableClock(new Date(Date.now() + hour)) });
  const app: TestApp = { ...started, call: (...request) => unlessOverloaded(() => started.call(...request)) };
  const users = await createUsers(app);
  const ordinary = await startSessionPair(users, [
    users.owner,
    users.participant,
    users['ex-participant'],
    users['invited again'],
    users.disabled,
  ]);
  const sessions: World['sessions'] = {
    ordinary,
    'the caller is disabled': ordinary,
    'its owner has left': await startSessionPair(users, [users.owner, users.participant]),
    'its owner is disabled': await startSessionPair(users, [users['disabled owner'], users.participant]),
  };
  const elsewhere = (await startSession(users.host, [users.owner, users.participant, users.grantee])).id;
  const { once, withPermissions, of } = createCredentials(elsewhere);
  const insideOf = ({ secret }: CallerKind, { ended }: Condition): string =>
    sessions[secret ?? 'ordinary'][ended ? 'ended' : 'active'].id;
  const credentials: World['credentials'] = async (caller, condition, needs) => {
    const kind = kindOf(caller);
    const inside = insideOf(kind, condition);
    const session = kind.names && { inside, elsewhere, unknown: 'no-such-session' }[kind.names];
    return { token: await of(users[kind.who], kind.by ?? 'login', inside, needs), session };
  };
  const token: World['token'] = (who, chosen) => withPermissions(users[who], chosen);
  await makeCredentials({ credentials, token });

  const prepared: Store = new Map();
  await prepareSpecial(app, users, sessions, prepared);
  const options: StoreOptions = {
    app,
    owner: users.owner,
    session: ordinary.active.id,
    sharedWith: [users.grantee.id, users['ex-grantee'].id],
  };
  const inEnded = [...(await storeSecrets({ ...options, session: ordinary.ended.id }, endedSession, endedSecrets))];
  await takeAway(users, sessions);
  await resetPasswords(app, users, once);
  app.clock.advance(second);

  const secondVersion = async (target: Target): Promise<void> => {
    const body = { value: 'a second value' };
    expectStatus(await users.owner.call('PUT', `/secrets/${target.id}/value`, { body }), 200);
  };
  const unshare = async ({ id }: Target): Promise<void> => {
    const body = { user_id: users['ex-grantee'].id };
    expectStatus(await users.owner.call('POST', `/secrets/${id}/unshare`, { body }), 200);
  };

  return {
    app,
    send: createSender(app.url),
    users,
    others: { newcomer: users.newcomer.id, grantee: users.grantee.id, elsewhere },
    sessions,
    newSecrets: async (condition, count, operation) => {
      const before = async (target: Target): Promise<void> => {
        if (operation?.before) await secondVersion(target);
        if (condition.scope === 'shared') await unshare(target);
      };
      if (!condition.ended) return await storeSecrets(options, condition, count, before);
      const taken = inEnded.splice(0, count);
      if (taken.length < count) throw new Error('too few secrets were put into the session that ended');
      for (const target of taken) await before(target);
      return taken;
    },
    specialSecret: (caller, condition) =>
      prepared.get(`${kindOf(caller).secret} ${describeCondition(condition)}`) ?? null,
    credentials,
    token,
    storedRows: async (ids) => {
      const { rows } = await app.database.client.query(
        `select s::text as secret, (select array_agg(v::text order by v.version) from secret_versions v
         where v.secret_id = s.id) as versions from secrets s where s.id = any($1) order by s.id`,
        [ids],
      );
      return JSON.stringify(rows);
    },
    close: () => app.close(),
  };
};
