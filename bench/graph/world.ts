import { readConfig } from '../../src/config/config.ts';
import { rootKeySource } from '../../src/config/root-keys.ts';
import { systemClock } from '../../src/core/clock.ts';
import { newId, type SessionId, type UserId } from '../../src/core/ids.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createSeals, openKeyRing } from '../../src/keys/index.ts';
import { invitedParticipant, newSession, startingParticipant } from '../../src/sessions/insert.ts';
import { beginClosedIdentities } from '../../src/users/index.ts';
import { grow } from '../grow.ts';
import type { Options } from '../options.ts';
import { adminToken, startWorld, type World } from '../world.ts';
import { type Filled, fill, type ScopeToFill } from './fill.ts';

/** How large the world is. In all: a million entities, five million relations and two million observations. */
export interface Size {
  readonly users: number;
  readonly secrets: number;
  readonly scopesOfUsers: number;
  readonly sessions: number;
  readonly smallSessions: number;
  readonly hubEdges: number;
}

export const wholeSize: Size = {
  users: 100_000,
  secrets: 1_000_000,
  scopesOfUsers: 2000,
  sessions: 1000,
  smallSessions: 4000,
  hubEdges: 84_000,
};

export const quickSize: Size = {
  users: 2000,
  secrets: 20_000,
  scopesOfUsers: 200,
  sessions: 100,
  smallSessions: 400,
  hubEdges: 8400,
};

const entitiesOfUser = 200;
const entitiesOfSession = 400;
const entitiesOfSmallSession = 50;
const sessionsEach = 3;
const typicalCallers = 6;

/** Somebody who asks, with the scopes that they see. */
export interface Asker {
  readonly id: string;
  readonly token: string;
  readonly scopes: readonly ScopeToFill[];
}

export interface GraphWorld extends AsyncDisposable {
  readonly world: World;
  /** Users with facts of their own and three sessions each. */
  readonly typical: readonly Asker[];
  /** A user who is present in every session. */
  readonly everywhere: Asker;
  /** A user whose first entity has very many relations. */
  readonly hub: Asker;
  readonly filled: Filled;
}

/** A new user with a token of their own. */
export const signIn = async (world: World, username: string): Promise<{ id: string; token: string }> => {
  const password = `the password of ${username}`;
  await world.call('POST', '/users', { token: await adminToken(world), body: { username, password } });
  const body = { username, password };
  const login = await world.call<{ access_token: string; user: { id: string } }>('POST', '/auth/login', { body });
  const made = await world.call<{ token: string }>('POST', '/auth/tokens', {
    token: login.access_token,
    body: {
      name: 'bench',
      permissions: ['graph:read', 'graph:write', 'secrets:list', 'sessions:read'],
      expires_in: 86_400,
    },
  });
  return { id: login.user.id, token: made.token };
};

const sessionsAtOnce = 250;

const participantsOf = (id: SessionId, [owner, ...others]: readonly UserId[], now: Date) => [
  startingParticipant(id, owner as UserId, now),
  ...others.map((user) => ({
    ...invitedParticipant(id, user, { invited_at: now, invited_by: owner as UserId }),
    joined_at: now,
    named_since: now,
  })),
];

/** Writes sessions with these participants, the first of whom owns it, sealed as the service seals them. */
const writeSessions = async (world: World, participants: readonly (readonly string[])[]): Promise<SessionId[]> => {
  const database = await world.open();
  const { db } = database;
  const source = rootKeySource(world.env, '/nonexistent');
  const onNewLookupKey = beginClosedIdentities(systemClock);
  const keys = await openKeyRing({ db, clock: systemClock, source, onNewLookupKey, log: () => undefined });
  const seals = createSeals(() => keys.held().sealKeys);
  const now = new Date();
  const nothing = { externalId: null, issuer: null, title: null, expiresAt: null, metadata: {}, idleAfter: null };
  const ids: SessionId[] = [];
  for (let from = 0; from < participants.length; from += sessionsAtOnce) {
    const part = participants.slice(from, from + sessionsAtOnce).map((users) => ({ id: newId<SessionId>(), users }));
    const sessions = part.map(({ id, users }) =>
      newSession(id, { ...nothing, ownerId: users[0] as UserId, others: [] }, now),
    );
    const rows = part.flatMap(({ id, users }) => participantsOf(id, users as readonly UserId[], now));
    await inTransaction(db, (tx) =>
      seals.insertAll(tx, [
        { table: 'sessions', rows: sessions },
        { table: 'session_participants', rows },
      ]),
    );
    ids.push(...part.map(({ id }) => id));
  }
  await keys.close();
  await database.close();
  return ids;
};

export const startGraphWorld = async (size: Size, { say }: Options): Promise<GraphWorld> => {
  const world = await startWorld();
  say(`growing ${size.users} users with ${size.secrets} secrets`);
  const database = await world.open();
  await grow({
    config: readConfig(world.env),
    rootKeys: rootKeySource(world.env, '/nonexistent'),
    database,
    users: size.users,
    owners: size.secrets / 10_000,
    secretsEach: 10_000,
  });
  await database.close();
  const askers: { id: string; token: string }[] = [];
  for (let at = 0; at < typicalCallers + 2; at += 1) askers.push(await signIn(world, `asker-${at}`));
  const [everywhere, hub, ...typical] = askers as [Asker, Asker, ...Asker[]];
  const client = await world.connect();
  const { rows } = await client.query<{ id: string }>(
    `select id from public.users where username like 'grown-%' order by id limit $1`,
    [size.scopesOfUsers],
  );
  const others = rows.map((row) => row.id);
  say('writing sessions');
  const presentIn = (at: number): string[] => [
    others[at % others.length] ?? '',
    everywhere.id,
    ...(at < typical.length * sessionsEach ? [typical[Math.floor(at / sessionsEach)]?.id ?? ''] : []),
  ];
  const sessions = await writeSessions(
    world,
    Array.from({ length: size.sessions + size.smallSessions }, (_, at) => presentIn(at)),
  );
  const own = [...askers.map((one) => one.id), ...others].slice(0, size.scopesOfUsers);
  const scopes: ScopeToFill[] = [
    ...own.map((userId) => ({ id: newId<string>(), userId, sessionId: null, entities: entitiesOfUser })),
    ...sessions.map((sessionId, at) => ({
      id: newId<string>(),
      userId: null,
      sessionId,
      entities: at < size.sessions ? entitiesOfSession : entitiesOfSmallSession,
    })),
  ];
  const scopeOf = (id: string): ScopeToFill =>
    scopes.find((scope) => scope.userId === id || scope.sessionId === id) as ScopeToFill;
  say(`filling ${scopes.length} scopes with ${scopes.reduce((sum, scope) => sum + scope.entities, 0)} entities`);
  const filled = await fill(client, scopes, { scope: scopeOf(hub.id), edges: size.hubEdges });
  await client.end();
  return {
    world,
    filled,
    typical: typical.map((one, at) => ({
      ...one,
      scopes: [scopeOf(one.id), ...sessions.slice(at * sessionsEach, (at + 1) * sessionsEach).map(scopeOf)],
    })),
    everywhere: { ...everywhere, scopes: [scopeOf(everywhere.id), ...sessions.map(scopeOf)] },
    hub: { ...hub, scopes: [scopeOf(hub.id)] },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
};
