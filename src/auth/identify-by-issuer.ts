import type { SessionClaim } from '../core/caller.ts';
import { type Permission, permissionsBeyondSession, permissionsOfRole } from '../core/permissions.ts';
import type { UserRow } from '../db/tables/index.ts';
import { versionOf } from '../keys/index.ts';
import type { ExternalIdentity } from './external/identity.ts';
import type { ExternalTokens } from './external/tokens.ts';
import type { ExternalUsers } from './external/users.ts';
import type { Identify } from './principal.ts';

interface Deps {
  readonly externalTokens: ExternalTokens;
  readonly externalUsers: ExternalUsers;
}

/** By a token of an external issuer: the user whom its subject is here. */
export const createIdentifyByIssuer =
  ({ externalTokens, externalUsers }: Deps): Identify =>
  async (origin, token) => {
    const identity = await externalTokens.verify(token);
    const user = await externalUsers.userOf(origin, identity);
    return {
      user,
      credential: { kind: 'issuer', issuer: identity.issuer.issuer },
      agent: identity.agent,
      permissions: permissionsOf(user, identity),
      sessionName: identity.sessionName,
      sessionIssuer: identity.issuer.sessionClaim === null ? null : identity.issuer.issuer,
      claim: claimOf(identity),
      waiting: false,
      verifiedRows: [versionOf('users', user)],
      expiresAt: null,
    };
  };

const claimOf = ({ sessionName, issuedAt }: ExternalIdentity): SessionClaim | null =>
  sessionName === null ? null : { name: sessionName, issuedAt };

/** A person has all permissions of their role. An agent that the issuer binds to a session is kept to that session. */
const permissionsOf = (user: UserRow, { agent, sessionName }: ExternalIdentity): ReadonlySet<Permission> => {
  const permissions = permissionsOfRole(user.role);
  if (agent === null || sessionName === null) return new Set(permissions);
  return new Set(permissions.filter((permission) => !permissionsBeyondSession.has(permission)));
};
