import type { Audit } from '../audit/index.ts';
import type { RequestOrigin } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { type LoginId, newId } from '../core/ids.ts';
import { boundedText } from '../core/text.ts';
import { commitOrThrow, type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import type { Passwords, Throttle, Users } from '../users/index.ts';
import { createNewPlace } from './new-place.ts';
import type { RefreshTokens } from './refresh-token.ts';
import type { CommittedLogin, IssueTokens, TokenResponse } from './token-response.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Pick<Seals, 'load'>;
  readonly audit: Audit;
  readonly users: Pick<Users, 'byKey' | 'lockActive'>;
  readonly passwords: Passwords;
  readonly throttle: Throttle;
  readonly issueTokens: IssueTokens;
  readonly refreshTokens: RefreshTokens;
  /** How long a login lasts after its last refresh, in milliseconds. */
  readonly refreshMs: number;
}

/**
 * Logs in with a password. Throws the same `login_failed` for a wrong password, an unknown user and a disabled one, and
 * `rate_limited` after too many failures.
 */
export const createLogin = (deps: Deps) => {
  const { db, clock, now, seals, audit, users, passwords, throttle, issueTokens, refreshTokens, refreshMs } = deps;

  const newPlace = createNewPlace(seals);

  const insert = async (tx: Tx, origin: RequestOrigin, user: UserRow): Promise<CommittedLogin> => {
    const expires_at = new Date(clock.now().getTime() + refreshMs);
    const root_key_id = refreshTokens.rootKeyId();
    const login = { ...newLogin(origin, user, await now(tx)), expires_at, root_key_id };
    const entry = {
      action: 'login.create',
      target: { type: 'login', id: login.id },
      outcome: 'allowed',
      details: {},
      tells: await newPlace(tx, login),
    } as const;
    await audit.insert(tx, [{ table: 'logins', rows: [login] }], [{ actor: { origin, userId: user.id }, entry }]);
    return { login, user };
  };

  const commit = (origin: RequestOrigin, verified: VerifiedPassword): Promise<CommittedLogin> =>
    commitOrThrow(db, async (tx): Promise<Outcome<CommittedLogin>> => {
      const { user: before } = verified;
      const user = before && (await users.lockActive(tx, { userId: before.id }));
      // The user may have been disabled, or the password changed, since it was verified.
      const unchanged = user !== null && user.password_hash === before?.password_hash;
      const reason = failureOf(verified);
      if (reason === null && unchanged) return { ok: await insert(tx, origin, user) };
      const actor = { origin, userId: before?.id ?? null };
      const target = before && ({ type: 'user', id: before.id } as const);
      return await audit.refuse(tx, actor, 'login.refused', {
        target,
        error: loginFailed(),
        reason: reason ?? 'wrong_password',
      });
    });

  return async (origin: RequestOrigin, username: string, password: string): Promise<TokenResponse> => {
    const committed = await throttle.attempt({ account: username }, origin.ip, async () => {
      const user = await mapDbErrors(users.byKey(db, username));
      const right = await passwords.verify(user?.password_hash ?? null, password);
      return { right: right && user?.status === 'active', work: () => commit(origin, { user, right }) };
    });
    return await issueTokens(committed);
  };
};

/** The user of a name, if any, and whether the password was theirs. */
interface VerifiedPassword {
  readonly user: UserRow | null;
  readonly right: boolean;
}

const failureOf = ({ user, right }: VerifiedPassword): 'unknown_user' | 'wrong_password' | 'disabled' | null => {
  if (!user || user.status === 'erased') return 'unknown_user';
  if (!right) return 'wrong_password';
  return user.status === 'active' ? null : 'disabled';
};

const loginFailed = (): KeyholdError => new KeyholdError('login_failed', 'The username or the password is wrong.');

const newLogin = (
  origin: RequestOrigin,
  user: UserRow,
  now: Date,
): Omit<Unsealed<'logins'>, 'expires_at' | 'root_key_id'> => ({
  id: newId<LoginId>(),
  user_id: user.id,
  refresh_generation: 0,
  // Not before an administrator's reset of the password, even if another replica's clock is ahead: it has to wait.
  created_at: user.password_reset_at === null ? now : later(now, user.password_reset_at),
  ended_at: null,
  ip: boundedText(origin.ip, 64),
  user_agent: boundedText(origin.userAgent, 256),
  last_used_at: now,
});
