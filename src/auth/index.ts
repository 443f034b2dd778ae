import type { CallerState, Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Seals } from '../keys/index.ts';
import type { Passwords, Throttle, Users } from '../users/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import { createLogin } from './login.ts';
import { createLoginList } from './logins.ts';
import { createQueries } from './queries.ts';
import { createRefresh } from './refresh.ts';
import type { RefreshTokens } from './refresh-token.ts';
import { createIssueTokens } from './token-response.ts';

export { type AccessTokens, createAccessTokens } from './access-tokens.ts';
export { createAuthenticate } from './authenticate.ts';
export { createExternalTokens } from './external/tokens.ts';
export { createExternalUsers } from './external/users.ts';
export { createRefreshTokens } from './refresh-token.ts';
export { createStillValid } from './still-valid.ts';
export { createTokens, type Tokens } from './tokens.ts';
export { createCredentialWithdrawals } from './withdraw.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
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

/** Logins with a password, and the tokens that follow from them. */
export type Logins = ReturnType<typeof createLogins>;

export const createLogins = (deps: Deps) => {
  const { db, clock, now, seals, audit, mutate, callerState, users, passwords, throttle, refreshMs } = deps;
  const { accessTokens, refreshTokens } = deps;
  const queries = createQueries(seals);
  const issueTokens = createIssueTokens({ accessTokens, refreshTokens });
  return {
    login: createLogin({
      db,
      clock,
      now,
      seals,
      audit,
      users,
      passwords,
      throttle,
      issueTokens,
      refreshTokens,
      refreshMs,
    }),
    refresh: createRefresh({ db, clock, seals, audit, callerState, queries, refreshTokens, issueTokens, refreshMs }),
    ...createLoginList({ db, clock, seals, audit, mutate, queries }),
  };
};
