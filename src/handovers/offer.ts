import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid, KeyholdError, notFound } from '../core/errors.ts';
import { type HandoverId, newId, type SecretId, type UserId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { UserReference, Users } from '../users/index.ts';
import { toldDetails } from './close.ts';
import { notDisabled } from './handover.ts';
import type { HandoverQueries } from './queries.ts';

/** To whom, and whether those with whom it is shared keep their access. */
export interface Offer {
  readonly to: UserReference;
  readonly keepSharing: boolean;
}

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly users: Pick<Users, 'lockActive' | 'administrators'>;
  readonly secrets: Pick<Secrets, 'handOver'>;
  readonly queries: Pick<HandoverQueries, 'isPending'>;
  /** How long it can be called off before everything of a user is handed over, in milliseconds. */
  readonly waitingMs: number;
}

type NewRow = Unsealed<'handovers'>;

export const createOffers = (deps: Deps) => {
  const { clock, seals, audit, mutate, idempotency, users, secrets, queries, waitingMs } = deps;

  const newRow = (
    fields: Pick<NewRow, 'kind' | 'secret_id' | 'from_user' | 'to_user' | 'requested_by' | 'keep_sharing'>,
    waitMs: number,
  ): NewRow => {
    const now = clock.now();
    const ready_at = new Date(now.getTime() + waitMs);
    return { id: newId<HandoverId>(), ...fields, state: 'pending', ready_at, created_at: now, decided_at: null };
  };

  const once = async (
    caller: Caller,
    request: IdempotentRequest | null,
    work: (tx: Tx) => Promise<Outcome<readonly HandoverId[]>>,
  ): Promise<HandoverId> => {
    try {
      const { ids } = await mutate(caller, (tx) => idempotency.once(tx, caller, request, () => work(tx)));
      return (ids[0] ?? '') as HandoverId;
    } catch (error) {
      if (['ux_handovers_secret', 'ux_handovers_user'].includes(violatedIndex(error) ?? '')) throw pending(error);
      throw error;
    }
  };

  /** The user who is to get it, locked. */
  const lockReceiver = async (tx: Tx, from: UserId, to: UserReference): Promise<UserRow | KeyholdError> => {
    const user = await users.lockActive(tx, to);
    if (!user) return invalid('to', 'names a user who is unknown or disabled.');
    return user.id === from ? invalid('to', 'names the owner, who has it already.') : user;
  };

  const offerSecret = (tx: Tx, caller: Caller, id: SecretId, { to, keepSharing }: Offer) =>
    secrets.handOver.offerIn(tx, caller, id, async (locked) => {
      const { row: secret } = locked.loaded;
      const receiver = await lockReceiver(tx, secret.owner_id, to);
      if (receiver instanceof KeyholdError) return await locked.refuse(receiver);
      const about = { kind: 'secret', secret_id: id, from_user: secret.owner_id } as const;
      if (await queries.isPending(tx, about)) return await locked.refuse(pending());
      const row = newRow({ ...about, to_user: receiver.id, requested_by: caller.userId, keep_sharing: keepSharing }, 0);
      await seals.insert(tx, 'handovers', row);
      await locked.record({ handover_id: row.id, to: receiver.id }, [
        { type: 'handover.offered', to: [receiver.id, secret.owner_id], details: toldDetails(row) },
      ]);
      return { ok: [row.id] };
    });

  const lockDisabled = async (tx: Tx, id: UserId): Promise<UserRow | null> =>
    await seals.loadOne(tx, 'users', { id, status: ['active', 'disabled'] }, { lock: 'share' });

  const offerAll = async (
    tx: Tx,
    caller: Caller,
    from: UserId,
    { to, keepSharing }: Offer,
  ): Promise<Outcome<HandoverId[]>> => {
    const target = { type: 'user', id: from } as const;
    const refuse = (error: KeyholdError) => audit.refuse(tx, caller, 'handover.offer_all', { target, error });
    const giver = await lockDisabled(tx, from);
    if (!giver) return await refuse(notFound());
    if (giver.status !== 'disabled') return await refuse(notDisabled());
    const receiver = await lockReceiver(tx, from, to);
    if (receiver instanceof KeyholdError) return await refuse(receiver);
    const about = { kind: 'user', secret_id: null, from_user: from } as const;
    if (await queries.isPending(tx, about)) return await refuse(pending());
    const row = newRow(
      { ...about, to_user: receiver.id, requested_by: caller.userId, keep_sharing: keepSharing },
      waitingMs,
    );
    await seals.insert(tx, 'handovers', row);
    const ready_at = row.ready_at.toISOString();
    await audit.allow(tx, caller, 'handover.offer_all', {
      target,
      details: { handover_id: row.id, to: receiver.id, ready_at },
      tells: [
        {
          type: 'handover.offered',
          to: [receiver.id, from, ...(await users.administrators(tx))],
          details: { ...toldDetails(row), ready_at },
        },
      ],
    });
    return { ok: [row.id] };
  };

  return {
    /** Offers one of the caller's secrets to another user. Throws what the rule refuses, `invalid_request`, `state_conflict`. */
    offerSecret: (caller: Caller, id: SecretId, offer: Offer, request: IdempotentRequest | null): Promise<HandoverId> =>
      once(caller, request, (tx) => offerSecret(tx, caller, id, offer)),

    /** Offers everything of a disabled user to another user, who can accept it after the waiting time. Administrators only. */
    offerAll: (caller: Caller, from: UserId, offer: Offer, request: IdempotentRequest | null): Promise<HandoverId> =>
      once(caller, request, (tx) => offerAll(tx, caller, from, offer)),
  };
};

const pending = (cause?: unknown): KeyholdError =>
  new KeyholdError('state_conflict', 'A hand-over of it is pending already. Cancel that one first.', { cause });
