import type { Action } from '../access/index.ts';
import type { AuditEntry } from '../audit/index.ts';
import { createBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import type { KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import { isUnavailable } from '../db/postgres-errors.ts';
import type { AnswerAll } from './answer.ts';
import type { CallerQuestion, Evaluation, Load, Loaded } from './load.ts';
import { type SecretView, viewOf } from './view.ts';

/** Actions that look at one secret without changing it. */
type LookAction = 'secret.get' | 'secret.access_list' | 'secret.versions_list';

/** A question to the rule, and what the record calls it. */
interface Look extends CallerQuestion {
  readonly as: LookAction;
}

export interface Viewed {
  readonly loaded: Loaded;
  readonly view: SecretView;
}

type Answer = Evaluation | { readonly kind: 'withdrawn'; readonly error: KeyholdError };

/** Looks at one secret and records it. Throws what the rule refuses. */
export type LookAt = (caller: Caller, action: Action, as: LookAction, id: SecretId) => Promise<Viewed>;

interface Deps {
  readonly load: Load;
  readonly answerAll: AnswerAll;
}

/** Looks that arrive together are decided, recorded and flushed together. */
export const createLookAt = ({ load, answerAll }: Deps): LookAt => {
  const entryOf = ({ as, id }: Look, evaluation: Evaluation): AuditEntry =>
    evaluation.kind === 'allowed'
      ? { action: as, target: { type: 'secret', id }, outcome: 'allowed', reason: evaluation.basis, details: {} }
      : load.refusalEntry(as, id, evaluation);

  const look = createBatcher<Look, Answer>(
    (looks) =>
      answerAll(looks, {
        answer: async (one, evaluation) => ({ answer: evaluation, entry: entryOf(one, evaluation) }),
        refused: (_one, error): Answer => ({ kind: 'withdrawn', error }),
      }),
    { maxBatchSize: 64, concurrency: 3, isSharedFailure: isUnavailable },
  );

  return async (caller, action, as, id) => {
    const evaluation = await look({ caller, action, as, id });
    if (evaluation.kind !== 'allowed') throw evaluation.error;
    const { loaded, basis } = evaluation;
    return { loaded, view: viewOf(loaded.row, basis, caller.userId, loaded.now) };
  };
};
