import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import { newId, type SessionId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { SessionsContext } from './context.ts';
import { insertSession } from './create.ts';

/** A session that an import needs: its owner's, by the platform's own name. */
export interface ProvidedSession {
  readonly ownerId: UserId;
  readonly externalId: string;
  /** For a session that has to be started. */
  readonly metadata: JsonObject;
}

const ended = (externalId: string): KeyholdError =>
  new KeyholdError('state_conflict', `The session ${externalId} has ended, and no secret enters an ended session.`);

const start = async (context: SessionsContext, tx: Tx, caller: Caller, wanted: ProvidedSession): Promise<SessionId> => {
  const id = newId<SessionId>();
  const { externalId, ownerId, metadata } = wanted;
  await insertSession(context, tx, caller, id, {
    externalId,
    ownerId,
    metadata,
    title: null,
    expiresAt: null,
    others: [],
  });
  return id;
};

/**
 * Finds or starts a session of the owner for the operator's import, held until the transaction ends. One that has ended,
 * or that its owner has left, is refused. The owner is held already.
 */
export const provideSession = async (
  context: SessionsContext,
  tx: Tx,
  caller: Caller,
  wanted: ProvidedSession,
): Promise<Outcome<VerifiedSessionId>> => {
  const { ownerId, externalId } = wanted;
  const named = await context.queries.named(tx, ownerId, externalId, null);
  const own = named.find(({ session }) => session.owner_id === ownerId);
  const id = own?.session.id ?? (await start(context, tx, caller, wanted));
  const present = await context.callerState.lockPresence(tx, ownerId, id);
  return present ? { ok: id as VerifiedSessionId } : refusedWith(ended(externalId));
};
