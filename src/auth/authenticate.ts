import { type Authenticate, type CallerState, invalidCredential } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, RequestOrigin } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { sessionNotJoined } from '../core/errors.ts';
import type { VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { Sessions } from '../sessions/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { ExternalTokens } from './external/tokens.ts';
import type { ExternalUsers } from './external/users.ts';
import { createIdentifyByIssuer } from './identify-by-issuer.ts';
import { createIdentifyByLogin } from './identify-by-login.ts';
import { createIdentifyByToken } from './identify-by-token.ts';
import { readJwtForm } from './jwt-form.ts';
import type { Identify, Principal } from './principal.ts';
import { createRefuseCredential } from './refuse-credential.ts';
import { tokenPrefix } from './token-text.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly callerState: CallerState;
  readonly sessions: Pick<Sessions, 'verify'>;
  readonly accessTokens: AccessTokens;
  readonly externalTokens: ExternalTokens;
  readonly externalUsers: ExternalUsers;
}

export const createAuthenticate = (deps: Deps): Authenticate => {
  const { db, clock, audit, callerState, sessions, accessTokens, externalTokens, externalUsers } = deps;
  const refuseCredential = createRefuseCredential({ db, audit });
  const byToken = createIdentifyByToken({ db, clock, callerState, refuseCredential });
  const byLogin = createIdentifyByLogin({ db, clock, callerState, accessTokens, refuseCredential });
  const byIssuer = createIdentifyByIssuer({ externalTokens, externalUsers });

  const identify: Identify = async (origin, token) => {
    if (token.startsWith(tokenPrefix)) return await byToken(origin, token);
    const form = readJwtForm(token);
    if (!form) throw invalidCredential();
    return externalTokens.isExternal(form) ? await byIssuer(origin, token) : await byLogin(origin, token);
  };

  /** The session of these names, which may be none; null as well unless each of them means the same verified session. */
  const verifyAll = async (caller: Caller, names: readonly string[]): Promise<VerifiedSessionId | null> => {
    const [first = null, ...others] = await Promise.all(names.map((name) => sessions.verify(db, caller.userId, name)));
    return others.every((other) => other === first) ? first : null;
  };

  return async ({ origin, token, sessionName }) => {
    const principal = await identify(origin, token);
    const caller = callerOf(principal, origin);
    const names = [principal.sessionName, sessionName].filter((name) => name !== null);
    if (names.length === 0) return caller;
    const session = await verifyAll(caller, names);
    if (session !== null) return { ...caller, session };
    const refused = sessionNotJoined();
    await audit.recordAlone(db, caller, { action: 'session.refused', outcome: 'refused', reason: refused.code });
    throw refused;
  };
};

const callerOf = ({ user, sessionName, ...rest }: Principal, origin: RequestOrigin): Caller => ({
  ...rest,
  userId: user.id,
  role: user.role,
  session: null,
  boundToSession: sessionName !== null,
  origin,
});
