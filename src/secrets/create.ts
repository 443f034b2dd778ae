import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import { type Caller, withListPermission } from '../core/caller.ts';
import type { KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { OwnerKeys } from '../keys/index.ts';
import type { CreateBatched } from './create-batched.ts';
import { type CreateSecret, checkPlacement, refuseUnlessFuture, valueBytes } from './input.ts';
import type { Load } from './load.ts';
import { orNameTaken, refuseTakenName } from './names.ts';
import type { NewSecrets } from './new-secret.ts';
import type { Placement } from './placement.ts';
import { type SecretView, viewOf } from './view.ts';

interface Deps {
  readonly db: Db;
  readonly now: Now;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly ownerKeys: OwnerKeys;
  readonly load: Load;
  readonly newSecrets: NewSecrets;
  readonly placement: Placement;
  readonly createBatched: CreateBatched;
}

export const createCreation = (deps: Deps) => {
  const { db, now, audit, mutate, idempotency, ownerKeys, load, newSecrets, placement, createBatched } = deps;

  const insert = async (tx: Tx, caller: Caller, input: CreateSecret): Promise<Outcome<string[]>> => {
    const refuse = (error: KeyholdError) => audit.refuse(tx, caller, 'secret.create', { error });
    const granteesRefused = await placement.refuseGrantees(tx, caller, input.shared_with ?? []);
    if (granteesRefused) return await refuse(granteesRefused);
    const to = { scope: input.scope ?? 'user', session: input.session_id ?? null } as const;
    const place = await placement.lockPlace(tx, caller, to);
    if ('refused' in place) return await refuse(place.refused);
    refuseUnlessFuture('expires_at', input.expires_at, await now(tx));
    const row = newSecrets.rowOf(await ownerKeys.active(tx, caller.userId), input, place.ok.session);
    const taken = await refuseTakenName(tx, row);
    if (taken) return await refuse(taken);
    await newSecrets.insert(tx, [{ caller, row }], 'owner');
    return { ok: [row.id] };
  };

  /** Creates the secret in a transaction, once for an idempotency key; resolves to its id. */
  const createInTransaction = async (
    caller: Caller,
    input: CreateSecret,
    request: IdempotentRequest | null,
  ): Promise<SecretId> => {
    valueBytes('value', input.value);
    const once = (tx: Tx) => idempotency.once(tx, caller, request, () => insert(tx, caller, input));
    const { ids } = await orNameTaken(mutate(caller, once));
    return (ids[0] ?? '') as SecretId;
  };

  /** The secret as it is now, whose creation is recorded already. A repeated request decides afresh. */
  const created = async (caller: Caller, id: SecretId): Promise<SecretView> => {
    const question = { caller: withListPermission(caller), action: 'list', id } as const;
    const evaluation = await mapDbErrors(load.evaluateOne(db, question));
    if (evaluation.kind !== 'allowed') throw evaluation.error;
    const { loaded, basis } = evaluation;
    return viewOf(loaded.row, basis, caller.userId, loaded.now);
  };

  /** Creates a secret of the caller's, once for an idempotency key. Throws name_taken, invalid_request and what the gate refuses. */
  return async (caller: Caller, input: CreateSecret, request: IdempotentRequest | null): Promise<SecretView> => {
    checkPlacement(input);
    // With a key, the secret may exist already, which only the transaction can tell.
    const batched = request === null ? await createBatched(caller, input) : null;
    return batched ?? (await created(caller, await createInTransaction(caller, input, request)));
  };
};
