import { type CallerState, type DeadCredential, invalidCredential, type LiveCredential } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, Credential, RequestOrigin } from '../core/caller.ts';
import { KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import { type Permission, permissionsOfRole } from '../core/permissions.ts';
import type { RowVersion } from '../core/row-version.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { LoginRow, TokenRow, UserRow } from '../db/tables/index.ts';
import { versionOf } from '../keys/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { ExternalIdentity } from './external/identity.ts';
import type { ExternalTokens } from './external/tokens.ts';
import type { ExternalUsers } from './external/users.ts';
import { readJwtForm } from './jwt-form.ts';
import { matchesHash, readToken, tokenPrefix } from './token-text.ts';

/** What a request brings to say who asks. */
export interface Presented {
  readonly origin: RequestOrigin;
  /** The bearer token, without the scheme. */
  readonly token: string;
  /** The session that the request names by X-Session-Id; null where it names none. */
  readonly sessionName: string | null;
}

/** Makes a Caller of a request, afresh each time. Throws unauthenticated, or session_not_joined for any session that isn't. */
export type Authenticate = (presented: Presented) => Promise<Caller>;

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly callerState: CallerState;
  readonly sessions: Sessions;
  readonly accessTokens: AccessTokens;
  readonly externalTokens: ExternalTokens;
  readonly externalUsers: ExternalUsers;
}

/** Who it is, before the session is looked at. `sessionName` is the credential's own. */
interface Identified {
  readonly user: UserRow;
  readonly credential: Credential;
  readonly agent: string | null;
  readonly permissions: ReadonlySet<Permission>;
  readonly sessionName: string | null;
  readonly waiting: boolean;
  readonly verifiedRows: readonly RowVersion[];
  readonly expiresAt: Date | null;
}

const usedEveryMs = 60_000;

/** A reset waits for whoever got in after it; earlier logins and tokens are the user's own and go on. */
const isWaiting = (user: UserRow, credentialMade: Date, now: Date): boolean =>
  user.secrets_from !== null &&
  user.password_reset_at !== null &&
  user.secrets_from.getTime() > now.getTime() &&
  credentialMade.getTime() >= user.password_reset_at.getTime();

/** A person has all that their role allows; an agent that an issuer sends into a session keeps to that session. */
const externalPermissions = (user: UserRow, { agent, sessionName }: ExternalIdentity): ReadonlySet<Permission> => {
  const keptIn = agent !== null && sessionName !== null;
  return new Set(
    permissionsOfRole(user.role).filter(
      (permission) => !(keptIn && (permission === 'secrets:own' || permission === 'admin')),
    ),
  );
};

export const createAuthenticate = (deps: Deps): Authenticate => {
  const { db, audit, callerState, sessions, accessTokens, externalTokens, externalUsers } = deps;

  /** A credential that was real once is refused on the record; garbage is not worth a row. */
  const refuseDead = async (
    origin: RequestOrigin,
    action: 'login.refused' | 'token.refused',
    userId: UserId | null,
    reason: DeadCredential,
  ): Promise<never> => {
    if (userId !== null) await audit.recordAlone(db, { origin, userId }, { action, outcome: 'refused', reason });
    throw invalidCredential();
  };

  const noteUse = async (table: 'logins' | 'tokens', row: LoginRow | TokenRow, now: Date): Promise<void> => {
    if (row.last_used_at !== null && now.getTime() - row.last_used_at.getTime() < usedEveryMs) return;
    await mapDbErrors(
      db
        .updateTable(table)
        .set({ last_used_at: now })
        .where('id', '=', row.id as never)
        .execute(),
    );
  };

  const byLogin = async (origin: RequestOrigin, token: string): Promise<Identified> => {
    const { userId, loginId } = await accessTokens.verify(token);
    const found = await callerState.login(loginId);
    if ('dead' in found) return await refuseDead(origin, 'login.refused', found.userId, found.dead);
    if (found.user.id !== userId) throw invalidCredential();
    await noteUse('logins', found.row, found.now);
    return {
      user: found.user,
      credential: { kind: 'login', id: found.row.id },
      agent: null,
      permissions: new Set(permissionsOfRole(found.user.role)),
      sessionName: null,
      waiting: isWaiting(found.user, found.row.created_at, found.now),
      verifiedRows: [versionOf('logins', found.row), versionOf('users', found.user)],
      expiresAt: found.row.expires_at,
    };
  };

  const ofToken = ({ row, user, now }: LiveCredential<TokenRow>): Identified => {
    const own = new Set(row.permissions);
    return {
      user,
      credential: { kind: 'token', id: row.id },
      agent: row.agent,
      permissions: new Set(permissionsOfRole(user.role).filter((permission) => own.has(permission))),
      sessionName: row.session_id,
      waiting: isWaiting(user, row.created_at, now),
      verifiedRows: [versionOf('tokens', row), versionOf('users', user)],
      expiresAt: row.expires_at,
    };
  };

  const byToken = async (origin: RequestOrigin, token: string): Promise<Identified> => {
    const id = readToken(token);
    if (id === null) throw invalidCredential();
    const found = await callerState.token(id);
    if ('dead' in found) return await refuseDead(origin, 'token.refused', found.userId, found.dead);
    if (!matchesHash(token, found.row.token_hash)) throw invalidCredential();
    await noteUse('tokens', found.row, found.now);
    return ofToken(found);
  };

  const byIssuer = async (origin: RequestOrigin, token: string): Promise<Identified> => {
    const identity = await externalTokens.verify(token);
    const user = await externalUsers.userOf(origin, identity);
    return {
      user,
      credential: { kind: 'issuer', issuer: identity.issuer.issuer },
      agent: identity.agent,
      permissions: externalPermissions(user, identity),
      sessionName: identity.sessionName,
      waiting: false,
      verifiedRows: [versionOf('users', user)],
      expiresAt: null,
    };
  };

  const identify = async (origin: RequestOrigin, token: string): Promise<Identified> => {
    if (token.startsWith(tokenPrefix)) return await byToken(origin, token);
    const form = readJwtForm(token);
    if (!form) throw invalidCredential();
    return externalTokens.isExternal(form) ? await byIssuer(origin, token) : await byLogin(origin, token);
  };

  /** The session of this request: the credential's, the header's, or none. Both, and they are the same one. */
  const sessionOf = async (
    userId: UserId,
    own: string | null,
    named: string | null,
  ): Promise<VerifiedSessionId | null> => {
    const names = [own, named].filter((name) => name !== null);
    const found = await Promise.all(names.map((name) => sessions.verify(db, userId, name)));
    const [first = null, second = first] = found;
    if (found.includes(null) || first !== second) throw sessionNotJoined();
    return first;
  };

  const withSession = async (presented: Presented, who: Identified): Promise<Caller> => {
    const caller: Caller = {
      userId: who.user.id,
      role: who.user.role,
      agent: who.agent,
      credential: who.credential,
      permissions: who.permissions,
      session: null,
      boundToSession: who.sessionName !== null,
      waiting: who.waiting,
      verifiedRows: who.verifiedRows,
      expiresAt: who.expiresAt,
      origin: presented.origin,
    };
    try {
      return { ...caller, session: await sessionOf(caller.userId, who.sessionName, presented.sessionName) };
    } catch (error) {
      if (!(error instanceof KeyholdError) || error.code !== 'session_not_joined') throw error;
      await audit.recordAlone(db, caller, {
        action: 'session.refused',
        outcome: 'refused',
        reason: 'session_not_joined',
      });
      throw error;
    }
  };

  return async (presented) => await withSession(presented, await identify(presented.origin, presented.token));
};
