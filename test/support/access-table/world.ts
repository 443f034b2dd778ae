import { randomUUID } from 'node:crypto';
import type { Permission } from '../../../src/core/permissions.ts';
import { startApp, type TestApp } from '../app.ts';
import { settableClock } from '../clock.ts';
import { expectStatus, logIn, logInAdmin, type Person, password, people, startSession } from '../people.ts';
import { type Ask, asker, type Credentials, patiently } from './asking.ts';
import { type CallerKind, type CallerName, callerNames, kindOf, type Role } from './callers.ts';
import { createCredentials, onSecrets, permissionsBesideSecrets, permissionsOfMember } from './credentials.ts';
import type { Around, Operation, Target } from './operations.ts';
import { endedPlace, nameOf, type Place, places } from './places.ts';

const second = 1000;
const hour = 3_600_000;
const resetPassword = 'a password that the admin chose';

/** The two sessions of an arrangement: one that goes on, and one that ends before the table is asked. */
interface Chats {
  readonly active: any;
  readonly over: any;
}

type Special = NonNullable<CallerKind['secret']>;

export interface World {
  readonly app: TestApp;
  readonly ask: Ask;
  readonly cast: Readonly<Record<Role | 'host' | 'newcomer', Person>>;
  readonly around: Around;
  readonly chats: Readonly<Record<'ordinary' | Special, Chats>>;
  /** So many secrets of the owner's that nobody has asked about, each at this place. */
  fresh(place: Place, count: number, operation?: Operation): Promise<readonly Target[]>;
  /** The one to ask about for a kind of caller that has secrets of its own at the place; else null. */
  prepared(caller: CallerName, place: Place): Target | null;
  credentials(caller: CallerName, place: Place, needs: Permission): Promise<Credentials>;
  /** A token of the owner's or the grantee's with only these permissions, made by a login that does not wait. */
  token(who: 'owner' | 'grantee', chosen: readonly Permission[]): Promise<string>;
  /** Everything the database holds of these secrets, versions included. */
  held(ids: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

let named = 0;
/** Names of one length, so that also the length of an answer can be compared. */
export const nextName = (): string => {
  named += 1;
  return `S_${String(named).padStart(8, '0')}`;
};

/** A secret that never was: its id and name look like any other's. */
export const neverWas = (target: Target): Target => ({
  ...target,
  id: randomUUID().replace(/-4/, '-7'),
  name: target.name.replace('S_', 'N_'),
});

const listedAs = ({ state }: Place): Target['listedAs'] => (state === 'use only' ? 'live' : state);

interface Keeping {
  readonly app: TestApp;
  readonly owner: Person;
  readonly session: string;
  readonly sharedWith: readonly string[];
}

/** Keeps secrets at the place, in one request, then brings them into its state. */
const keep = async (
  { app, owner, session, sharedWith }: Keeping,
  place: Place,
  count: number,
  before: (target: Target) => Promise<unknown> = async () => undefined,
): Promise<readonly Target[]> => {
  const items = Array.from({ length: count }, () => {
    const name = nextName();
    return {
      name,
      type: 'api_key',
      value: `the value of ${name}`,
      scope: place.scope,
      ...(place.scope === 'session' ? { session_id: session } : {}),
      ...(place.scope === 'shared' ? { shared_with: sharedWith } : {}),
      ...(place.state === 'expired' ? { expires_at: new Date(app.clock.now().getTime() + second).toISOString() } : {}),
      ...(place.state === 'use only' ? { exposure: 'use' } : {}),
    };
  });
  const made = expectStatus(await owner.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201)
    .body.items;
  const targets: Target[] = items.map(({ name, value }, at) => ({
    id: made[at].id,
    name,
    value,
    listedAs: listedAs(place),
  }));
  for (const target of targets) {
    await before(target);
    if (place.state === 'inactive') expectStatus(await owner.call('POST', `/secrets/${target.id}/deactivate`), 200);
    if (place.state === 'deleted') expectStatus(await owner.call('DELETE', `/secrets/${target.id}`), 204);
  }
  if (place.state === 'expired') app.clock.advance(second);
  return targets;
};

type Cast = World['cast'];

const makeCast = async (app: TestApp): Promise<Cast> => {
  const admin = await logInAdmin(app);
  const body = { username: 'auditor', password, role: 'auditor' };
  expectStatus(await admin.call('POST', '/users', { body }), 201);
  const auditor = await logIn(app, 'auditor');
  const members = await people(
    app,
    admin,
    'owner',
    'participant',
    'ex-participant',
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

const startChats = async (cast: Cast, present: readonly Person[]): Promise<Chats> => ({
  active: await startSession(cast.host, present),
  over: await startSession(cast.host, present),
});

const eachChat = async (chats: Chats, work: (id: string) => Promise<unknown>): Promise<void> => {
  await work(chats.active.id);
  await work(chats.over.id);
};

const roles = ['owner', 'participant', 'grantee'] as const;

/** An administrator resets passwords; whoever logs in with them waits. The earlier logins go on. */
const resetPasswords = async (app: TestApp, cast: Cast, once: ReturnType<typeof createCredentials>['once']) => {
  for (const role of roles) {
    const { id, username } = cast[role];
    const body = { new_password: resetPassword };
    expectStatus(await cast.admin.call('POST', `/users/${id}/password`, { body }), 200);
    const { token } = await logIn(app, username, resetPassword);
    await once(`${username} reset`, async () => token);
  }
};

type Store = Map<string, Target>;

const specials: readonly Special[] = ['its owner has left', 'its owner is disabled', 'the asker is disabled'];

/**
 * Secrets for those whose refusal hangs on more than themselves. What depends on the session is a session's secret;
 * one whose owner has left is in no way special in another scope.
 */
const prepareSpecial = async (app: TestApp, cast: Cast, chats: World['chats'], prepared: Store): Promise<void> => {
  for (const special of specials) {
    const owner = special === 'its owner is disabled' ? cast['disabled owner'] : cast.owner;
    const sharedWith = [(special === 'the asker is disabled' ? cast.disabled : cast.grantee).id];
    for (const place of places) {
      if (special === 'its owner has left' && place.scope !== 'session') continue;
      const session = place.ended ? chats[special].over.id : chats[special].active.id;
      const [target] = await keep({ app, owner, session, sharedWith }, place, 1);
      if (target) prepared.set(`${special} ${nameOf(place)}`, target);
    }
  }
};

/** After this everybody is who the table says: people left, sessions ended, users were disabled. */
const takeAway = async (cast: Cast, chats: World['chats']): Promise<void> => {
  const leave = (who: Person) => (id: string) =>
    who.call('DELETE', `/sessions/${id}/participants/${who.id}`).then((answer) => expectStatus(answer, 204));
  await eachChat(chats.ordinary, leave(cast['ex-participant']));
  await eachChat(chats['its owner has left'], leave(cast.owner));
  for (const { over } of Object.values(chats))
    expectStatus(await cast.host.call('POST', `/sessions/${over.id}/end`), 200);
  for (const who of [cast.disabled, cast['disabled owner']])
    expectStatus(await cast.admin.call('PATCH', `/users/${who.id}`, { body: { status: 'disabled' } }), 200);
};

/** Every credential of every caller, at a place with a session and at one whose session will have ended. */
const makeCredentials = async ({ credentials, token }: Pick<World, 'credentials' | 'token'>): Promise<void> => {
  for (const chosen of [...permissionsOfMember.map((one) => [one]), permissionsBesideSecrets])
    for (const who of ['owner', 'grantee'] as const) await token(who, chosen);
  for (const caller of callerNames) {
    if (kindOf(caller).by === 'login after a reset') continue;
    for (const place of places.filter(({ state }) => state === 'live'))
      for (const needs of onSecrets) await credentials(caller, place, needs);
  }
};

/**
 * The cast on a service of its own. `pool` is how many of the owner's secrets lie in the session that has ended: none can
 * enter it afterwards. The clock is ahead of the database's, so that nothing but this test moves it.
 */
export const buildWorld = async (pool: number): Promise<World> => {
  const started = await startApp({ clock: settableClock(new Date(Date.now() + hour)) });
  const app: TestApp = { ...started, call: (...asked) => patiently(() => started.call(...asked)) };
  const cast = await makeCast(app);
  const ordinary = await startChats(cast, [cast.owner, cast.participant, cast['ex-participant'], cast.disabled]);
  const chats: World['chats'] = {
    ordinary,
    'the asker is disabled': ordinary,
    'its owner has left': await startChats(cast, [cast.owner, cast.participant]),
    'its owner is disabled': await startChats(cast, [cast['disabled owner'], cast.participant]),
  };
  const elsewhere = (await startSession(cast.host, [cast.owner, cast.participant, cast.grantee])).id;
  const { once, some, of } = createCredentials(elsewhere);
  const insideOf = ({ secret }: CallerKind, { ended }: Place): string =>
    chats[secret ?? 'ordinary'][ended ? 'over' : 'active'].id;
  const credentials: World['credentials'] = async (caller, place, needs) => {
    const kind = kindOf(caller);
    const inside = insideOf(kind, place);
    const session = kind.names && { inside, elsewhere, unknown: 'no-such-session' }[kind.names];
    return { token: await of(cast[kind.who], kind.by ?? 'login', inside, needs), session };
  };
  const token: World['token'] = (who, chosen) => some(cast[who], chosen);
  await makeCredentials({ credentials, token });

  const prepared: Store = new Map();
  await prepareSpecial(app, cast, chats, prepared);
  const keeping: Keeping = {
    app,
    owner: cast.owner,
    session: ordinary.active.id,
    sharedWith: [cast.grantee.id, cast['ex-grantee'].id],
  };
  const inEnded = [...(await keep({ ...keeping, session: ordinary.over.id }, endedPlace, pool))];
  await takeAway(cast, chats);
  await resetPasswords(app, cast, once);
  app.clock.advance(second);

  const secondVersion = async (target: Target): Promise<void> => {
    const body = { value: 'a second value' };
    expectStatus(await cast.owner.call('PUT', `/secrets/${target.id}/value`, { body }), 200);
  };
  const unshare = async ({ id }: Target): Promise<void> => {
    const body = { user_id: cast['ex-grantee'].id };
    expectStatus(await cast.owner.call('POST', `/secrets/${id}/unshare`, { body }), 200);
  };

  return {
    app,
    ask: asker(app.url),
    cast,
    around: { newcomer: cast.newcomer.id, grantee: cast.grantee.id, elsewhere },
    chats,
    fresh: async (place, count, operation) => {
      const before = async (target: Target): Promise<void> => {
        if (operation?.before) await secondVersion(target);
        if (place.scope === 'shared') await unshare(target);
      };
      if (!place.ended) return await keep(keeping, place, count, before);
      const taken = inEnded.splice(0, count);
      if (taken.length < count) throw new Error('the pool of secrets in the ended session is too small');
      for (const target of taken) await before(target);
      return taken;
    },
    prepared: (caller, place) => prepared.get(`${kindOf(caller).secret} ${nameOf(place)}`) ?? null,
    credentials,
    token,
    held: async (ids) => {
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
