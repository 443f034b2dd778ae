import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import { newId, type SessionId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import type { Unsealed } from '../keys/index.ts';
import { outOfReach, type SessionsContext } from './context.ts';
import { newParticipant } from './participants.ts';

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

const isTaken = async (
  { queries }: SessionsContext,
  tx: Tx,
  caller: Caller,
  externalId: string | null | undefined,
): Promise<boolean> => {
  if (externalId == null) return false;
  const named = await queries.named(tx, caller.userId, externalId, null);
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
  return (await isTaken(context, tx, caller, input.external_id)) ? externalIdTaken() : null;
};

/** What starts a session: its own columns and the people who are in it from the start, its owner first. */
export interface NewSession {
  readonly externalId: string | null;
  readonly ownerId: UserId;
  readonly title: string | null;
  readonly expiresAt: Date | null;
  readonly metadata: JsonObject;
  readonly others: readonly UserId[];
}

/** Writes a session with its participants and the record of it, in one statement. */
export const insertSession = async (
  { audit, clock }: Pick<SessionsContext, 'audit' | 'clock'>,
  tx: Tx,
  caller: Caller,
  id: SessionId,
  session: NewSession,
): Promise<void> => {
  const now = clock.now();
  const { externalId, ownerId, title, expiresAt, metadata, others } = session;
  const row: Unsealed<'sessions'> = {
    id,
    external_id: externalId,
    owner_id: ownerId,
    title,
    status: 'active',
    expires_at: expiresAt,
    ended_at: null,
    metadata,
    created_at: now,
    updated_at: now,
  };
  const participants = [
    newParticipant(id, ownerId, 'owner', now),
    ...others.map((userId) => newParticipant(id, userId, 'collaborator', now)),
  ];
  const entry = {
    action: 'session.create',
    target: { type: 'session', id },
    outcome: 'allowed',
    details: { participants: [ownerId, ...others] },
  } as const;
  const rows = [
    { table: 'sessions', rows: [row] },
    { table: 'session_participants', rows: participants },
  ] as const;
  await audit.insert(tx, rows, [{ actor: caller, entry }]);
};

const insert = async (
  context: SessionsContext,
  tx: Tx,
  caller: Caller,
  input: CreateSession,
): Promise<Outcome<string[]>> => {
  const id = newId<SessionId>();
  const refusal = await refusalOf(context, tx, caller, id, input);
  if (refusal) return await context.refuse(tx, caller, 'session.create', null, refusal);
  await insertSession(context, tx, caller, id, {
    externalId: input.external_id ?? null,
    ownerId: caller.userId,
    title: input.title ?? null,
    expiresAt: input.expires_at ?? null,
    metadata: input.metadata ?? {},
    others: others(caller, input),
  });
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
