import { visibleBranches } from '../access/index.ts';
import type { AuditEntry } from '../audit/index.ts';
import { createBatcher } from '../core/batch.ts';
import { type Caller, withListPermission } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import { mapDbErrors } from '../db/database.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import { integrityBroken } from '../keys/index.ts';
import type { SecretsContext } from './context.ts';
import { type Evaluation, refusalEntry } from './load.ts';
import { visibleIds } from './queries.ts';

/** The plaintext of one version. It exists only once its record is committed. */
export interface Revealed {
  readonly id: SecretId;
  readonly name: string;
  readonly version: number;
  readonly value: string;
}

export interface Candidate {
  readonly id: SecretId;
  readonly owner_id: string;
}

/** What one asked-for secret comes to: the value, or the error that a single reveal would have thrown. */
export type RevealItem =
  | { readonly asked: string; readonly revealed: Revealed }
  | { readonly asked: string; readonly error: KeyholdError; readonly candidates?: readonly Candidate[] };

interface Opened {
  readonly item: RevealItem;
  readonly entry: AuditEntry;
}

const allowedEntry = (id: SecretId, because: string, version: number): AuditEntry => ({
  action: 'secret.reveal',
  target: { type: 'secret', id },
  outcome: 'allowed',
  reason: because,
  details: { version },
});

const brokenEntry = (id: SecretId): AuditEntry => ({
  action: 'row.integrity_broken',
  target: { type: 'secret', id },
  outcome: 'failed',
  reason: 'value',
  details: { table: 'secrets', during: 'secret.reveal' },
});

const openValue = (context: SecretsContext, id: SecretId, evaluated: Evaluation): Opened => {
  if (evaluated.kind !== 'allowed')
    return { item: { asked: id, error: evaluated.error }, entry: refusalEntry('secret.reveal', id, evaluated) };
  const { row, key } = evaluated.loaded;
  const bytes = key && context.ownerKeys.decrypt(key, { secretId: row.id, version: row.version }, row.encrypted_value);
  if (!bytes) {
    return {
      item: { asked: id, error: evaluated.because === 'owner' ? integrityBroken() : notFound() },
      entry: brokenEntry(id),
    };
  }
  const revealed = { id: row.id, name: row.name, version: row.version, value: bytes.toString('utf8') };
  return { item: { asked: id, revealed }, entry: allowedEntry(id, evaluated.because, row.version) };
};

/** One caller's wish for one value. */
interface PendingReveal {
  readonly caller: Caller;
  readonly id: SecretId;
}

/**
 * Decides about all wishes on one view of the database, opens what is allowed, and commits a record for each: only then
 * does anything go out. Wishes may be of several callers.
 */
const grant = async (context: SecretsContext, wishes: readonly PendingReveal[]): Promise<RevealItem[]> => {
  const asks = wishes.map((wish) => ({ ...wish, action: 'reveal' as const }));
  const evaluated = await mapDbErrors(context.load.evaluateAll(context.db, asks, { value: true }));
  const opened = wishes.map(({ id }, index) => openValue(context, id, evaluated[index] as Evaluation));
  const records = wishes.map(({ caller }, index) => ({ actor: caller, entry: (opened[index] as Opened).entry }));
  await context.audit.commit(context.db, records);
  return opened.map((one) => one.item);
};

/** Single reveals that arrive together are decided, recorded and flushed together. */
export const createRevealOne = (context: SecretsContext) => {
  const ask = createBatcher<PendingReveal, RevealItem>((wishes) => grant(context, wishes), {
    maxBatchSize: 64,
    concurrency: 3,
    isSharedFailure: isUnavailable,
  });
  return async (caller: Caller, id: SecretId): Promise<Revealed> => {
    const item = await ask({ caller, id });
    if ('error' in item) throw item.error;
    return item.revealed;
  };
};

/** Reveals up to 100 secrets by id, each by itself: one that is refused refuses no other. */
export const revealByIds = (context: SecretsContext, caller: Caller, ids: readonly SecretId[]): Promise<RevealItem[]> =>
  grant(
    context,
    ids.map((id) => ({ caller, id })),
  );

/** Every name can be borne by the secrets of many owners; more than this no caller can choose from. */
const maxCandidates = 10_000;

interface NamedCandidate extends Candidate {
  readonly name: string;
  readonly level: 0 | 1 | 2;
}

const ambiguous = (): KeyholdError =>
  new KeyholdError('state_conflict', 'Several secrets bear this name here. Ask for one of the candidates by its id.');

/** The secrets that a name can mean: the session's, then one's own, then those shared with one; the first level that has any. */
const findNamed = async (
  context: SecretsContext,
  caller: Caller,
  names: readonly string[],
): Promise<Map<string, NamedCandidate[]>> => {
  const now = context.clock.now();
  const seeing = withListPermission(caller);
  // One's own secrets of other sessions are not meant by a name; they are reached by id.
  const filter = { names, onlySession: caller.session };
  const page = { limit: maxCandidates, cursor: null };
  const ids = await visibleIds(context.db, visibleBranches(seeing, now), filter, caller.userId, now, page);
  const evaluated = await context.load.evaluate(context.db, seeing, 'list', ids);
  const found = new Map<string, NamedCandidate[]>(names.map((name) => [name, []]));
  for (const one of evaluated.values()) {
    if (one.kind !== 'allowed') continue;
    const { row } = one.loaded;
    const inSession = row.scope === 'session' && row.session_id === caller.session;
    const level = inSession ? 0 : row.owner_id === caller.userId ? 1 : 2;
    found.get(row.name)?.push({ id: row.id, owner_id: row.owner_id, name: row.name, level });
  }
  return found;
};

const chooseLevel = (named: readonly NamedCandidate[]): readonly NamedCandidate[] => {
  const level = Math.min(...named.map((one) => one.level));
  return named.filter((one) => one.level === level);
};

/** Reveals up to 100 secrets by name. A name that means none or several is a problem of its own. */
export const revealByNames = async (
  context: SecretsContext,
  caller: Caller,
  names: readonly string[],
): Promise<RevealItem[]> => {
  const found = await mapDbErrors(findNamed(context, caller, names));
  const chosen = new Map([...found].map(([name, named]) => [name, chooseLevel(named)]));
  const ids = [...chosen.values()].flatMap((named) => (named.length === 1 && named[0] ? [named[0].id] : []));
  const unclear = [...chosen].filter(([, named]) => named.length !== 1);
  const unclearRecords = unclear.map(([, named]) => ({ actor: caller, entry: unclearEntry(named) }));
  await context.audit.commit(context.db, unclearRecords);
  const items = await revealByIds(context, caller, ids);
  const revealed = new Map(items.map((item) => [item.asked, item]));
  return [...chosen].map(([name, named]) => {
    const item = named.length === 1 && named[0] ? revealed.get(named[0].id) : undefined;
    return item ? { ...item, asked: name } : unclearItem(name, named);
  });
};

const unclearEntry = (named: readonly NamedCandidate[]): AuditEntry => ({
  action: 'secret.reveal',
  outcome: 'refused',
  reason: named.length === 0 ? 'nothing' : 'ambiguous',
  details: { candidates: named.map((one) => one.id) },
});

const unclearItem = (name: string, named: readonly NamedCandidate[]): RevealItem =>
  named.length === 0
    ? { asked: name, error: notFound() }
    : { asked: name, error: ambiguous(), candidates: named.map(({ id, owner_id }) => ({ id, owner_id })) };
