import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import type { SessionId, UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Users } from '../users/index.ts';
import type { InsertSession } from './insert.ts';
import type { SessionQueries } from './queries.ts';

export interface CreateSession {
  readonly external_id?: string | null;
  readonly title?: string | null;
  readonly participants?: readonly UserId[];
  readonly expires_at?: Date | null;
  readonly metadata?: JsonObject;
}

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly users: Pick<Users, 'lockActive'>;
  readonly now: Now;
  readonly queries: Pick<SessionQueries, 'named'>;
  readonly insertSession: InsertSession;
}

/** Starts a session with its first participants, once for an idempotency key; resolves to its id. Throws name_taken. */
export const createStart = ({ audit, mutate, idempotency, users, now, queries, insertSession }: Deps) => {
  /** Locks each of these users; false when one of them is unknown or disabled. */
  const lockAll = async (tx: Tx, ids: readonly UserId[]): Promise<boolean> => {
    for (const userId of ids) if ((await users.lockActive(tx, { userId })) === null) return false;
    return true;
  };

  const isTaken = async (tx: Tx, ownerId: UserId, externalId: string | null | undefined): Promise<boolean> => {
    if (externalId == null) return false;
    const named = await queries.named(tx, ownerId, externalId, null);
    return named.some(({ session }) => session.owner_id === ownerId);
  };

  /** Why this session cannot be started, or null; its participants are locked until the transaction ends. */
  const refusalOf = async (tx: Tx, caller: Caller, input: CreateSession): Promise<KeyholdError | null> => {
    if (caller.boundToSession && !caller.permissions.has('secrets:own'))
      return new KeyholdError('permission_missing', 'A token bound to a session cannot start another one.');
    if (!(await lockAll(tx, othersOf(caller, input))))
      return invalid('participants', 'names a user who is unknown or disabled.');
    const moment = await now(tx);
    if (input.expires_at && input.expires_at.getTime() <= moment.getTime())
      return invalid('expires_at', 'must be in the future.');
    return (await isTaken(tx, caller.userId, input.external_id)) ? externalIdTaken() : null;
  };

  const insert = async (tx: Tx, caller: Caller, input: CreateSession): Promise<Outcome<string[]>> => {
    const refusal = await refusalOf(tx, caller, input);
    if (refusal) return await audit.refuse(tx, caller, 'session.create', { error: refusal });
    const id = await insertSession(tx, caller, {
      externalId: input.external_id ?? null,
      ownerId: caller.userId,
      title: input.title ?? null,
      expiresAt: input.expires_at ?? null,
      metadata: input.metadata ?? {},
      others: othersOf(caller, input),
    });
    return { ok: [id] };
  };

  return async (caller: Caller, input: CreateSession, request: IdempotentRequest | null): Promise<SessionId> => {
    try {
      const { ids } = await mutate(caller, (tx) =>
        idempotency.once(tx, caller, request, () => insert(tx, caller, input)),
      );
      return (ids[0] ?? '') as SessionId;
    } catch (error) {
      if (violatedIndex(error) === 'ux_sessions_owner_external_id') throw externalIdTaken(error);
      throw error;
    }
  };
};

const externalIdTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError('name_taken', 'You already have a session with this external_id.', { cause });

/** In ascending order, so that transactions that lock several users do not deadlock. */
const othersOf = (caller: Caller, input: CreateSession): UserId[] =>
  [...new Set(input.participants ?? [])].sort().filter((id) => id !== caller.userId);
