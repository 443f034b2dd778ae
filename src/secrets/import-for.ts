import { type Caller, isOperator } from '../core/caller.ts';
import { atItem, invalid, KeyholdError, ofItem } from '../core/errors.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { checkMetadata } from '../core/metadata.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import { orNameTaken, type SecretsContext } from './context.ts';
import { type ImportResult, type ImportSecrets, insertPlanned, namesOf, planItems, resultOf } from './import.ts';
import { type CreateSecret, refuseUnlessFuture, valueBytes } from './input.ts';

/** One secret for somebody else: to its owner alone, or into their session of this name, which is started if needed. */
export interface ImportedFor extends Omit<CreateSecret, 'scope' | 'session_id' | 'shared_with'> {
  readonly session: { readonly externalId: string; readonly metadata: JsonObject } | null;
}

export interface ImportFor {
  readonly items: readonly ImportedFor[];
  /** Never `update`: nobody but the owner sets a value that is there. */
  readonly on_conflict: Exclude<ImportSecrets['on_conflict'], 'update'>;
  readonly dry_run: boolean;
}

const namePattern = /^[A-Za-z0-9_.-]{1,256}$/;
const maxTags = 32;
const maxTagLength = 64;
const maxDescriptionLength = 1024;

const refuseText = (field: string, text: string, longest: number): void => {
  if (!text.isWellFormed() || text.includes('\0')) throw invalid(field, 'holds what no text can hold.');
  if ([...text].length > longest) throw invalid(field, `must have at most ${longest} characters.`);
};

/** What the HTTP edge checks of a secret that comes over it. */
const checkItem = (item: ImportedFor): void => {
  if (!namePattern.test(item.name)) throw invalid('name', 'must have 1 to 256 letters, digits, "_", "." and "-".');
  valueBytes('value', item.value);
  if (item.description != null) refuseText('description', item.description, maxDescriptionLength);
  const tags = item.tags ?? [];
  if (tags.length > maxTags) throw invalid('tags', `must be at most ${maxTags}.`);
  for (const tag of tags) refuseText('tags', tag, maxTagLength);
  checkMetadata(item.metadata);
};

const operatorOnly = (): KeyholdError =>
  new KeyholdError('permission_missing', 'Only the operator, beside the service, imports for somebody else.');

const noOwner = (): KeyholdError =>
  new KeyholdError('not_found', 'There is no active user of this name to own the secrets.');

const provideAll = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  ownerId: UserId,
  items: readonly ImportedFor[],
): Promise<Outcome<(VerifiedSessionId | null)[]>> => {
  const known = new Map<string, VerifiedSessionId>();
  for (const [index, { session }] of items.entries()) {
    if (session === null || known.has(session.externalId)) continue;
    const provided = await context.sessions.provide(tx, caller, { ownerId, ...session });
    if ('refused' in provided) return refusedWith(ofItem(index, provided.refused));
    known.set(session.externalId, provided.ok);
  }
  return { ok: items.map(({ session }) => (session === null ? null : (known.get(session.externalId) ?? null))) };
};

const createOf = ({ session, ...item }: ImportedFor): CreateSecret =>
  session === null ? { ...item, scope: 'user' } : { ...item, scope: 'session' };

const clashOf = (): KeyholdError =>
  new KeyholdError('name_taken', 'the name is taken, by a secret of this owner or by an earlier item.');

const runImport = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  username: string,
  input: ImportFor,
): Promise<Outcome<ImportResult>> => {
  const refuse = (error: KeyholdError) => context.audit.refuse(tx, caller, 'secret.import', null, error);
  if (!isOperator(caller)) return await refuse(operatorOnly());
  const owner = await context.users.hold(tx, { username });
  if (owner === null) return await refuse(noOwner());
  const now = await context.now(tx);
  input.items.forEach((item, index) => {
    atItem(index, () => refuseUnlessFuture('expires_at', item.expires_at, now));
  });
  const places = await provideAll(context, tx, caller, owner.id, input.items);
  if ('refused' in places) return await refuse(places.refused);
  const items = input.items.map(createOf);
  const taken = await namesOf(tx, owner.id, items, places.ok);
  const plans = planItems(items, places.ok, taken, input.on_conflict);
  const clash = plans.find((plan) => plan.outcome === 'conflict');
  // Thrown, so that the sessions that were started for it are gone as well.
  if (clash) throw ofItem(clash.index, clashOf());
  const ids = await insertPlanned(context, tx, caller, owner.id, plans);
  const result = resultOf(input.dry_run, plans, ids);
  const { created, updated, skipped, renamed } = result;
  const details = { owner_id: owner.id, created, updated, skipped, renamed };
  await context.audit.allow(tx, caller, 'secret.import', { details });
  return { ok: result };
};

class DryRun extends Error {
  readonly result: ImportResult;

  constructor(result: ImportResult) {
    super('a dry run is taken back');
    this.result = result;
  }
}

/**
 * Imports secrets that will belong to `username`, all or none, with the sessions that they need, recorded as the operator's
 * doing. The operator gains nothing by it: what is kept is the owner's from then on. A dry run does all of it and takes it
 * back.
 */
export const importFor = async (
  context: SecretsContext,
  caller: Caller,
  username: string,
  input: ImportFor,
): Promise<ImportResult> => {
  input.items.forEach((item, index) => {
    atItem(index, () => checkItem(item));
  });
  try {
    return await orNameTaken(
      context.mutate(caller, async (tx) => {
        const outcome = await runImport(context, tx, caller, username, input);
        if (input.dry_run && 'ok' in outcome) throw new DryRun(outcome.ok);
        return outcome;
      }),
    );
  } catch (error) {
    if (error instanceof DryRun) return error.result;
    throw error;
  }
};
