import { type Authenticate, type CallerState, invalidCredential } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, RequestOrigin } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { sessionNotJoined } from '../core/errors.ts';
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
  readonly sessions: Pick<Sessions, 'enterNamed'>;
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

  return async ({ origin, token, sessionName }, outsideSession) => {
    const principal = await identify(origin, token);
    const caller = callerOf(principal, origin);
    const names = [principal.sessionName, sessionName].filter((name) => name !== null);
    if (names.length === 0) return caller;
    const session = await sessions.enterNamed(caller, names);
    if (session !== null) return { ...caller, session };
    if (outsideSession && !isBoundToken(principal))
      return { ...caller, sessionNames: { ...caller.sessionNames, unverified: names } };
    const refused = sessionNotJoined();
    await audit.recordAlone(db, caller, { action: 'session.refused', outcome: 'refused', reason: refused.code });
    throw refused;
  };
};

/** A token of ours that is bound to a session does nothing at all outside of it. */
const isBoundToken = ({ credential, sessionName }: Principal): boolean =>
  credential.kind === 'token' && sessionName !== null;

const callerOf = ({ user, sessionName, sessionIssuer, claim, ...rest }: Principal, origin: RequestOrigin): Caller => ({
  ...rest,
  userId: user.id,
  role: user.role,
  session: null,
  boundToSession: sessionName !== null,
  sessionNames: { issuer: sessionIssuer, claim, unverified: [] },
  origin,
});
