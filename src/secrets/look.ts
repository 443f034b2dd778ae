import type { Action } from '../access/index.ts';
import type { Audit, AuditEntry } from '../audit/index.ts';
import { createBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import type { SecretId } from '../core/ids.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { Evaluation, Load, Loaded, Question } from './load.ts';
import { type SecretView, viewOf } from './view.ts';

/** Actions that look at one secret without changing it. */
type LookAction = 'secret.get' | 'secret.access_list' | 'secret.versions_list';

/** A question to the rule, and what the record calls it. */
interface Look extends Question {
  readonly caller: Caller;
  readonly as: LookAction;
}

export interface Viewed {
  readonly loaded: Loaded;
  readonly view: SecretView;
}

/** Looks at one secret and records it. Throws what the rule refuses. */
export type LookAt = (caller: Caller, action: Action, as: LookAction, id: SecretId) => Promise<Viewed>;

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly load: Load;
}

/** Looks that arrive together are decided, recorded and flushed together. */
export const createLookAt = ({ db, audit, load }: Deps): LookAt => {
  const entryOf = ({ as, id }: Look, evaluation: Evaluation): AuditEntry =>
    evaluation.kind === 'allowed'
      ? { action: as, target: { type: 'secret', id }, outcome: 'allowed', reason: evaluation.basis, details: {} }
      : load.refusalEntry(as, id, evaluation);

  const look = createBatcher<Look, Evaluation>(
    async (looks) => {
      const evaluations = await mapDbErrors(load.evaluateAll(db, looks));
      const records = looks.map((one, at) => ({
        actor: one.caller,
        entry: entryOf(one, evaluations[at] as Evaluation),
      }));
      await audit.commit(db, records);
      return evaluations;
    },
    { maxBatchSize: 64, concurrency: 3, isSharedFailure: isUnavailable },
  );

  return async (caller, action, as, id) => {
    const evaluation = await look({ caller, action, as, id });
    if (evaluation.kind !== 'allowed') throw evaluation.error;
    const { loaded, basis } = evaluation;
    return { loaded, view: viewOf(loaded.row, basis, caller.userId, loaded.now) };
  };
};
