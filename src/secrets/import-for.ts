import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import { type Caller, isOperator } from '../core/caller.ts';
import { atItem, invalid, KeyholdError, ofItem } from '../core/errors.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { checkMetadata } from '../core/metadata.ts';
import { secretNamePattern } from '../core/names.ts';
import type { OnConflict } from '../core/secret-types.ts';
import { type Outcome, refusedWith, type Tx, undoIfRefused } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import { type ImportResult, planItems, resultOf } from './import-plan.ts';
import type { ImportWriter } from './import-write.ts';
import { type CreateSecret, refuseUnlessFuture, valueBytes } from './input.ts';
import { nameInUse, orNameTaken } from './names.ts';

/** One secret for somebody else: for its owner alone, or in their session of this name, which is started if needed. */
export interface ImportedFor extends Omit<CreateSecret, 'scope' | 'session_id' | 'shared_with'> {
  readonly session: { readonly externalId: string; readonly metadata: JsonObject } | null;
}

export interface ImportFor {
  readonly items: readonly ImportedFor[];
  /** Never `update`: nobody but the owner sets the value of an existing secret. */
  readonly on_conflict: Exclude<OnConflict, 'update'>;
  readonly dry_run: boolean;
}

interface Deps {
  readonly now: Now;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly users: Pick<Users, 'lockActive'>;
  readonly sessions: Pick<Sessions, 'findOrStart'>;
  readonly writer: ImportWriter;
}

export const createImportFor = ({ now, audit, mutate, users, sessions, writer }: Deps) => {
  const provideSessions = async (
    tx: Tx,
    caller: Caller,
    ownerId: UserId,
    items: readonly ImportedFor[],
  ): Promise<Outcome<(VerifiedSessionId | null)[]>> => {
    const known = new Map<string, VerifiedSessionId>();
    for (const [index, { session }] of items.entries()) {
      if (session === null || known.has(session.externalId)) continue;
      const provided = await sessions.findOrStart(tx, caller, { ownerId, ...session });
      if ('refused' in provided) return refusedWith(ofItem(index, provided.refused));
      known.set(session.externalId, provided.ok);
    }
    return { ok: items.map(({ session }) => (session === null ? null : (known.get(session.externalId) ?? null))) };
  };

  const write = async (tx: Tx, caller: Caller, username: string, input: ImportFor): Promise<Outcome<ImportResult>> => {
    if (!isOperator(caller)) return refusedWith(operatorOnly());
    const owner = await users.lockActive(tx, { username });
    if (owner === null) return refusedWith(noOwner());
    const moment = await now(tx);
    input.items.forEach((item, index) => {
      atItem(index, () => refuseUnlessFuture('expires_at', item.expires_at, moment));
    });
    const places = await provideSessions(tx, caller, owner.id, input.items);
    if ('refused' in places) return places;
    const items = input.items.map(createOf);
    const inUse = await writer.namesInUse(tx, owner.id, items, places.ok);
    const plan = planItems({ items, sessions: places.ok, inUse, onConflict: input.on_conflict });
    const clash = plan.find(({ outcome }) => outcome === 'conflict');
    if (clash) return refusedWith(ofItem(clash.index, nameInUse('a secret of this owner')));
    const ids = await writer.insertPlanned(tx, caller, owner.id, plan);
    const result = resultOf(input.dry_run, plan, ids);
    const { created, updated, skipped, renamed } = result;
    const details = { owner_id: owner.id, created, updated, skipped, renamed };
    await audit.allow(tx, caller, 'secret.import', { details });
    return { ok: result };
  };

  /**
   * Imports secrets that will belong to `username`, all or none, with the sessions that they need, recorded as the
   * operator's act. The operator gains nothing by it: the secrets are their owner's from then on. A dry run does all of
   * it and rolls it back.
   */
  return async (caller: Caller, username: string, input: ImportFor): Promise<ImportResult> => {
    input.items.forEach((item, index) => {
      atItem(index, () => checkItem(item));
    });
    const run = async (tx: Tx): Promise<Outcome<ImportResult>> => {
      const outcome = await undoIfRefused(tx, () => write(tx, caller, username, input));
      if ('refused' in outcome) return await audit.refuse(tx, caller, 'secret.import', { error: outcome.refused });
      if (input.dry_run) throw new DryRun(outcome.ok);
      return outcome;
    };
    try {
      return await orNameTaken(mutate(caller, run));
    } catch (error) {
      if (error instanceof DryRun) return error.result;
      throw error;
    }
  };
};

/** Rolls back the transaction of a dry run. */
class DryRun extends Error {
  readonly result: ImportResult;

  constructor(result: ImportResult) {
    super('a dry run is rolled back');
    this.result = result;
  }
}

const createOf = ({ session, ...item }: ImportedFor): CreateSecret =>
  session === null ? { ...item, scope: 'user' } : { ...item, scope: 'session' };

const maxTags = 32;
const maxTagLength = 64;
const maxDescriptionLength = 1024;

/** What the HTTP edge checks of a secret that comes over it. */
const checkItem = (item: ImportedFor): void => {
  if (!secretNamePattern.test(item.name))
    throw invalid('name', 'must have 1 to 256 letters, digits, "_", "." and "-".');
  valueBytes('value', item.value);
  if (item.description != null) checkText('description', item.description, maxDescriptionLength);
  const tags = item.tags ?? [];
  if (tags.length > maxTags) throw invalid('tags', `must be at most ${maxTags}.`);
  for (const tag of tags) checkText('tags', tag, maxTagLength);
  checkMetadata(item.metadata);
};

const checkText = (field: string, text: string, maxLength: number): void => {
  if (!text.isWellFormed()) throw invalid(field, 'contains an unpaired surrogate, which UTF-8 cannot encode.');
  if (text.includes('\0')) throw invalid(field, 'must not have a NUL character.');
  if ([...text].length > maxLength) throw invalid(field, `must have at most ${maxLength} characters.`);
};

const operatorOnly = (): KeyholdError =>
  new KeyholdError('permission_missing', 'Only the operator, on the service’s machine, can import for somebody else.');

const noOwner = (): KeyholdError =>
  new KeyholdError('not_found', 'There is no active user with this name to own the secrets.');
