import { type CallerState, invalidCredential, type ValidCredential } from '../access/index.ts';
import type { Clock } from '../core/clock.ts';
import { permissionsOfRole } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import type { TokenRow } from '../db/tables/index.ts';
import { versionOf } from '../keys/index.ts';
import { type Identify, isWaiting, type Principal } from './principal.ts';
import { noteUse } from './queries.ts';
import type { RefuseCredential } from './refuse-credential.ts';
import { matchesHash, readToken } from './token-text.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly callerState: Pick<CallerState, 'token'>;
  readonly refuseCredential: RefuseCredential;
}

/** By a personal or agent token: its user, with those of the token's permissions that the user's role has too. */
export const createIdentifyByToken =
  ({ db, clock, callerState, refuseCredential }: Deps): Identify =>
  async (origin, token) => {
    const id = readToken(token);
    if (id === null) throw invalidCredential();
    const found = await callerState.token(id);
    if ('invalid' in found) return await refuseCredential(origin, { action: 'token.refused', ...found });
    if (!matchesHash(token, found.row.token_hash)) throw invalidCredential();
    await noteUse(db, 'tokens', found.row, found.now);
    return principalOf(found, clock.now());
  };

const principalOf = ({ row, user }: ValidCredential<TokenRow>, now: Date): Principal => {
  const granted = new Set(row.permissions);
  return {
    user,
    credential: { kind: 'token', id: row.id },
    agent: row.agent,
    permissions: new Set(permissionsOfRole(user.role).filter((permission) => granted.has(permission))),
    sessionName: row.session_id,
    sessionIssuer: null,
    claim: null,
    waiting: isWaiting(user, row.created_at, now),
    verifiedRows: [versionOf('tokens', row), versionOf('users', user)],
    expiresAt: row.expires_at,
  };
};
