import { type RawBuilder, sql } from 'kysely';
import { createBatcher } from '../core/batch.ts';
import { type Caller, type Credential, isOperator } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { permissionsOfRole } from '../core/permissions.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import { joinedColumns, joinedRow } from '../db/joined.ts';
import { type JsonRow, jsonArray, rowOfJson } from '../db/json-rows.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { LoginRow, ParticipantRow, SessionRow, Tables, TokenRow, UserRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** A credential's own row with its user's, both sealed and in force at `now`, the later of the two clocks. */
export interface LiveCredential<Row> {
  readonly row: Row;
  readonly user: UserRow;
  readonly now: Date;
}

/** Why a credential gives nothing. `unknown` is also a broken seal: no row is better than one that was forged. */
export type DeadCredential = 'unknown' | 'ended' | 'expired' | 'user_disabled';

export type CredentialLookup<Row> =
  | LiveCredential<Row>
  | { readonly dead: DeadCredential; readonly userId: UserId | null };

/** A session of work that the user is present in, by its verified id. */
export interface Presence {
  readonly session: SessionRow;
  readonly participant: ParticipantRow;
}

export interface CallerState {
  /** The credential as it is now; what several requests ask at once is read in one statement, begun after they came. */
  login(id: string): Promise<CredentialLookup<LoginRow>>;
  token(id: string): Promise<CredentialLookup<TokenRow>>;
  /** As `login`, within a change, on a row that is locked already. */
  loginIn(tx: Tx, id: string): Promise<CredentialLookup<LoginRow>>;
  /** The session, when it is active and the user is a present participant; else null, whatever the cause. */
  presence(db: Db, userId: UserId, sessionId: SessionId): Promise<Presence | null>;
  /** As `presence`, and holds session and participant still until the transaction ends. */
  lockPresence(tx: Tx, userId: UserId, sessionId: SessionId): Promise<boolean>;
  /**
   * Looks at the caller's credential, user and session again and holds them still until the transaction ends. Resolves to
   * the refusal when any of them was taken away since the request began: the write must then not happen.
   */
  revalidate(tx: Tx, caller: Caller): Promise<KeyholdError | null>;
}

type Joined = Record<string, unknown> & { db_now: Date };

const shareLock = (lock: boolean, tables: string): RawBuilder<unknown> => sql.raw(lock ? `for share of ${tables}` : '');

export const isSessionActive = (session: SessionRow, now: Date): boolean =>
  session.status === 'active' && (session.expires_at === null || session.expires_at.getTime() > now.getTime());

interface Deps {
  readonly db: Db;
  readonly seals: Seals;
  readonly clock: Clock;
}

interface CredentialsJson {
  readonly now: string;
  readonly credentials: readonly JsonRow[];
  readonly users: readonly JsonRow[];
}

const together = { maxBatchSize: 256, concurrency: 2, isSharedFailure: isUnavailable };

/** The one answer to a credential that gives nothing, whatever the cause. */
export const invalidCredential = (): KeyholdError =>
  new KeyholdError('unauthenticated', 'The access token is not valid. Log in again.');

const endOf = (row: LoginRow | TokenRow): Date | null => ('revoked_at' in row ? row.revoked_at : row.ended_at);

export const createCallerState = ({ db, seals, clock }: Deps): CallerState => {
  const liveUser = (user: UserRow | null): user is UserRow => user !== null && seals.holds('users', user);

  const evaluate = <Row extends LoginRow | TokenRow>(
    row: Row | null,
    holds: boolean,
    user: UserRow | null,
    now: Date,
  ): CredentialLookup<Row> => {
    if (row === null || !holds || !liveUser(user) || user.id !== row.user_id) return { dead: 'unknown', userId: null };
    if (endOf(row) !== null) return { dead: 'ended', userId: user.id };
    if (row.expires_at.getTime() <= now.getTime()) return { dead: 'expired', userId: user.id };
    return user.status === 'active' ? { row, user, now } : { dead: 'user_disabled', userId: user.id };
  };

  const lookUp = async <T extends 'logins' | 'tokens'>(
    db: Db,
    table: T,
    id: string,
    lock = false,
  ): Promise<CredentialLookup<Tables[T]>> => {
    const { rows } = await sql<Joined>`select ${joinedColumns(table, 'c')}, ${joinedColumns('users', 'u')},
      clock_timestamp() as db_now from ${sql.table(table)} c join users u on u.id = c.user_id
      where c.id = ${id} ${shareLock(lock, 'c, u')}`.execute(db);
    const row = rows[0] ? joinedRow(rows[0], table, 'c') : null;
    const user = rows[0] ? joinedRow(rows[0], 'users', 'u') : null;
    const now = later(clock.now(), rows[0]?.db_now ?? clock.now());
    return evaluate(row, row !== null && seals.holds(table, row), user, now);
  };

  const lookUpAll = async <T extends 'logins' | 'tokens'>(
    table: T,
    ids: readonly string[],
  ): Promise<CredentialLookup<Tables[T]>[]> => {
    const { rows } = await sql<{ found: CredentialsJson }>`
      with c as (select * from ${sql.table(table)} where id = any(${[...new Set(ids)]}::uuid[]))
      select json_build_object('now', clock_timestamp(), 'credentials', ${jsonArray(sql`select * from c`)},
        'users', ${jsonArray(sql`select * from users where id = any(array(select user_id from c))`)}) as found`.execute(
      db,
    );
    const found = rows[0]?.found ?? { now: '', credentials: [], users: [] };
    const now = later(clock.now(), new Date(found.now));
    const users = new Map(found.users.map((row) => rowOfJson('users', row)).map((row) => [row.id, row]));
    const evaluated = found.credentials.map((json) => {
      const row = rowOfJson(table, json);
      return [row.id as string, evaluate(row, seals.holds(table, row), users.get(row.user_id) ?? null, now)] as const;
    });
    const byId = new Map<string, CredentialLookup<Tables[T]>>(evaluated);
    return ids.map((id) => byId.get(id) ?? { dead: 'unknown', userId: null });
  };

  const presence = async (db: Db, userId: UserId, sessionId: SessionId, lock = false): Promise<Presence | null> => {
    const { rows } =
      await sql<Joined>`select ${joinedColumns('sessions', 's')}, ${joinedColumns('session_participants', 'p')},
      clock_timestamp() as db_now from sessions s join session_participants p on p.session_id = s.id
      where s.id = ${sessionId} and p.user_id = ${userId} ${shareLock(lock, 's, p')}`.execute(db);
    const session = rows[0] ? joinedRow(rows[0], 'sessions', 's') : null;
    const participant = rows[0] ? joinedRow(rows[0], 'session_participants', 'p') : null;
    if (!rows[0] || !session || !participant) return null;
    const intact = seals.holds('sessions', session) && seals.holds('session_participants', participant);
    const now = later(clock.now(), rows[0].db_now);
    return intact && isSessionActive(session, now) && participant.left_at === null ? { session, participant } : null;
  };

  const activeUser = async (tx: Tx, userId: UserId): Promise<UserRow | null> => {
    const { rows } = await sql<UserRow>`select * from users where id = ${userId} for share`.execute(tx);
    const user = rows[0] ?? null;
    return liveUser(user) && user.status === 'active' ? user : null;
  };

  const userOf = <Row>(found: CredentialLookup<Row>): UserRow | null => ('row' in found ? found.user : null);

  /** The user behind a credential that stands, both held; null when either was taken away. */
  const holdCredential = async (tx: Tx, credential: Credential, userId: UserId): Promise<UserRow | null> => {
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

  /** True when the user's role no longer gives everything that the request was let in with. */
  const hasLost = (caller: Caller, user: UserRow): boolean => {
    const given = new Set(permissionsOfRole(user.role));
    return [...caller.permissions].some((permission) => !given.has(permission));
  };

  const sessionStands = async (tx: Tx, userId: UserId, session: VerifiedSessionId | null): Promise<boolean> =>
    session === null || (await presence(tx, userId, session, true)) !== null;

  return {
    login: createBatcher((ids) => mapDbErrors(lookUpAll('logins', ids)), together),
    token: createBatcher((ids) => mapDbErrors(lookUpAll('tokens', ids)), together),
    loginIn: (tx, id) => lookUp(tx, 'logins', id),
    presence: (db, userId, sessionId) => presence(db, userId, sessionId),
    lockPresence: async (tx, userId, sessionId) => (await presence(tx, userId, sessionId, true)) !== null,
    revalidate: async (tx, caller) => {
      // Whoever holds the root key and the database needs no row to stand by; nothing of it can be taken away.
      if (isOperator(caller)) return null;
      const user = await holdCredential(tx, caller.credential, caller.userId);
      if (user === null) return invalidCredential();
      if (hasLost(caller, user)) return new KeyholdError('permission_missing', 'Your role no longer allows this.');
      return (await sessionStands(tx, caller.userId, caller.session)) ? null : sessionNotJoined();
    },
  };
};
