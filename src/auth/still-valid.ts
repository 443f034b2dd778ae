import type { CallerState } from '../access/index.ts';
import { createBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { type Permission, permissionsOfRole } from '../core/permissions.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { ExternalTokens } from './external/tokens.ts';
import { isWaiting } from './principal.ts';

/** A caller who was let in a while ago, and whose request still goes on. */
export interface LongCaller {
  readonly caller: Caller;
  /** The token of the request. */
  readonly token: string;
}

/**
 * Whether this caller would be let in again now: the same token, user and session, with this permission, and not waiting.
 * Questions that are asked together share their statements. Rejects with `unavailable` where that cannot be decided.
 */
export type StillValid = (long: LongCaller, permission: Permission) => Promise<boolean>;

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly callerState: Pick<CallerState, 'login' | 'token'>;
  readonly users: Pick<Users, 'active'>;
  readonly sessions: Pick<Sessions, 'presences'>;
  readonly accessTokens: Pick<AccessTokens, 'verify'>;
  readonly externalTokens: Pick<ExternalTokens, 'verify'>;
}

const batches = { maxBatchSize: 256, concurrency: 2, isSharedFailure: isUnavailable };

export const createStillValid = (deps: Deps): StillValid => {
  const { db, clock, callerState, users, sessions, accessTokens, externalTokens } = deps;

  const isActive = createBatcher<Caller, boolean>(async (callers) => {
    const active = await mapDbErrors(users.active(db, [...new Set(callers.map(({ userId }) => userId))]));
    return callers.map(({ userId }) => active.has(userId));
  }, batches);

  const isPresent = createBatcher<Caller, boolean>(async (callers) => {
    const asked = callers.map(({ userId, session }) => ({ userId, sessionId: session }));
    return (await mapDbErrors(sessions.presences(db, asked))).map((session) => session !== null);
  }, batches);

  const mayStill = (user: UserRow, madeAt: Date, permission: Permission): boolean =>
    permissionsOfRole(user.role).includes(permission) && !isWaiting(user, madeAt, clock.now());

  const isCredentialValid = async ({ caller, token }: LongCaller, permission: Permission): Promise<boolean> => {
    const { credential } = caller;
    switch (credential.kind) {
      case 'login': {
        await accessTokens.verify(token);
        const found = await callerState.login(credential.id);
        return 'row' in found && mayStill(found.user, found.row.created_at, permission);
      }
      case 'token': {
        const found = await callerState.token(credential.id);
        return 'row' in found && mayStill(found.user, found.row.created_at, permission);
      }
      case 'issuer':
        await externalTokens.verify(token);
        return await isActive(caller);
      case 'operator':
        return false;
    }
  };

  return async (long, permission) => {
    try {
      const [isValid, isInside] = await Promise.all([
        isCredentialValid(long, permission),
        long.caller.session === null || isPresent(long.caller),
      ]);
      return isValid && isInside;
    } catch (error) {
      if (error instanceof KeyholdError && error.code === 'unauthenticated') return false;
      throw error;
    }
  };
};
