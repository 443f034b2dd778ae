import { sql } from 'kysely';
import { type CallerState, invalidCredential, type Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, RequestOrigin } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { type LoginId, newId, type UserId } from '../core/ids.ts';
import { boundedText } from '../core/text.ts';
import { databaseNow } from '../db/checks.ts';
import { commitOrThrow, type Db, mapDbErrors, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { LoginRow, UserRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import { type Passwords, type Throttle, type Users, type UserView, viewOf } from '../users/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { RefreshToken, RefreshTokens } from './refresh-token.ts';

/** What a login or a refresh hands out. */
export interface Granted {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly refresh_token: string;
  readonly user: UserView;
}

export interface LoginView {
  readonly id: string;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly ip: string | null;
  readonly user_agent: string | null;
  readonly current: boolean;
}

export interface Logins {
  /** Throws login_failed for a wrong password, an unknown and a disabled user alike; rate_limited after too many. */
  login(origin: RequestOrigin, username: string, password: string): Promise<Granted>;
  /** Trades a refresh token for a new pair. One that was traded before ends the login: somebody else has it too. */
  refresh(origin: RequestOrigin, refreshToken: string): Promise<Granted>;
  /** Ends the login that asks. */
  logout(caller: Caller): Promise<void>;
  list(caller: Caller): Promise<readonly LoginView[]>;
  end(caller: Caller, id: LoginId): Promise<void>;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly callerState: CallerState;
  readonly users: Users;
  readonly passwords: Passwords;
  readonly throttle: Throttle;
  readonly accessTokens: AccessTokens;
  readonly refreshTokens: RefreshTokens;
  readonly refreshMs: number;
}

const loginFailed = (): KeyholdError => new KeyholdError('login_failed', 'Username or password is not right.');
const loginNeeded = (): KeyholdError =>
  new KeyholdError('permission_missing', 'Only a login may do this; a token may not.');

/** What the tokens of a login are made from. */
type GrantedLogin = Pick<LoginRow, 'id' | 'refresh_generation'>;

type FailedBecause = 'unknown_user' | 'wrong_password' | 'disabled';

export const createLogins = (deps: Deps): Logins => {
  const { db, clock, seals, audit, mutate, users, passwords, throttle, accessTokens, refreshTokens } = deps;

  const grant = async (login: GrantedLogin, user: UserRow): Promise<Granted> => {
    const { token, expiresInSeconds } = await accessTokens.sign({ userId: user.id, loginId: login.id });
    const refresh_token = refreshTokens.mint({ loginId: login.id, generation: login.refresh_generation });
    return {
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresInSeconds,
      refresh_token,
      user: viewOf(user),
    };
  };

  const insertLogin = async (tx: Tx, origin: RequestOrigin, user: UserRow): Promise<GrantedLogin> => {
    const now = later(clock.now(), await databaseNow(tx));
    // Never before an administrator's reset, whichever replica's clock is ahead: such a login must wait.
    const created_at = user.password_reset_at === null ? now : later(now, user.password_reset_at);
    const row: Unsealed<'logins'> = {
      id: newId<LoginId>(),
      user_id: user.id,
      refresh_generation: 0,
      created_at,
      expires_at: new Date(now.getTime() + deps.refreshMs),
      ended_at: null,
      ip: boundedText(origin.ip, 64),
      user_agent: boundedText(origin.userAgent, 256),
      last_used_at: now,
    };
    const entry = {
      action: 'login.create',
      target: { type: 'login', id: row.id },
      outcome: 'allowed',
      details: {},
    } as const;
    await audit.insert(tx, [{ table: 'logins', rows: [row] }], [{ actor: { origin, userId: user.id }, entry }]);
    return row;
  };

  const refuseLogin = async <T>(
    tx: Tx,
    origin: RequestOrigin,
    userId: UserId | null,
    reason: FailedBecause,
  ): Promise<Outcome<T>> => {
    const target = userId === null ? null : ({ type: 'user', id: userId } as const);
    return await audit.refuse(tx, { origin, userId }, 'login.refused', target, loginFailed(), reason);
  };

  const why = (user: UserRow | null, right: boolean): FailedBecause | null => {
    if (!user || user.status === 'erased') return 'unknown_user';
    if (!right) return 'wrong_password';
    return user.status === 'active' ? null : 'disabled';
  };

  const enter = (
    origin: RequestOrigin,
    before: UserRow | null,
    right: boolean,
  ): Promise<{ row: GrantedLogin; user: UserRow }> =>
    commitOrThrow(db, async (tx) => {
      const user = before && (await users.hold(tx, { userId: before.id }));
      const reason = why(before, right);
      if (reason !== null)
        return await refuseLogin<{ row: GrantedLogin; user: UserRow }>(tx, origin, before?.id ?? null, reason);
      if (!user || user.password_hash !== before?.password_hash)
        return await refuseLogin<{ row: GrantedLogin; user: UserRow }>(
          tx,
          origin,
          before?.id ?? null,
          'wrong_password',
        );
      const row = await insertLogin(tx, origin, user);
      return { ok: { row, user } };
    });

  const login: Logins['login'] = async (origin, username, password) => {
    const made = await throttle.attempt({ account: username }, origin.ip, async () => {
      const before = await mapDbErrors(users.byKey(db, username));
      const right = await passwords.verify(before?.password_hash ?? null, password);
      return { right: right && before?.status === 'active', work: () => enter(origin, before, right) };
    });
    return await grant(made.row, made.user);
  };

  const lockLogin = (tx: Tx, id: LoginId): Promise<LoginRow | null> =>
    seals.loadOne(tx, 'logins', { id }, { lock: 'update' });

  const endRow = async (tx: Tx, row: LoginRow): Promise<void> => {
    if (row.ended_at === null) await seals.update(tx, 'logins', row, { ended_at: clock.now() });
  };

  const refuseRefresh = (tx: Tx, origin: RequestOrigin, id: LoginId, userId: UserId | null, reason: string) =>
    audit.refuse(tx, { origin, userId }, 'login.refresh', { type: 'login', id }, invalidCredential(), reason);

  /** The next generation of a login, or its end when an old one is shown again. */
  const advance = async (
    tx: Tx,
    origin: RequestOrigin,
    read: RefreshToken,
  ): Promise<Outcome<{ row: GrantedLogin; user: UserRow }>> => {
    const row = await lockLogin(tx, read.loginId);
    const live = await deps.callerState.loginIn(tx, read.loginId);
    if (!row) return await refuseRefresh(tx, origin, read.loginId, null, 'unknown');
    if ('dead' in live) return await refuseRefresh(tx, origin, read.loginId, live.userId, live.dead);
    if (row.refresh_generation !== read.generation) {
      await endRow(tx, row);
      return await refuseRefresh(tx, origin, row.id, row.user_id, 'reused');
    }
    const expires_at = new Date(live.now.getTime() + deps.refreshMs);
    const newer = { refresh_generation: row.refresh_generation + 1, expires_at, last_used_at: live.now };
    const next = await seals.update(tx, 'logins', row, newer);
    const target = { type: 'login', id: row.id } as const;
    await audit.allow(tx, { origin, userId: row.user_id }, 'login.refresh', { target, details: {} });
    return { ok: { row: next, user: live.user } };
  };

  const refresh: Logins['refresh'] = async (origin, refreshToken) => {
    const read = refreshTokens.read(refreshToken);
    if (!read) throw invalidCredential();
    const made = await commitOrThrow(db, (tx) => advance(tx, origin, read));
    return await grant(made.row, made.user);
  };

  const recordEnd = (tx: Tx, caller: Caller, id: LoginId): Promise<void> =>
    audit.allow(tx, caller, 'login.end', { target: { type: 'login', id }, details: {} });

  const lockOwn = (tx: Tx, caller: Caller, id: LoginId): Promise<LoginRow | null> =>
    seals.loadOne(tx, 'logins', { id, user_id: caller.userId }, { lock: 'update' });

  /** Ending one's own login needs no more than the login itself, and works while a reset waits. */
  const endOwn = (caller: Caller, id: LoginId): Promise<void> =>
    commitOrThrow(db, async (tx) => {
      const row = await lockOwn(tx, caller, id);
      if (!row) return refusedWith(notFound());
      await endRow(tx, row);
      await recordEnd(tx, caller, id);
      return { ok: undefined };
    });

  const endAny = (caller: Caller, id: LoginId): Promise<void> =>
    mutate(caller, async (tx) => {
      const row = await lockOwn(tx, caller, id);
      if (!row) return await audit.refuse(tx, caller, 'login.end', { type: 'login', id }, notFound(), 'nothing');
      await endRow(tx, row);
      await recordEnd(tx, caller, id);
      return { ok: undefined };
    });

  const ownLogin = (caller: Caller): LoginId => {
    if (caller.credential.kind !== 'login') throw loginNeeded();
    return caller.credential.id;
  };

  return {
    login,
    refresh,
    logout: (caller) => endOwn(caller, ownLogin(caller)),
    list: async (caller) => {
      const asked = { user_id: caller.userId, ended_at: null };
      const rows = await mapDbErrors(seals.load(db, 'logins', asked, { orderBy: sql`id desc`, limit: 200 }));
      const now = clock.now().getTime();
      const live = rows.filter((row) => row.expires_at.getTime() > now);
      return live.map((row) => ({
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        ip: row.ip,
        user_agent: row.user_agent,
        current: caller.credential.kind === 'login' && caller.credential.id === row.id,
      }));
    },
    end: (caller, id) =>
      caller.credential.kind === 'login' && caller.credential.id === id ? endOwn(caller, id) : endAny(caller, id),
  };
};
