import { type AccessBasis, visibleBranches } from '../access/index.ts';
import type { Audit, AuditEntry } from '../audit/index.ts';
import { createBatcher } from '../core/batch.ts';
import { type Caller, withListPermission } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { newId, type SecretId } from '../core/ids.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { SecretRow } from '../db/tables/index.ts';
import { integrityBroken, type OwnerKeys } from '../keys/index.ts';
import type { AnswerAll, Answered, EvaluateFor } from './answer.ts';
import { matchesFilter } from './filter.ts';
import type { Evaluation, Load } from './load.ts';
import { visibleIds } from './queries.ts';

/** The plaintext of one version. It exists only once its record is committed. */
export interface Revealed {
  readonly id: SecretId;
  readonly name: string;
  readonly version: number;
  readonly value: string;
  /** The id of the record of this use, by which the memory graph knows it. */
  readonly use_id: string;
}

export interface Candidate {
  readonly id: SecretId;
  readonly owner_id: string;
}

/** The answer for one secret of several: the value, or the error that a single reveal would have thrown. */
export type RevealItem =
  | { readonly asked: string; readonly revealed: Revealed }
  | { readonly asked: string; readonly error: KeyholdError; readonly candidates?: readonly Candidate[] };

/** One caller's request for one value. */
interface PendingReveal {
  readonly caller: Caller;
  readonly id: SecretId;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly ownerKeys: OwnerKeys;
  readonly load: Load;
  readonly answerAll: AnswerAll;
  readonly evaluateFor: EvaluateFor;
}

/** The secrets that all the names of one request may find together. */
const maxCandidates = 10_000;

export const createReveal = ({ db, clock, audit, ownerKeys, load, answerAll, evaluateFor }: Deps) => {
  const open = async (id: SecretId, evaluation: Evaluation): Promise<Answered<RevealItem>> => {
    if (evaluation.kind !== 'allowed')
      return {
        answer: { asked: id, error: evaluation.error },
        entry: load.refusalEntry('secret.reveal', id, evaluation),
      };
    const { loaded, basis } = evaluation;
    const { row, key } = loaded;
    const opened = key && (await ownerKeys.open(key));
    const bytes = opened?.decrypt({ secretId: row.id, version: row.version }, row.encrypted_value);
    if (!bytes) {
      const error = basis === 'owner' ? integrityBroken() : notFound();
      const broken = { table: 'secrets', reason: 'value', during: 'secret.reveal' } as const;
      return { answer: { asked: id, error }, entry: load.brokenEntry({ id, ownerId: row.owner_id, ...broken }) };
    }
    const use_id = newId<string>();
    const revealed = { id: row.id, name: row.name, version: row.version, value: bytes.toString('utf8'), use_id };
    return { answer: { asked: id, revealed }, entry: { ...revealedEntry(id, basis, row.version), id: use_id } };
  };

  /** They may be of several callers. */
  const revealAll = (pending: readonly PendingReveal[]): Promise<(RevealItem | Promise<RevealItem>)[]> =>
    answerAll(
      pending.map((one) => ({ ...one, action: 'reveal' as const })),
      {
        options: { value: true },
        answer: ({ id }, evaluation) => open(id, evaluation),
        refused: ({ id }, error): RevealItem => ({ asked: id, error }),
      },
    );

  /** Single reveals that arrive together are decided, recorded and flushed together. */
  const revealBatched = createBatcher<PendingReveal, RevealItem>(revealAll, {
    maxBatchSize: 64,
    concurrency: 3,
    isSharedFailure: isUnavailable,
  });

  const revealMany = async (caller: Caller, ids: readonly SecretId[]): Promise<RevealItem[]> =>
    await Promise.all(await revealAll(ids.map((id) => ({ caller, id }))));

  /** The secrets that each name can mean, with the level at which it does. */
  const findNamed = async (caller: Caller, names: readonly string[]): Promise<Map<string, NamedCandidate[]>> => {
    const now = clock.now();
    const lister = withListPermission(caller);
    // A name never means the caller's secrets in other sessions; these are reached by id.
    const filter = { names, onlySession: caller.session };
    const page = { limit: maxCandidates, cursor: null };
    const viewer = { userId: caller.userId, branches: visibleBranches(lister, now), now };
    const ids = await visibleIds(db, viewer, { filter, page });
    const evaluations = await evaluateFor(lister, 'list', ids);
    const rows = evaluations
      .flatMap((one) => (one.kind === 'allowed' ? [one.loaded] : []))
      .filter((loaded) => matchesFilter(loaded.row, filter, caller.userId, loaded.now))
      .map((loaded) => loaded.row);
    const candidatesOf = (name: string): NamedCandidate[] =>
      rows.filter((row) => row.name === name).map((row) => candidateOf(caller, row));
    return new Map(names.map((name) => [name, candidatesOf(name)]));
  };

  return {
    /** The plaintext, once its record is committed. Throws what the rule refuses. */
    reveal: async (caller: Caller, id: SecretId): Promise<Revealed> => {
      const item = await revealBatched({ caller, id });
      if ('error' in item) throw item.error;
      return item.revealed;
    },

    /** Up to 100 secrets by id, each by itself: a refusal of one affects no other. */
    revealMany,

    /**
     * Up to 100 secrets by name. A name means the session's secrets, else the caller's own, else those shared with the
     * caller. One that means none, or several at that level, is answered with a problem.
     */
    revealNamed: async (caller: Caller, names: readonly string[]): Promise<RevealItem[]> => {
      const found = await mapDbErrors(findNamed(caller, names));
      const chosen = [...found].map(([name, candidates]) => ({ name, candidates: atFirstLevel(candidates) }));
      const unclear = chosen.filter(({ candidates }) => candidates.length !== 1);
      const records = unclear.map(({ candidates }) => ({ actor: caller, entry: unclearEntry(candidates) }));
      await audit.commit(db, records);
      const ids = chosen.flatMap(({ candidates }) => onlyOne(candidates) ?? []);
      const revealed = new Map((await revealMany(caller, ids)).map((item) => [item.asked, item]));
      return chosen.map(({ name, candidates }) => {
        const item = revealed.get(onlyOne(candidates) ?? '');
        return item ? { ...item, asked: name } : unclearItem(name, candidates);
      });
    },
  };
};

interface NamedCandidate extends Candidate {
  /** 0 in the session, 1 the caller's own, 2 shared with the caller. */
  readonly level: 0 | 1 | 2;
}

const candidateOf = (caller: Caller, { id, owner_id, scope, session_id }: SecretRow): NamedCandidate => {
  const isInSession = scope === 'session' && session_id === caller.session;
  return { id, owner_id, level: isInSession ? 0 : owner_id === caller.userId ? 1 : 2 };
};

const atFirstLevel = (candidates: readonly NamedCandidate[]): readonly NamedCandidate[] => {
  const level = Math.min(...candidates.map((one) => one.level));
  return candidates.filter((one) => one.level === level);
};

const onlyOne = ([first, ...others]: readonly NamedCandidate[]): SecretId | null =>
  first && others.length === 0 ? first.id : null;

const revealedEntry = (id: SecretId, basis: AccessBasis, version: number): AuditEntry => ({
  action: 'secret.reveal',
  target: { type: 'secret', id },
  outcome: 'allowed',
  reason: basis,
  details: { version },
});

const unclearEntry = (candidates: readonly NamedCandidate[]): AuditEntry => ({
  action: 'secret.reveal',
  outcome: 'refused',
  reason: candidates.length === 0 ? 'nothing' : 'ambiguous',
  details: { candidates: candidates.map(({ id }) => id) },
});

const ambiguous = (): KeyholdError =>
  new KeyholdError('state_conflict', 'Several secrets have this name here. Ask for one of the candidates by its id.');

const unclearItem = (name: string, candidates: readonly NamedCandidate[]): RevealItem =>
  candidates.length === 0
    ? { asked: name, error: notFound() }
    : { asked: name, error: ambiguous(), candidates: candidates.map(({ id, owner_id }) => ({ id, owner_id })) };
