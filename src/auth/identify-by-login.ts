import { type CallerState, invalidCredential } from '../access/index.ts';
import type { Clock } from '../core/clock.ts';
import { permissionsOfRole } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import { versionOf } from '../keys/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import { type Identify, isWaiting } from './principal.ts';
import { noteUse } from './queries.ts';
import type { RefuseCredential } from './refuse-credential.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly callerState: Pick<CallerState, 'login'>;
  readonly accessTokens: AccessTokens;
  readonly refuseCredential: RefuseCredential;
}

/** By an access token of ours: the user of the login that it names, with all permissions of their role. */
export const createIdentifyByLogin =
  ({ db, clock, callerState, accessTokens, refuseCredential }: Deps): Identify =>
  async (origin, token) => {
    const { userId, loginId } = await accessTokens.verify(token);
    const found = await callerState.login(loginId);
    if ('invalid' in found) return await refuseCredential(origin, { action: 'login.refused', ...found });
    const { row, user, now } = found;
    if (user.id !== userId) throw invalidCredential();
    await noteUse(db, 'logins', row, now);
    return {
      user,
      credential: { kind: 'login', id: row.id },
      agent: null,
      permissions: new Set(permissionsOfRole(user.role)),
      sessionName: null,
      sessionIssuer: null,
      claim: null,
      waiting: isWaiting(user, row.created_at, clock.now()),
      verifiedRows: [versionOf('logins', row), versionOf('users', user)],
      expiresAt: row.expires_at,
    };
  };
