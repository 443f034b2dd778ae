import { mayPlace } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Scope } from '../core/secret-types.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';

/** Where a secret is to be: a scope, and for scope session the session by our id or the platform's own. */
export interface Destination {
  readonly scope: Scope;
  readonly session: string | null;
}

/** The session that a secret enters, verified and locked; null outside of sessions. */
export interface Place {
  readonly session: VerifiedSessionId | null;
}

/** Decides where secrets may be put and with whom they may be shared, and locks what that relies on. */
export interface Placement {
  /** Verifies and locks the session that a creation or transfer names. For scope session, no name means the caller's own session. */
  lockPlace(tx: Tx, caller: Caller, to: Destination): Promise<Outcome<Place>>;
  /** Says why a secret of the caller's cannot be shared with these users, or null, and then they are locked. */
  refuseGrantees(tx: Tx, caller: Caller, ids: readonly UserId[]): Promise<KeyholdError | null>;
}

interface Deps {
  readonly sessions: Pick<Sessions, 'enterAndLock'>;
  readonly users: Pick<Users, 'lockActive'>;
}

export const createPlacement = ({ sessions, users }: Deps): Placement => ({
  lockPlace: async (tx, caller, { scope, session: name }) => {
    if (scope !== 'session') {
      return mayPlace(caller, scope, null) ? { ok: { session: null } } : refusedWith(outsideOwnSession());
    }
    const named = name ?? caller.session;
    if (named === null) return refusedWith(invalid('session_id', 'is needed for scope session.'));
    const session = await sessions.enterAndLock(tx, caller, named);
    if (session === null) return refusedWith(sessionNotJoined());
    return mayPlace(caller, scope, session) ? { ok: { session } } : refusedWith(outsideOwnSession());
  },

  refuseGrantees: async (tx, caller, ids) => {
    if (ids.length === 0) return null;
    if (!caller.permissions.has('secrets:share'))
      return new KeyholdError('permission_missing', 'Sharing needs the permission secrets:share.');
    if (ids.includes(caller.userId)) return invalid('shared_with', 'names you, the owner.');
    // In one order for everybody, so that two transactions do not wait for each other.
    for (const userId of [...ids].sort()) {
      if (!(await users.lockActive(tx, { userId })))
        return invalid('shared_with', 'names a user who is unknown or disabled.');
    }
    return null;
  },
});

const outsideOwnSession = (): KeyholdError =>
  new KeyholdError(
    'permission_missing',
    'This token is bound to a session and can store secrets only in it. Elsewhere it needs the permission secrets:own.',
  );
