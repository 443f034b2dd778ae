import fc from 'fast-check';
import type { SecretFacts, Subject } from '../../src/access/index.ts';
import {
  newId,
  type OwnerKeyId,
  type SecretId,
  type SessionId,
  type UserId,
  type VerifiedSessionId,
} from '../../src/core/ids.ts';
import { type Permission, permissions } from '../../src/core/permissions.ts';
import type { Scope, SecretType } from '../../src/core/secret-types.ts';
import { type Db, inTransaction } from '../../src/db/database.ts';
import type { ParticipantRow, SessionRow, UserRow } from '../../src/db/tables/index.ts';
import type { Seals } from '../../src/keys/index.ts';

/*
 * A world is a handful of people with their sessions, secrets and shares. It is generated as plain data, and from that
 * data come both the sealed rows in the database and, by another way, the facts that the rule is asked about.
 */

const hour = 3_600_000;

/** Whether the service's clock is ahead of the database's or behind it: the later one decides, so both are tried. */
type ClockGap = 'ahead' | 'behind';

interface UserDraft {
  readonly status: UserRow['status'];
}

/** `added`: by a version that put people into sessions. */
type Presence = 'never' | 'present' | 'added' | 'invited' | 'left' | 'removed' | 'invited again';

interface SessionDraft {
  readonly owner: number;
  readonly state: 'active' | 'ended' | 'expired' | 'expiring';
  /** One for each user. */
  readonly presence: readonly Presence[];
}

interface SecretDraft {
  readonly owner: number;
  readonly scope: Scope;
  readonly session: number;
  readonly sharedWith: readonly number[];
  readonly name: string;
  readonly description: string | null;
  readonly type: SecretType;
  readonly tags: readonly string[];
  readonly isActive: boolean;
  /** Milliseconds from the moment that decides; null never expires. */
  readonly expiresIn: number | null;
  readonly deleted: boolean;
  readonly exposure: 'reveal' | 'use';
}

interface CallerDraft {
  readonly user: number;
  readonly session: number | null;
  readonly bound: boolean;
  readonly waiting: boolean;
  readonly permissions: readonly Permission[];
}

export interface FilterDraft {
  readonly scope?: Scope;
  readonly type?: SecretType;
  readonly tag?: string;
  readonly q?: string;
  readonly owner?: 'me' | 'others' | 'any';
  readonly session?: number;
  readonly state?: 'live' | 'inactive' | 'expired' | 'deleted';
  readonly names?: readonly string[];
}

export interface WorldDraft {
  readonly clock: ClockGap;
  readonly users: readonly UserDraft[];
  readonly sessions: readonly SessionDraft[];
  readonly secrets: readonly SecretDraft[];
  readonly callers: readonly CallerDraft[];
  readonly filters: readonly FilterDraft[];
  readonly limit: number;
}

const names = ['KEY', 'key', 'a_b', 'axb', 'a.b'] as const;
const descriptions = [null, 'of the KEY', '100% sure', 'a_b', 'back\\slash'] as const;
const tags = ['x', 'y', 'X'] as const;
const types = ['api_key', 'password'] as const;
const scopes = ['user', 'session', 'shared'] as const;

export const mostly = <T>(usual: T, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, ...others.map((other) => fc.constant(other)));

const callerDraft = (users: number, sessions: number): fc.Arbitrary<CallerDraft> =>
  fc.record({
    user: fc.nat(users - 1),
    session: fc.option(fc.nat(sessions - 1), { freq: 5 }),
    bound: fc.boolean(),
    waiting: mostly(false, true),
    permissions: fc.oneof(
      { weight: 3, arbitrary: fc.constant([...permissions]) },
      { weight: 3, arbitrary: fc.constant(permissions.filter((permission) => permission !== 'secrets:own')) },
      { weight: 1, arbitrary: fc.constant(permissions.filter((permission) => permission !== 'secrets:list')) },
      { weight: 2, arbitrary: fc.constant(['secrets:list'] as const) },
    ),
  });

const secretDraft = (users: number, sessions: number): fc.Arbitrary<SecretDraft> =>
  fc.record({
    owner: fc.nat(users - 1),
    scope: fc.constantFrom(...scopes),
    session: fc.nat(sessions - 1),
    // The owner among them never comes from the service; were it there, no secret may be listed twice for it.
    sharedWith: fc.uniqueArray(fc.nat(users - 1), { maxLength: users }),
    name: fc.constantFrom(...names),
    description: fc.constantFrom(...descriptions),
    type: fc.constantFrom(...types),
    tags: fc.subarray([...tags]),
    isActive: mostly(true, false),
    expiresIn: fc.oneof(fc.constant(null), fc.constantFrom(-hour, -1, 0, 1, hour)),
    deleted: mostly(false, true),
    exposure: fc.constantFrom('reveal', 'use'),
  });

const filterDraft = (sessions: number): fc.Arbitrary<FilterDraft> =>
  fc.record(
    {
      scope: fc.constantFrom(...scopes),
      type: fc.constantFrom(...types),
      tag: fc.constantFrom(...tags),
      q: fc.constantFrom('KEY', 'a_b', '%', '\\', 'ey', 'zzz'),
      owner: fc.constantFrom('me', 'others', 'any'),
      session: fc.nat(sessions - 1),
      state: fc.constantFrom('live', 'inactive', 'expired', 'deleted'),
      names: fc.subarray([...names], { minLength: 1 }),
    },
    { requiredKeys: [] },
  );

const draftOfSize = (users: number, sessions: number): fc.Arbitrary<WorldDraft> =>
  fc.record({
    clock: fc.constantFrom('ahead', 'behind'),
    users: fc.array(fc.record({ status: mostly<UserRow['status']>('active', 'disabled', 'erased') }), {
      minLength: users,
      maxLength: users,
    }),
    sessions: fc.array(
      fc.record({
        owner: fc.nat(users - 1),
        state: mostly<SessionDraft['state']>('active', 'ended', 'expired', 'expiring'),
        presence: fc.array(
          mostly<SessionDraft['presence'][number]>(
            'present',
            'left',
            'never',
            'invited',
            'added',
            'removed',
            'invited again',
          ),
          {
            minLength: users,
            maxLength: users,
          },
        ),
      }),
      { minLength: sessions, maxLength: sessions },
    ),
    secrets: fc.array(secretDraft(users, sessions), { minLength: 4, maxLength: 16 }),
    callers: fc.array(callerDraft(users, sessions), { minLength: 2, maxLength: 2 }),
    filters: fc.array(filterDraft(sessions), { minLength: 2, maxLength: 2 }),
    limit: fc.integer({ min: 1, max: 4 }),
  });

export const anyWorld: fc.Arbitrary<WorldDraft> = fc
  .tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 3 }))
  .chain(([users, sessions]) => draftOfSize(users, sessions));

/** A draft with ids and times: what happened in it, without any row. */
export interface World {
  readonly draft: WorldDraft;
  /** The service's clock. */
  readonly clock: Date;
  /** The later of the two clocks, by which all of `expiresIn` is meant. */
  readonly moment: Date;
  readonly users: readonly (UserDraft & { readonly id: UserId; readonly keyId: OwnerKeyId })[];
  readonly sessions: readonly (SessionDraft & { readonly id: SessionId })[];
  readonly secrets: readonly WorldSecret[];
}

export type WorldSecret = Omit<SecretDraft, 'name'> & {
  readonly id: SecretId;
  readonly ownerId: UserId;
  readonly name: string;
  readonly sessionId: SessionId | null;
  readonly sharedWithIds: readonly UserId[];
  readonly expiresAt: Date | null;
};

export const nth = <T>(items: readonly T[], index: number): T => {
  const item = items[index];
  if (item === undefined) throw new Error(`a draft names number ${index} of ${items.length}`);
  return item;
};

/** Gives a name that is taken in its place a number, as the unique indices ask. */
const uniquely = (taken: Set<string>, place: string, name: string): string => {
  for (let number = 0; ; number += 1) {
    const candidate = number === 0 ? name : `${name}-${number}`;
    if (taken.has(`${place} ${candidate}`)) continue;
    taken.add(`${place} ${candidate}`);
    return candidate;
  }
};

/** Where the database's clock decides, moments too close to it cannot be told apart from here. */
const expiryOf = (draft: SecretDraft, clock: ClockGap, moment: Date): Date | null => {
  if (draft.expiresIn === null) return null;
  const offset =
    clock === 'ahead' || Math.abs(draft.expiresIn) === hour ? draft.expiresIn : Math.sign(draft.expiresIn - 0.5) * hour;
  return new Date(moment.getTime() + offset);
};

export const worldOf = (draft: WorldDraft): World => {
  const real = Date.now();
  const clock = new Date(draft.clock === 'ahead' ? real + 48 * hour : real - 48 * hour);
  const moment = draft.clock === 'ahead' ? clock : new Date(real);
  const users = draft.users.map((user) => ({ ...user, id: newId<UserId>(), keyId: newId<OwnerKeyId>() }));
  const sessions = draft.sessions.map((session) => ({ ...session, id: newId<SessionId>() }));
  const taken = new Set<string>();
  const secrets = draft.secrets.map((secret) => {
    const sessionId = secret.scope === 'session' ? nth(sessions, secret.session).id : null;
    const id = newId<SecretId>();
    const place = secret.deleted ? id : `${secret.owner} ${sessionId}`;
    return {
      ...secret,
      id,
      name: uniquely(taken, place, secret.name),
      ownerId: nth(users, secret.owner).id,
      sessionId,
      sharedWithIds: secret.scope === 'shared' ? secret.sharedWith.map((index) => nth(users, index).id) : [],
      expiresAt: expiryOf(secret, draft.clock, moment),
    };
  });
  return { draft, clock, moment, users, sessions, secrets };
};

const sessionRow = (world: World, session: World['sessions'][number]): Omit<SessionRow, 'seal'> => {
  const made = new Date(world.moment.getTime() - 72 * hour);
  const expiry = { active: null, ended: null, expired: -hour, expiring: hour }[session.state];
  return {
    id: session.id,
    external_id: null,
    issuer: null,
    owner_id: nth(world.users, session.owner).id,
    title: null,
    status: session.state === 'ended' ? 'ended' : 'active',
    expires_at: expiry === null ? null : new Date(world.moment.getTime() + expiry),
    ended_at: session.state === 'ended' ? made : null,
    metadata: {},
    idle_after: null,
    last_active_at: null,
    erase_after: null,
    cleaned_up_at: null,
    created_at: made,
    updated_at: made,
  };
};

/** What a participant's row says of each presence. */
const timesOf = (presence: Exclude<Presence, 'never'>, at: Date) => {
  const joined = { joined_at: at, left_at: null, invited_at: at, removed_at: null };
  switch (presence) {
    case 'present':
      return joined;
    case 'added':
      return { ...joined, invited_at: null };
    case 'invited':
      return { ...joined, joined_at: null };
    case 'left':
      return { ...joined, left_at: at };
    case 'removed':
      return { ...joined, left_at: at, removed_at: at };
    case 'invited again':
      return { ...joined, left_at: at, invited_at: new Date(at.getTime() + 1) };
  }
};

/** Somebody whom an earlier version added to a session is invited to it; who started it is in it. */
export const isThere = (session: SessionDraft, user: number): boolean =>
  session.presence[user] === 'present' || (session.presence[user] === 'added' && session.owner === user);

const participantRows = (world: World, session: World['sessions'][number]): Omit<ParticipantRow, 'seal'>[] =>
  world.users.flatMap((user, index) => {
    const presence = session.presence[index];
    if (presence === 'never') return [];
    return [
      {
        session_id: session.id,
        user_id: user.id,
        role: index === session.owner ? ('owner' as const) : ('collaborator' as const),
        named_since: world.moment,
        invited_by: null,
        ...timesOf(presence ?? 'left', world.moment),
      },
    ];
  });

/** Writes the world as sealed rows, in one transaction. Values are never opened here and are no real ones. */
export const insertWorld = (db: Db, seals: Seals, world: World): Promise<void> =>
  inTransaction(db, async (tx) => {
    const at = world.moment;
    const userRows = world.users.map((user) => ({
      id: user.id,
      username: user.id,
      username_key: user.id,
      email: null,
      display_name: null,
      password_hash: null,
      previous_password_hash: null,
      password_reset_at: null,
      issuer: null,
      subject: null,
      role: 'member' as const,
      status: user.status,
      secrets_from: null,
      metadata: {},
      revision: 1,
      created_at: at,
      updated_at: at,
    }));
    const keyRows = world.users.map((user) => ({
      id: user.keyId,
      owner_id: user.id,
      wrapped_key: 'none',
      root_key_id: 'none',
      state: 'active' as const,
      created_at: at,
    }));
    const secretRows = world.secrets.map((secret) => ({
      id: secret.id,
      owner_id: secret.ownerId,
      name: secret.name,
      type: secret.type,
      scope: secret.scope,
      session_id: secret.sessionId,
      shared_with: secret.sharedWithIds,
      encrypted_value: 'none',
      description: secret.description,
      tags: secret.tags,
      expires_at: secret.expiresAt,
      is_active: secret.isActive,
      metadata: {},
      created_at: at,
      updated_at: at,
      version: 1,
      key_id: nth(world.users, secret.owner).keyId,
      exposure: secret.exposure,
      rotate_after: null,
      deleted_at: secret.deleted ? at : null,
      value_set_at: at,
      revision: 1,
    }));
    await seals.insertAll(tx, [
      { table: 'users', rows: userRows },
      { table: 'owner_keys', rows: keyRows },
      { table: 'sessions', rows: world.sessions.map((session) => sessionRow(world, session)) },
      { table: 'session_participants', rows: world.sessions.flatMap((session) => participantRows(world, session)) },
      { table: 'secrets', rows: secretRows },
    ]);
  });

/** True for a session that authentication would verify for this user. */
export const isJoined = (session: SessionDraft, user: number): boolean =>
  (session.state === 'active' || session.state === 'expiring') && isThere(session, user);

/**
 * The caller as authentication would make it. A session that isn't joined is one that was never named, but for
 * `bound`: such a credential then has no session, and reaches nothing but by `secrets:own`.
 */
export const subjectOf = (world: World, draft: CallerDraft): Subject => {
  const named = draft.session === null ? null : nth(world.sessions, draft.session);
  const session = named && isJoined(named, draft.user) ? (named.id as VerifiedSessionId) : null;
  return {
    userId: nth(world.users, draft.user).id,
    permissions: new Set(draft.permissions),
    session,
    boundToSession: draft.bound,
    waiting: draft.waiting,
  };
};

/** What is so about a secret for this caller, told from the draft. */
export const factsFor = (world: World, subject: Subject, secret: WorldSecret): SecretFacts => {
  const current = world.sessions.find((session) => session.id === subject.session);
  return {
    ownerId: secret.ownerId,
    ownerActive: nth(world.users, secret.owner).status === 'active',
    ownerPresent: current !== undefined && isThere(current, secret.owner),
    scope: secret.scope,
    sessionId: secret.sessionId,
    sharedWith: secret.sharedWithIds,
    isActive: secret.isActive,
    expiresAt: secret.expiresAt,
    deletedAt: secret.deleted ? world.moment : null,
    exposure: secret.exposure,
  };
};

/** The state that a list shows and filters by. */
export const stateIn = (world: World, secret: WorldSecret): 'live' | 'inactive' | 'expired' | 'deleted' => {
  if (secret.deleted) return 'deleted';
  if (!secret.isActive) return 'inactive';
  return secret.expiresAt !== null && secret.expiresAt <= world.moment ? 'expired' : 'live';
};
