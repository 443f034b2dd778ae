import { type RawBuilder, sql } from 'kysely';
import { createBatcher } from '../core/batch.ts';
import { type Caller, type Credential, isOperator } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { permissionsOfRole } from '../core/permissions.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import { readTogether } from '../db/json-rows.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { LoginRow, ParticipantRow, SessionRow, Tables, TokenRow, UserRow } from '../db/tables/index.ts';
import type { Asked, Seals } from '../keys/index.ts';
import { isPresent } from './presence.ts';

/** The verified rows of a credential and its user, both of them valid at `now`, the later of the two clocks. */
export interface ValidCredential<Row> {
  readonly row: Row;
  readonly user: UserRow;
  readonly now: Date;
}

/** Why a credential is not valid. A row whose seal is broken counts as `unknown`. */
export type InvalidReason = 'unknown' | 'ended' | 'expired' | 'user_disabled';

export type CredentialLookup<Row> =
  | ValidCredential<Row>
  | { readonly invalid: InvalidReason; readonly userId: UserId | null };

/** A session that the user is present in, with the row that says so. */
export interface Presence {
  readonly session: SessionRow;
  readonly participant: ParticipantRow;
}

export interface CallerState {
  /** The credential as it is now. Lookups of several requests are batched into one statement that begins after all of them. */
  login(id: string): Promise<CredentialLookup<LoginRow>>;
  token(id: string): Promise<CredentialLookup<TokenRow>>;
  /** As `login`, within a change. The caller has locked the login's row. */
  loginIn(tx: Tx, id: string): Promise<CredentialLookup<LoginRow>>;
  /** The session, when it is active and the user is present in it; else null, whatever the cause. */
  presence(db: Db, userId: UserId, sessionId: SessionId): Promise<Presence | null>;
  /** As `presence`; it also locks session and participant until the transaction ends. True when the user is present. */
  lockPresence(tx: Tx, userId: UserId, sessionId: SessionId): Promise<boolean>;
  /**
   * Verifies the caller's credential, user and session again and locks them until the transaction ends. Resolves to the
   * refusal when any of them was withdrawn since the request began; the caller then writes nothing.
   */
  revalidate(tx: Tx, caller: Caller): Promise<KeyholdError | null>;
}

const lockClause = (lock: boolean): RawBuilder<unknown> => sql.raw(lock ? 'for share' : '');

/**
 * When a session ends by itself: at its `expires_at`, or when no request named it for `idle_after`; null for never. Without a
 * time of the last activity, it does not end by idleness.
 */
export const lapsesAt = ({ expires_at, idle_after, last_active_at }: SessionRow): Date | null => {
  const idle = idle_after === null || last_active_at === null ? null : last_active_at.getTime() + idle_after * 1000;
  if (idle === null) return expires_at;
  return expires_at !== null && expires_at.getTime() <= idle ? expires_at : new Date(idle);
};

/** At and after the moment at which it ends by itself, a session has ended. No job has to run for that. */
export const isSessionActive = (session: SessionRow, now: Date): boolean => {
  const end = lapsesAt(session);
  return session.status === 'active' && (end === null || end.getTime() > now.getTime());
};

interface Deps {
  readonly db: Db;
  readonly seals: Seals;
  readonly clock: Clock;
}

const batches = { maxBatchSize: 256, concurrency: 2, isSharedFailure: isUnavailable };

/** The one answer to a credential that is not valid, whatever the cause. */
export const invalidCredential = (): KeyholdError =>
  new KeyholdError('unauthenticated', 'The access token is not valid. Log in again.');

const endedAtOf = (row: LoginRow | TokenRow): Date | null => ('revoked_at' in row ? row.revoked_at : row.ended_at);

type CredentialTable = 'logins' | 'tokens';

/** The credential with its user, or why it is not valid. Both rows are verified. */
const evaluate = <Row extends LoginRow | TokenRow>(
  row: Row,
  user: UserRow | undefined,
  now: Date,
): CredentialLookup<Row> => {
  if (!user) return { invalid: 'unknown', userId: null };
  // Disabling a user ends their credentials too; the record names the cause.
  if (user.status !== 'active') return { invalid: 'user_disabled', userId: user.id };
  if (endedAtOf(row) !== null) return { invalid: 'ended', userId: user.id };
  if (row.expires_at.getTime() <= now.getTime()) return { invalid: 'expired', userId: user.id };
  return { row, user, now };
};

export const createCallerState = ({ db, seals, clock }: Deps): CallerState => {
  /** Credentials with their users, as one statement saw them, and the later of the two clocks. */
  const lookUpAll = async <T extends CredentialTable>(
    handle: Db,
    table: T,
    ids: readonly string[],
    lock = false,
  ): Promise<CredentialLookup<Tables[T]>[]> => {
    const asked = [...new Set(ids)];
    const { dbNow, rows } = await readTogether(
      handle,
      sql`with c as (select * from ${sql.table(`public.${table}`)} where id = any(${asked}::uuid[]) ${lockClause(lock)}),
        u as (select * from public.users where id = any(array(select user_id from c)) ${lockClause(lock)})`,
      {
        credentials: { of: table, select: sql`select * from c` },
        users: { of: 'users', select: sql`select * from u` },
      },
    );
    const now = later(clock.now(), dbNow);
    const found = seals.verify(table, rows.credentials, { id: asked } as unknown as Asked<T>);
    const owners = seals.verify('users', rows.users, { id: found.map((row) => row.user_id) });
    const users = new Map(owners.map((user) => [user.id, user]));
    const states = found.map((row) => [row.id, evaluate(row, users.get(row.user_id), now)] as const);
    const byId = new Map<string, CredentialLookup<Tables[T]>>(states);
    return ids.map((id) => byId.get(id) ?? { invalid: 'unknown', userId: null });
  };

  const lookUp = async <T extends CredentialTable>(
    tx: Db,
    table: T,
    id: string,
    lock = false,
  ): Promise<CredentialLookup<Tables[T]>> =>
    (await lookUpAll(tx, table, [id], lock))[0] ?? { invalid: 'unknown', userId: null };

  const presence = async (handle: Db, userId: UserId, sessionId: SessionId, lock = false): Promise<Presence | null> => {
    const { dbNow, rows } = await readTogether(
      handle,
      sql`with s as (select * from public.sessions where id = ${sessionId} ${lockClause(lock)}),
        p as (select * from public.session_participants where session_id = any(array(select id from s))
          and user_id = ${userId} ${lockClause(lock)})`,
      {
        sessions: { of: 'sessions', select: sql`select * from s` },
        participants: { of: 'session_participants', select: sql`select * from p` },
      },
    );
    const [session] = seals.verify('sessions', rows.sessions, { id: sessionId });
    const key = { session_id: sessionId, user_id: userId };
    const [participant] = seals.verify('session_participants', rows.participants, key);
    if (!session || !participant || !isPresent(participant)) return null;
    return isSessionActive(session, later(clock.now(), dbNow)) ? { session, participant } : null;
  };

  const activeUser = (tx: Tx, userId: UserId): Promise<UserRow | null> =>
    seals.loadOne(tx, 'users', { id: userId, status: 'active' }, { lock: 'share' });

  const userOf = <Row>(found: CredentialLookup<Row>): UserRow | null => ('row' in found ? found.user : null);

  /** Locks the credential and its user and resolves to the user; null when either is no longer valid. */
  const lockCredential = async (tx: Tx, credential: Credential, userId: UserId): Promise<UserRow | null> => {
    switch (credential.kind) {
      case 'login':
        return userOf(await lookUp(tx, 'logins', credential.id, true));
      case 'token':
        return userOf(await lookUp(tx, 'tokens', credential.id, true));
      case 'issuer':
        return await activeUser(tx, userId);
      case 'operator':
        return null;
    }
  };

  /** True when the user's role no longer grants every permission that the request was let in with. */
  const hasLostPermissions = (caller: Caller, user: UserRow): boolean => {
    const given = new Set(permissionsOfRole(user.role));
    return [...caller.permissions].some((permission) => !given.has(permission));
  };

  const isStillPresent = async (tx: Tx, userId: UserId, session: VerifiedSessionId | null): Promise<boolean> =>
    session === null || (await presence(tx, userId, session, true)) !== null;

  return {
    login: createBatcher((ids) => mapDbErrors(lookUpAll(db, 'logins', ids)), batches),
    token: createBatcher((ids) => mapDbErrors(lookUpAll(db, 'tokens', ids)), batches),
    loginIn: (tx, id) => lookUp(tx, 'logins', id),
    presence: (db, userId, sessionId) => presence(db, userId, sessionId),
    lockPresence: async (tx, userId, sessionId) => (await presence(tx, userId, sessionId, true)) !== null,
    revalidate: async (tx, caller) => {
      // The operator has the root key and the database. No row lets them in, so none can be withdrawn.
      if (isOperator(caller)) return null;
      const user = await lockCredential(tx, caller.credential, caller.userId);
      if (user === null) return invalidCredential();
      if (hasLostPermissions(caller, user))
        return new KeyholdError('permission_missing', 'Your role no longer allows this.');
      return (await isStillPresent(tx, caller.userId, caller.session)) ? null : sessionNotJoined();
    },
  };
};
