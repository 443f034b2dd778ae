import { isSessionActive, type Mutate } from '../access/index.ts';
import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { type KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { SessionId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import type { SessionQueries } from './queries.ts';
import type { SessionResolver } from './resolve.ts';
import { isBoundElsewhere, sessionEnded, sessionOwnerOnly } from './session.ts';

interface Deps {
  readonly mutate: Mutate;
  readonly audit: Audit;
  readonly now: Now;
  readonly queries: Pick<SessionQueries, 'lock'>;
  readonly resolver: SessionResolver;
}

/** Which session a change is about, as the request names it, and the action under which a refusal is recorded. */
interface Target {
  readonly name: string;
  readonly action: AuditAction;
}

type Change = <T>(
  caller: Caller,
  target: Target,
  work: (tx: Tx, session: SessionRow) => Promise<Outcome<T>>,
) => Promise<T>;

export type MutateSession = ReturnType<typeof createMutateSession>;

/**
 * The gate of every change of a session. In one transaction the caller is revalidated, the session found and locked, and
 * only then `work` called. Throws `session_not_joined`, and records it, for a session that the caller may not see.
 */
export const createMutateSession = ({ mutate, audit, now, queries, resolver }: Deps) => {
  const refuse = (tx: Tx, caller: Caller, action: AuditAction, id: SessionId | null, error: KeyholdError) =>
    audit.refuse(tx, caller, action, { target: id && { type: 'session', id }, error });

  const resolvedBy =
    (resolve: SessionResolver['resolve']): Change =>
    (caller, { name, action }, work) =>
      mutate(
        caller,
        async (tx) => {
          const found = await resolve(tx, caller, name);
          const row = found && (await queries.lock(tx, found.id));
          // Asked again now that it is locked: the caller may have been taken out in the meantime.
          const visible = row && !isBoundElsewhere(caller, row.id) && (await resolve(tx, caller, row.id));
          if (visible) return await work(tx, row);
          return await refuse(tx, caller, action, found?.id ?? null, sessionNotJoined());
        },
        async (tx) => caller.session !== null && (await queries.lock(tx, caller.session)),
      );

  const visible = resolvedBy(resolver.resolve);

  const owned: Change = (caller, target, work) =>
    visible(caller, target, async (tx, session) =>
      session.owner_id === caller.userId
        ? await work(tx, session)
        : await refuse(tx, caller, target.action, session.id, await refusalToOthers(tx, session)),
    );

  /** To those who do not own it, a session that has ended is one that they are not in. */
  const refusalToOthers = async (tx: Tx, session: SessionRow): Promise<KeyholdError> =>
    isSessionActive(session, await now(tx)) ? sessionOwnerOnly() : sessionNotJoined();

  const ownedAndActive: Change = (caller, target, work) =>
    owned(caller, target, async (tx, session) =>
      isSessionActive(session, await now(tx))
        ? await work(tx, session)
        : await refuse(tx, caller, target.action, session.id, sessionEnded()),
    );

  return {
    /** A session that the caller owns or is present in. */
    visible,
    /** A session that the caller can leave: one they were invited to, are present in or were taken out of. */
    leavable: resolvedBy(resolver.resolveToLeave),
    /** A session of the caller's own. Throws `owner_only` for others. */
    owned,
    /** A session of the caller's own that is active. Throws `state_conflict` for one that has ended. */
    ownedAndActive,
  };
};
