import type { AuditEntry } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { atItem, KeyholdError, ofItem } from '../core/errors.ts';
import { isUuid, type SecretId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import { mapDbErrors, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import { orNameTaken, type SecretsContext } from './context.ts';
import { holdPlace, insertSecrets, newSecretRow, refuseGrantees } from './create.ts';
import { type CreateSecret, checkPlacement, refuseUnlessFuture, valueBytes } from './input.ts';
import { refusalEntry } from './load.ts';
import { namesInPlace } from './queries.ts';
import { setValueIn } from './versions.ts';

export type OnConflict = 'fail' | 'skip' | 'update' | 'rename';

export interface ImportSecrets {
  readonly items: readonly CreateSecret[];
  readonly on_conflict: OnConflict;
  readonly dry_run: boolean;
}

export interface ImportedItem {
  readonly index: number;
  readonly name: string;
  /** Null where nothing was or would be written. */
  readonly id: SecretId | null;
  readonly outcome: 'created' | 'updated' | 'skipped' | 'renamed' | 'conflict';
}

export interface ImportResult {
  readonly dry_run: boolean;
  readonly created: number;
  readonly updated: number;
  readonly skipped: number;
  readonly renamed: number;
  readonly items: readonly ImportedItem[];
}

interface Plan {
  readonly index: number;
  readonly input: CreateSecret;
  readonly session: VerifiedSessionId | null;
  readonly name: string;
  readonly outcome: ImportedItem['outcome'];
  /** The live secret that bears the name already. */
  readonly existing: SecretId | null;
}

const placeKey = (session: string | null): string => session ?? '';

const maxNameLength = 256;

/** Finds the first free name of `NAME-2`, `NAME-3`, …, cut so that it fits; it goes on where it left off for that name. */
const createFreeNames = () => {
  const counts = new Map<string, number>();
  return (place: string, name: string, taken: ReadonlyMap<string, SecretId | null>): string => {
    const key = `${place} ${name}`;
    for (let count = counts.get(key) ?? 2; ; count += 1) {
      const suffix = `-${count}`;
      const candidate = `${name.slice(0, maxNameLength - suffix.length)}${suffix}`;
      counts.set(key, count + 1);
      if (!taken.has(candidate)) return candidate;
    }
  };
};

const outcomes = { fail: 'conflict', skip: 'skipped', update: 'updated', rename: 'renamed' } as const;

/** Decides for each item, in the order of the file, what becomes of it; a name may also be met twice in one file. */
export const planItems = (
  items: readonly CreateSecret[],
  sessions: readonly (VerifiedSessionId | null)[],
  taken: ReadonlyMap<string, Map<string, SecretId | null>>,
  onConflict: OnConflict,
): Plan[] => {
  const freeName = createFreeNames();
  return items.map((input, index) => {
    const session = sessions[index] ?? null;
    const names = taken.get(placeKey(session)) ?? new Map<string, SecretId | null>();
    const clash = names.has(input.name);
    const outcome = clash ? outcomes[onConflict] : 'created';
    const name = outcome === 'renamed' ? freeName(placeKey(session), input.name, names) : input.name;
    const existing = names.get(name) ?? null;
    if (!names.has(name)) names.set(name, null);
    return {
      index,
      input,
      session,
      name,
      outcome: clash && onConflict === 'update' && existing === null ? 'conflict' : outcome,
      existing,
    };
  });
};

export const namesOf = async (
  tx: Tx,
  ownerId: UserId,
  items: readonly CreateSecret[],
  sessions: readonly (VerifiedSessionId | null)[],
) => {
  const taken = new Map<string, Map<string, SecretId | null>>();
  for (const session of new Set(sessions)) {
    const names = items.filter((_, index) => sessions[index] === session).map((item) => item.name);
    // Renaming needs to know NAME-2, NAME-3, … as well: every name of the place that begins alike.
    taken.set(placeKey(session), await namesInPlace(tx, ownerId, session, names, true));
  }
  return taken;
};

export const insertPlanned = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  ownerId: UserId,
  plans: readonly Plan[],
): Promise<Map<number, SecretId>> => {
  const key = await context.ownerKeys.active(tx, ownerId);
  const ids = new Map<number, SecretId>();
  const written = plans.filter((plan) => plan.outcome === 'created' || plan.outcome === 'renamed');
  const atOnce = 200;
  // Values are encrypted batch by batch, so that others are served between two of them.
  for (let at = 0; at < written.length; at += atOnce) {
    const batch = written.slice(at, at + atOnce).map((plan) => {
      const row = newSecretRow(context, key, { ...plan.input, name: plan.name }, plan.session);
      ids.set(plan.index, row.id);
      return row;
    });
    await insertSecrets(
      context,
      tx,
      batch.map((row) => ({ caller, row })),
      'import',
    );
  }
  return ids;
};

const updatePlanned = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  plans: readonly Plan[],
): Promise<void> => {
  for (const plan of plans) {
    if (plan.outcome !== 'updated' || plan.existing === null) continue;
    const refusal = await setValueIn(context, tx, caller, { id: plan.existing, name: plan.name }, plan.input.value);
    if (refusal !== null) throw new UpdateRefused(ofItem(plan.index, refusal), plan.existing);
  }
};

/** Rolls back an import of which some items are written already. Its records go with it, so they are written anew. */
class UpdateRefused extends Error {
  readonly refusal: KeyholdError;
  readonly secretId: SecretId;

  constructor(refusal: KeyholdError, secretId: SecretId) {
    super('an import is rolled back');
    this.refusal = refusal;
    this.secretId = secretId;
  }
}

const rolledBackEntries = ({ refusal, secretId }: UpdateRefused): AuditEntry[] => {
  const broken = refusalEntry('secret.value_set', secretId, { kind: 'broken', error: refusal });
  const refused: AuditEntry = { action: 'secret.import', outcome: 'refused', reason: refusal.code };
  return refusal.code === 'integrity_broken' ? [broken, refused] : [refused];
};

/** Records what was rolled back, and throws the refusal. */
const orRolledBack = async <T>(context: SecretsContext, caller: Caller, work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof UpdateRefused)) throw error;
    const entries = rolledBackEntries(error);
    await context.audit.commit(
      context.db,
      entries.map((entry) => ({ actor: caller, entry })),
    );
    throw error.refusal;
  }
};

export const resultOf = (dryRun: boolean, plans: readonly Plan[], ids: ReadonlyMap<number, SecretId>): ImportResult => {
  const count = (outcome: ImportedItem['outcome']): number => plans.filter((plan) => plan.outcome === outcome).length;
  const items = plans.map((plan) => ({
    index: plan.index,
    name: plan.name,
    id: ids.get(plan.index) ?? plan.existing,
    outcome: plan.outcome,
  }));
  return {
    dry_run: dryRun,
    created: count('created'),
    updated: count('updated'),
    skipped: count('skipped'),
    renamed: count('renamed'),
    items,
  };
};

const holdPlaces = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  items: readonly CreateSecret[],
): Promise<Outcome<(VerifiedSessionId | null)[]>> => {
  const known = new Map<string, VerifiedSessionId | null>();
  const sessions: (VerifiedSessionId | null)[] = [];
  for (const [index, item] of items.entries()) {
    const key = `${item.scope ?? 'user'} ${item.session_id ?? ''}`;
    if (!known.has(key)) {
      const place = await holdPlace(context, tx, caller, item.scope ?? 'user', item.session_id);
      if ('refused' in place) return refusedWith(ofItem(index, place.refused));
      known.set(key, place.ok.session);
    }
    sessions.push(known.get(key) ?? null);
  }
  return { ok: sessions };
};

const runImport = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  input: ImportSecrets,
): Promise<Outcome<ImportResult>> => {
  const refuse = (error: KeyholdError) => context.audit.refuse(tx, caller, 'secret.import', null, error);
  const places = await holdPlaces(context, tx, caller, input.items);
  if ('refused' in places) return await refuse(places.refused);
  const grantees = await refuseGrantees(context, tx, caller, [
    ...new Set(input.items.flatMap((item) => item.shared_with ?? [])),
  ]);
  if (grantees) return await refuse(grantees);
  const now = await context.now(tx);
  input.items.forEach((item, index) => {
    atItem(index, () => refuseUnlessFuture('expires_at', item.expires_at, now));
  });
  const taken = await namesOf(tx, caller.userId, input.items, places.ok);
  const plans = planItems(input.items, places.ok, taken, input.on_conflict);
  const clash = plans.find((plan) => plan.outcome === 'conflict');
  if (clash)
    return await refuse(
      ofItem(
        clash.index,
        new KeyholdError('name_taken', 'the name is taken, by a secret of yours or by an earlier item.'),
      ),
    );
  if (input.dry_run) return { ok: resultOf(true, plans, new Map()) };
  const ids = await insertPlanned(context, tx, caller, caller.userId, plans);
  await updatePlanned(context, tx, caller, plans);
  const result = resultOf(false, plans, ids);
  const { created, updated, skipped, renamed } = result;
  await context.audit.allow(tx, caller, 'secret.import', { details: { created, updated, skipped, renamed } });
  return { ok: result };
};

/**
 * Imports all items or none, in one transaction. `on_conflict` says what becomes of an item whose name the caller has
 * already in that place; `update` sets the value (a new version) and leaves everything else as it is.
 */
export const importSecrets = async (
  context: SecretsContext,
  caller: Caller,
  input: ImportSecrets,
  request: IdempotentRequest | null,
): Promise<ImportResult> => {
  input.items.forEach((item, index) => {
    atItem(index, () => {
      checkPlacement(item);
      valueBytes('value', item.value);
    });
  });
  let result: ImportResult | null = null;
  const written = context.mutate(caller, (tx) =>
    context.idempotency.once(tx, caller, input.dry_run ? null : request, async () => {
      const outcome = await runImport(context, tx, caller, input);
      if ('refused' in outcome) return outcome;
      result = outcome.ok;
      return { ok: outcome.ok.items.map((item) => item.id ?? '') };
    }),
  );
  const { ids, repeated } = await orRolledBack(context, caller, orNameTaken(written));
  if (!repeated && result) return result;
  return await repeatedResult(context, caller, ids as SecretId[]);
};

/** A repeat tells of the same secrets as they are now. */
const repeatedResult = async (
  context: SecretsContext,
  caller: Caller,
  ids: readonly SecretId[],
): Promise<ImportResult> => {
  const known = ids.filter(isUuid);
  const evaluated = await mapDbErrors(context.load.evaluate(context.db, caller, 'list', known));
  const items = ids.map((id, index): ImportedItem => {
    const one = evaluated.get(id);
    return one?.kind === 'allowed'
      ? { index, id, name: one.loaded.row.name, outcome: 'created' }
      : { index, id: null, name: '', outcome: 'skipped' };
  });
  const created = items.filter((item) => item.outcome === 'created').length;
  return { dry_run: false, created, updated: 0, skipped: items.length - created, renamed: 0, items };
};
