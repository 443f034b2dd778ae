import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { atItem, type KeyholdError, ofItem } from '../core/errors.ts';
import { isUuid, type SecretId, type VerifiedSessionId } from '../core/ids.ts';
import type { OnConflict } from '../core/secret-types.ts';
import { type Db, mapDbErrors, type Outcome, refusedWith, type Tx, undoIfRefused } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import { type ImportedItem, type ImportResult, type PlannedItem, planItems, resultOf } from './import-plan.ts';
import type { ImportWriter } from './import-write.ts';
import { type CreateSecret, checkPlacement, refuseUnlessFuture, valueBytes } from './input.ts';
import type { Load } from './load.ts';
import { nameInUse, orNameTaken } from './names.ts';
import type { Placement } from './placement.ts';
import type { Versions } from './versions.ts';

export interface ImportSecrets {
  readonly items: readonly CreateSecret[];
  readonly on_conflict: OnConflict;
  readonly dry_run: boolean;
}

/** A refused import, and the secret whose row was found broken, if that was the reason. */
interface RefusedImport {
  readonly refused: KeyholdError;
  readonly broken?: SecretId;
}

type ImportOutcome = { readonly ok: ImportResult } | RefusedImport;

interface Deps {
  readonly db: Db;
  readonly now: Now;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly load: Load;
  readonly placement: Placement;
  readonly writer: ImportWriter;
  readonly versions: Pick<Versions, 'setValueIn'>;
}

export const createImport = (deps: Deps) => {
  const { db, now, audit, mutate, idempotency, load, placement, writer, versions } = deps;

  const lockPlaces = async (
    tx: Tx,
    caller: Caller,
    items: readonly CreateSecret[],
  ): Promise<Outcome<(VerifiedSessionId | null)[]>> => {
    const known = new Map<string, VerifiedSessionId | null>();
    const sessions: (VerifiedSessionId | null)[] = [];
    for (const [index, { scope = 'user', session_id = null }] of items.entries()) {
      const key = `${scope} ${session_id ?? ''}`;
      if (!known.has(key)) {
        const place = await placement.lockPlace(tx, caller, { scope, session: session_id });
        if ('refused' in place) return refusedWith(ofItem(index, place.refused));
        known.set(key, place.ok.session);
      }
      sessions.push(known.get(key) ?? null);
    }
    return { ok: sessions };
  };

  const updatePlanned = async (tx: Tx, caller: Caller, plan: readonly PlannedItem[]): Promise<RefusedImport | null> => {
    for (const { index, input, session, name, outcome, existing } of plan) {
      if (outcome !== 'updated' || existing === null) continue;
      const refused = await versions.setValueIn(tx, caller, { id: existing, name, session, value: input.value });
      if (refused === null) continue;
      const broken = refused.code === 'integrity_broken' ? { broken: existing } : {};
      return { refused: ofItem(index, refused), ...broken };
    }
    return null;
  };

  const write = async (tx: Tx, caller: Caller, input: ImportSecrets): Promise<ImportOutcome> => {
    const places = await lockPlaces(tx, caller, input.items);
    if ('refused' in places) return places;
    const grantees = [...new Set(input.items.flatMap((item) => item.shared_with ?? []))];
    const granteesRefused = await placement.refuseGrantees(tx, caller, grantees);
    if (granteesRefused) return refusedWith(granteesRefused);
    const moment = await now(tx);
    input.items.forEach((item, index) => {
      atItem(index, () => refuseUnlessFuture('expires_at', item.expires_at, moment));
    });
    const inUse = await writer.namesInUse(tx, caller.userId, input.items, places.ok);
    const plan = planItems({ items: input.items, sessions: places.ok, inUse, onConflict: input.on_conflict });
    const clash = plan.find(({ outcome }) => outcome === 'conflict');
    if (clash) return refusedWith(ofItem(clash.index, nameInUse('one of your secrets')));
    if (input.dry_run) return { ok: resultOf(true, plan, new Map()) };
    const ids = await writer.insertPlanned(tx, caller, caller.userId, plan);
    return (await updatePlanned(tx, caller, plan)) ?? { ok: resultOf(false, plan, ids) };
  };

  const recorded = async (tx: Tx, caller: Caller, outcome: ImportOutcome): Promise<Outcome<ImportResult>> => {
    if ('refused' in outcome) {
      const { refused: error, broken } = outcome;
      if (broken !== undefined)
        await audit.record(
          tx,
          caller,
          load.refusalEntry('secret.value_set', broken, { kind: 'broken', ownerId: caller.userId }),
        );
      return await audit.refuse(tx, caller, 'secret.import', { error });
    }
    const { created, updated, skipped, renamed, dry_run } = outcome.ok;
    if (!dry_run) await audit.allow(tx, caller, 'secret.import', { details: { created, updated, skipped, renamed } });
    return outcome;
  };

  /** The answer to a repeated request: the same secrets as they are now. */
  const repeatedResult = async (caller: Caller, ids: readonly SecretId[]): Promise<ImportResult> => {
    const evaluations = await mapDbErrors(load.evaluate(db, caller, 'list', ids.filter(isUuid)));
    const items = ids.map((id, index): ImportedItem => {
      const evaluation = evaluations.get(id);
      return evaluation?.kind === 'allowed'
        ? { index, id, name: evaluation.loaded.row.name, outcome: 'created' }
        : { index, id: null, name: '', outcome: 'skipped' };
    });
    const created = items.filter(({ outcome }) => outcome === 'created').length;
    return { dry_run: false, created, updated: 0, skipped: items.length - created, renamed: 0, items };
  };

  /**
   * Imports all items or none, in one transaction. `on_conflict` says what becomes of an item whose name the caller already
   * uses in that place; `update` sets the value as a new version and leaves everything else as it is.
   */
  return async (caller: Caller, input: ImportSecrets, request: IdempotentRequest | null): Promise<ImportResult> => {
    input.items.forEach((item, index) => {
      atItem(index, () => {
        checkPlacement(item);
        valueBytes('value', item.value);
      });
    });
    let result: ImportResult | null = null;
    const run = async (tx: Tx): Promise<Outcome<readonly string[]>> => {
      const outcome = await recorded(tx, caller, await undoIfRefused(tx, () => write(tx, caller, input)));
      if ('refused' in outcome) return outcome;
      result = outcome.ok;
      return { ok: outcome.ok.items.map(({ id }) => id ?? '') };
    };
    const key = input.dry_run ? null : request;
    const { ids, repeated } = await orNameTaken(
      mutate(caller, (tx) => idempotency.once(tx, caller, key, () => run(tx))),
    );
    return !repeated && result ? result : await repeatedResult(caller, ids as SecretId[]);
  };
};
