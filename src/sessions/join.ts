import type { Mutate } from '../access/index.ts';
import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { sessionNotJoined } from '../core/errors.ts';
import type { SessionId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { Entering } from './entering.ts';
import type { SessionQueries } from './queries.ts';
import { ownIdOf, type SessionResolver } from './resolve.ts';
import { isBoundElsewhere, type SessionView, sessionEnded } from './session.ts';
import type { Show } from './show.ts';

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: Pick<SessionQueries, 'lock'>;
  readonly resolver: Pick<SessionResolver, 'find'>;
  readonly entering: Pick<Entering, 'enterLocked'>;
  readonly show: Show;
}

/** Joining a session by asking for it. */
export const createJoin = ({ audit, mutate, queries, resolver, entering, show }: Deps) => {
  /** The session that the caller may join under this name. In an issuer's name space, only its claim joins by an external id. */
  const find = async (tx: Tx, caller: Caller, name: string): Promise<SessionId | null> => {
    const found = await resolver.find(tx, caller, name);
    if (found === null) return null;
    const { issuer, claim } = caller.sessionNames;
    const isOwnId = ownIdOf(name) === found.session.id;
    return isOwnId || issuer === null || claim?.name === name ? found.session.id : null;
  };

  /** True unless the request or its credential also names another session. */
  const namesOnly = async (tx: Tx, caller: Caller, id: SessionId): Promise<boolean> => {
    const { unverified } = caller.sessionNames;
    if (unverified.length === 0) return !isBoundElsewhere(caller, id);
    for (const name of unverified) if ((await resolver.find(tx, caller, name))?.session.id !== id) return false;
    return true;
  };

  return {
    /**
     * Makes the caller present in an active session: one that they were invited to or have left. Joining again changes
     * nothing. Throws `session_not_joined` to everybody else, and to those whom its owner removed and did not invite again.
     */
    join: (caller: Caller, name: string): Promise<SessionView> =>
      mutate(
        caller,
        async (tx) => {
          const id = await find(tx, caller, name);
          const session = id && (await namesOnly(tx, caller, id)) ? await queries.lock(tx, id) : null;
          if (session && (await entering.enterLocked(tx, caller, session, { by: 'join' })))
            return { ok: await show.one(tx, session, caller.userId) };
          const error = session?.owner_id === caller.userId ? sessionEnded() : sessionNotJoined();
          const target = id && ({ type: 'session', id } as const);
          return await audit.refuse(tx, caller, joining, { target, error });
        },
        async (tx) => caller.session !== null && (await queries.lock(tx, caller.session)),
      ),
  };
};

const joining = 'session.join' satisfies AuditAction;
