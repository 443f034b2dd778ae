import type { CallerState } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { InsertSession } from './insert.ts';
import type { SessionQueries } from './queries.ts';

/** A session that an import needs: its owner's, by the platform's own name. */
export interface ImportSession {
  readonly ownerId: UserId;
  readonly externalId: string;
  /** For a session that has to be started. */
  readonly metadata: JsonObject;
}

interface Deps {
  readonly callerState: Pick<CallerState, 'lockPresence'>;
  readonly queries: Pick<SessionQueries, 'named'>;
  readonly insertSession: InsertSession;
}

/**
 * Finds or starts a session of the owner for the operator's import, and locks it with the owner's presence until the
 * transaction ends. Refuses with `state_conflict` when it has ended or its owner has left. The caller has locked the owner.
 */
export const createFindOrStart =
  ({ callerState, queries, insertSession }: Deps) =>
  async (tx: Tx, caller: Caller, wanted: ImportSession): Promise<Outcome<VerifiedSessionId>> => {
    const { ownerId, externalId } = wanted;
    const named = await queries.named(tx, { userId: ownerId, issuer: null }, externalId, null);
    const own = named.find(({ session }) => session.owner_id === ownerId && session.issuer === null);
    const id =
      own?.session.id ??
      (await insertSession(tx, caller, {
        ...wanted,
        issuer: null,
        title: null,
        expiresAt: null,
        idleAfter: null,
        others: [],
      }));
    const present = await callerState.lockPresence(tx, ownerId, id);
    return present ? { ok: id as VerifiedSessionId } : refusedWith(ended(externalId));
  };

const ended = (externalId: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `The session ${externalId} has ended, or its owner has left it. Only an active session takes secrets.`,
  );
