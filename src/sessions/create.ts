import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import { newId, type SessionId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import { outOfReach, type SessionsContext } from './context.ts';
import { join } from './participants.ts';
import { sessionsNamed } from './queries.ts';

export interface CreateSession {
  readonly external_id?: string | null;
  readonly title?: string | null;
  readonly participants?: readonly UserId[];
  readonly expires_at?: Date | null;
  readonly metadata?: JsonObject;
}

const externalIdTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError('name_taken', 'You have a session with this external_id already.', { cause });

/** Lowest first: transactions that hold several users take them in one order and don't wait for each other in a ring. */
const inOrder = (ids: readonly UserId[]): UserId[] => [...new Set(ids)].sort();

const others = (caller: Caller, input: CreateSession): UserId[] =>
  inOrder(input.participants ?? []).filter((id) => id !== caller.userId);

const heldAll = async (context: SessionsContext, tx: Tx, ids: readonly UserId[]): Promise<boolean> => {
  for (const userId of ids) if ((await context.users.hold(tx, { userId })) === null) return false;
  return true;
};

const isTaken = async (tx: Tx, caller: Caller, externalId: string | null | undefined): Promise<boolean> => {
  if (externalId == null) return false;
  const named = await sessionsNamed(tx, caller.userId, externalId, null);
  return named.some(({ session }) => session.owner_id === caller.userId);
};

/** Why this session cannot be started, or null; its participants are held until the transaction ends. */
const refusalOf = async (
  context: SessionsContext,
  tx: Tx,
  caller: Caller,
  id: SessionId,
  input: CreateSession,
): Promise<KeyholdError | null> => {
  if (outOfReach(caller, id))
    return new KeyholdError('permission_missing', 'A token bound to a session starts no others.');
  if (!(await heldAll(context, tx, others(caller, input)))) {
    return invalid('participants', 'names a user who is unknown or disabled.');
  }
  const now = await context.now(tx);
  if (input.expires_at && input.expires_at.getTime() <= now.getTime())
    return invalid('expires_at', 'must be in the future.');
  return (await isTaken(tx, caller, input.external_id)) ? externalIdTaken() : null;
};

const rowOf = (caller: Caller, id: SessionId, input: CreateSession, now: Date): Omit<SessionRow, 'seal'> => ({
  id,
  external_id: input.external_id ?? null,
  owner_id: caller.userId,
  title: input.title ?? null,
  status: 'active',
  expires_at: input.expires_at ?? null,
  ended_at: null,
  metadata: input.metadata ?? {},
  created_at: now,
  updated_at: now,
});

const insert = async (
  context: SessionsContext,
  tx: Tx,
  caller: Caller,
  input: CreateSession,
): Promise<Outcome<string[]>> => {
  const id = newId<SessionId>();
  const refusal = await refusalOf(context, tx, caller, id, input);
  if (refusal) return await context.refuse(tx, caller, 'session.create', null, refusal);
  await context.seals.insert(tx, 'sessions', rowOf(caller, id, input, context.clock.now()));
  await join(context, tx, id, caller.userId, 'owner');
  for (const userId of others(caller, input)) await join(context, tx, id, userId, 'collaborator');
  await context.record(tx, caller, 'session.create', id, { participants: [caller.userId, ...others(caller, input)] });
  return { ok: [id] };
};

/** Starts a session with its first participants, once for an idempotency key. Resolves to its id. */
export const createSession = async (
  context: SessionsContext,
  caller: Caller,
  input: CreateSession,
  request: IdempotentRequest | null,
): Promise<SessionId> => {
  const once = (tx: Tx) => context.idempotency.once(tx, caller, request, () => insert(context, tx, caller, input));
  try {
    const { ids } = await context.mutate(caller, once);
    return (ids[0] ?? '') as SessionId;
  } catch (error) {
    if (violatedIndex(error) === 'ux_sessions_owner_external_id') throw externalIdTaken(error);
    throw error;
  }
};
