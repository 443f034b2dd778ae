import { type CallerState, invalidCredential } from '../access/index.ts';
import type { Audit, AuditReason } from '../audit/index.ts';
import type { RequestOrigin } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { LoginId, UserId } from '../core/ids.ts';
import { commitOrThrow, type Db, type Outcome, type Tx } from '../db/database.ts';
import type { Seals } from '../keys/index.ts';
import type { AuthQueries } from './queries.ts';
import type { RefreshToken, RefreshTokens } from './refresh-token.ts';
import type { CommittedLogin, IssueTokens, TokenResponse } from './token-response.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly callerState: Pick<CallerState, 'loginIn'>;
  readonly queries: Pick<AuthQueries, 'lockLogin'>;
  readonly refreshTokens: RefreshTokens;
  readonly issueTokens: IssueTokens;
  /** How long a login lasts after its last refresh, in milliseconds. */
  readonly refreshMs: number;
}

/**
 * Exchanges a refresh token for a new pair of tokens. A token that was exchanged before ends the login, since two parties
 * have it then. Throws the same `unauthenticated` for every token that is not accepted.
 */
export const createRefresh = (deps: Deps) => {
  const { db, clock, seals, audit, callerState, queries, refreshTokens, issueTokens, refreshMs } = deps;

  const refuse = (tx: Tx, origin: RequestOrigin, id: LoginId, userId: UserId | null, reason: AuditReason) => {
    const target = { type: 'login', id } as const;
    return audit.refuse(tx, { origin, userId }, 'login.refresh', { target, error: invalidCredential(), reason });
  };

  /** Moves the login to its next generation, or ends it if the token is of an earlier one. */
  const advance = async (tx: Tx, origin: RequestOrigin, token: RefreshToken): Promise<Outcome<CommittedLogin>> => {
    const row = await queries.lockLogin(tx, token.loginId);
    const valid = await callerState.loginIn(tx, token.loginId);
    if (!row) return await refuse(tx, origin, token.loginId, null, 'unknown');
    if ('invalid' in valid) return await refuse(tx, origin, row.id, valid.userId, valid.invalid);
    if (row.refresh_generation !== token.generation) {
      await seals.update(tx, 'logins', row, { ended_at: clock.now() });
      return await refuse(tx, origin, row.id, row.user_id, 'reused');
    }
    const { user, now } = valid;
    const login = await seals.update(tx, 'logins', row, {
      refresh_generation: row.refresh_generation + 1,
      root_key_id: refreshTokens.rootKeyId(),
      // By the service's own time: a database whose clock is ahead must not make it last longer.
      expires_at: new Date(clock.now().getTime() + refreshMs),
      last_used_at: now,
    });
    const target = { type: 'login', id: row.id } as const;
    await audit.allow(tx, { origin, userId: row.user_id }, 'login.refresh', { target, details: {} });
    return { ok: { login, user } };
  };

  return async (origin: RequestOrigin, text: string): Promise<TokenResponse> => {
    const token = refreshTokens.read(text);
    if (!token) throw invalidCredential();
    return await issueTokens(await commitOrThrow(db, (tx) => advance(tx, origin, token)));
  };
};
