import { isSessionActive } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { invalid } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Tx } from '../db/database.ts';
import type { SessionsContext } from './context.ts';
import type { SessionView } from './session.ts';

export interface ChangeSession {
  readonly title?: string | null;
  readonly expires_at?: Date | null;
  readonly metadata?: JsonObject;
}

const notFuture = () => invalid('expires_at', 'must be in the future; to end the session now, end it.');

/** Changes title, end time or metadata of an active session; its owner only. */
export const updateSession = (
  context: SessionsContext,
  caller: Caller,
  name: string,
  change: ChangeSession,
): Promise<SessionView> =>
  context.asOwnerOfActive(caller, name, 'session.update', async (tx, row) => {
    const now = await context.now(tx);
    if (change.expires_at && change.expires_at.getTime() <= now.getTime()) {
      return await context.refuse(tx, caller, 'session.update', row.id, notFuture());
    }
    const changed = await context.seals.update(tx, 'sessions', row, { ...change, updated_at: context.clock.now() });
    await context.allow(tx, caller, 'session.update', row.id, { fields: Object.keys(change) });
    return { ok: await context.showOne(tx, changed) };
  });

/** Ends the session: at once nobody reaches another's secrets in it. Twice is the same as once. */
export const endSession = (context: SessionsContext, caller: Caller, name: string): Promise<SessionView> =>
  context.asOwner(caller, name, 'session.end', async (tx, row) => {
    const now = await context.now(tx);
    if (!isSessionActive(row, now)) return { ok: await context.showOne(tx, row) };
    const ended = await context.seals.update(tx, 'sessions', row, { status: 'ended', ended_at: now, updated_at: now });
    await context.allow(tx, caller, 'session.end', row.id, {});
    return { ok: await context.showOne(tx, ended) };
  });

/** Ends every session of a user, forgets what the user wrote of it, and takes them out of those of others; resolves to how many ended. */
export const eraseFromSessions = async (context: SessionsContext, tx: Tx, userId: UserId): Promise<number> => {
  const { seals, queries } = context;
  const now = await context.now(tx);
  for (const row of await queries.lockPresences(tx, userId)) {
    await seals.update(tx, 'session_participants', row, { left_at: now });
  }
  const owned = await queries.lockOwned(tx, userId);
  for (const row of owned) {
    const over = {
      status: 'ended',
      ended_at: row.ended_at ?? now,
      title: null,
      metadata: {},
      updated_at: now,
    } as const;
    await seals.update(tx, 'sessions', row, over);
  }
  return owned.filter((row) => row.status === 'active').length;
};
