import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { SessionId, UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Users } from '../users/index.ts';
import { externalIdIndex, type InsertSession } from './insert.ts';
import type { SessionQueries } from './queries.ts';

export interface CreateSession {
  readonly external_id?: string | null;
  readonly title?: string | null;
  readonly participants?: readonly UserId[];
  readonly expires_at?: Date | null;
  /** In seconds. */
  readonly idle_after?: number | null;
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

  const isTaken = async (tx: Tx, caller: Caller, externalId: string | null | undefined): Promise<boolean> => {
    if (externalId == null) return false;
    const { userId, sessionNames } = caller;
    const { issuer } = sessionNames;
    const named = await queries.named(tx, { userId, issuer }, externalId, null);
    return named.some(({ session }) => issuer !== null || (session.owner_id === userId && session.issuer === null));
  };

  /** Why this session cannot be started, or null; its participants are locked until the transaction ends. */
  const refusalOf = async (tx: Tx, caller: Caller, input: CreateSession): Promise<KeyholdError | null> => {
    const misnamed = refuseName(caller, input.external_id ?? null);
    if (misnamed) return misnamed;
    if (!(await lockAll(tx, othersOf(caller, input))))
      return invalid('participants', 'names a user who is unknown or disabled.');
    const moment = await now(tx);
    if (input.expires_at && input.expires_at.getTime() <= moment.getTime())
      return invalid('expires_at', 'must be in the future.');
    return (await isTaken(tx, caller, input.external_id)) ? externalIdTaken() : null;
  };

  const insert = async (tx: Tx, caller: Caller, input: CreateSession): Promise<Outcome<string[]>> => {
    const refusal = await refusalOf(tx, caller, input);
    if (refusal) return await audit.refuse(tx, caller, 'session.create', { error: refusal });
    const id = await insertSession(tx, caller, {
      externalId: input.external_id ?? null,
      issuer: input.external_id == null ? null : caller.sessionNames.issuer,
      ownerId: caller.userId,
      title: input.title ?? null,
      expiresAt: input.expires_at ?? null,
      idleAfter: input.idle_after ?? null,
      metadata: input.metadata ?? {},
      others: othersOf(caller, input),
    });
    return { ok: [id] };
  };

  return async (caller: Caller, input: CreateSession, request: IdempotentRequest | null): Promise<SessionId> => {
    try {
      const { ids } = await mutate(caller, (tx) =>
        idempotency.once(tx, askedBy(caller, input), request, () => insert(tx, caller, input)),
      );
      return (ids[0] ?? '') as SessionId;
    } catch (error) {
      if (externalIdIndexes.includes(violatedIndex(error) ?? '')) throw externalIdTaken(error);
      throw error;
    }
  };
};

const externalIdTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError('name_taken', 'There is already a session with this external_id.', { cause });

const externalIdIndexes: readonly string[] = [externalIdIndex, 'ux_sessions_issuer_external_id'];

/**
 * Why the caller may not start a session of this external id, or null. Names that could not be verified are settled here: the
 * issuer's claim names the session that is started, and nothing else does.
 */
const refuseName = (caller: Caller, externalId: string | null): KeyholdError | null => {
  const { issuer, claim, unverified } = caller.sessionNames;
  const isClaimed = externalId !== null && claim?.name === externalId;
  if (unverified.length > 0 && !(isClaimed && unverified.every((name) => name === externalId)))
    return sessionNotJoined();
  if (isClaimed) return null;
  if (caller.boundToSession && !caller.permissions.has('secrets:own'))
    return new KeyholdError('permission_missing', 'A token bound to a session cannot start another one.');
  return issuer === null || externalId === null ? null : notClaimed();
};

const notClaimed = (): KeyholdError =>
  new KeyholdError(
    'permission_missing',
    'Your issuer names its sessions itself. Leave out external_id, or start the session with a token whose session claim is this id.',
  );

/** When a request that starts the session of its own claim is repeated, the claim names a session, which it did not before. */
const askedBy = (caller: Caller, { external_id }: CreateSession): Caller =>
  caller.sessionNames.claim?.name === external_id ? { ...caller, session: null } : caller;

/** In ascending order, so that transactions that lock several users do not deadlock. */
const othersOf = (caller: Caller, input: CreateSession): UserId[] =>
  [...new Set(input.participants ?? [])].sort().filter((id) => id !== caller.userId);
