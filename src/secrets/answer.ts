import type { Action, CallerState } from '../access/index.ts';
import type { Audit, AuditEntry } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import { commitOrThrow, type Db, inTransaction, mapDbErrors, type Outcome, refusedWith } from '../db/database.ts';
import type { CallerQuestion, Evaluation, Load, LoadOptions } from './load.ts';

/** What a caller is answered, and the record that has to be committed first. */
export interface Answered<A> {
  readonly answer: A;
  readonly entry: AuditEntry;
}

/** How questions of one kind are answered. */
export interface Answering<Q extends CallerQuestion, A> {
  readonly options?: Pick<LoadOptions, 'value'>;
  readonly answer: (question: Q, evaluation: Evaluation) => Promise<Answered<A>>;
  /** The answer to a caller who is no longer let in, which is recorded by then. */
  readonly refused: (question: Q, error: KeyholdError) => A;
}

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly callerState: Pick<CallerState, 'revalidate'>;
  readonly load: Load;
}

export type AnswerAll = ReturnType<typeof createAnswerAll>;

/**
 * Answers questions of several callers, outside of a transaction: decides about all of them and about their callers on one
 * view of the database, and commits a record for each.
 */
export const createAnswerAll = ({ db, audit, callerState, load }: Deps) => {
  /**
   * For one caller whose rows changed while the request was under way: one transaction locks what still lets the caller in,
   * decides and records.
   */
  const settle = <Q extends CallerQuestion, A>(
    caller: Caller,
    questions: readonly Q[],
    { options, answer, refused }: Answering<Q, A>,
  ): Promise<A[]> =>
    inTransaction(db, async (tx) => {
      const refusal = await callerState.revalidate(tx, caller);
      if (refusal !== null) {
        await audit.record(tx, caller, { action: 'request.refused', outcome: 'refused', reason: refusal.code });
        return questions.map((question) => refused(question, refusal));
      }
      const evaluations = await load.evaluateAll(tx, questions, options);
      const answered = await Promise.all(questions.map((one, at) => answer(one, evaluations[at] as Evaluation)));
      for (const { entry } of answered) await audit.record(tx, caller, entry);
      return answered.map((one) => one.answer);
    });

  /**
   * Resolves to an answer for each question once the records of all callers whose rows are unchanged are committed. The
   * answers of the others are promises still, one transaction for each caller, so that nobody waits for the locks of others.
   */
  return async <Q extends CallerQuestion, A>(
    questions: readonly Q[],
    how: Answering<Q, A>,
  ): Promise<(A | Promise<A>)[]> => {
    const evaluations = await mapDbErrors(load.evaluateWithCallers(db, questions, how.options));
    const changed: Q[] = [];
    const answered = new Map<Q, Answered<A>>();
    await Promise.all(
      questions.map(async (question, at) => {
        const evaluation = evaluations[at];
        if (evaluation === undefined || evaluation.kind === 'changed') changed.push(question);
        else answered.set(question, await how.answer(question, evaluation));
      }),
    );
    const records = [...answered].map(([{ caller }, { entry }]) => ({ actor: caller, entry }));
    await audit.commit(db, records);
    const settling = new Map<Q, Promise<A>>();
    for (const [caller, own] of Map.groupBy(changed, (question) => question.caller)) {
      const answers = settle(caller, own, how);
      for (const [at, question] of own.entries())
        settling.set(
          question,
          answers.then((all) => all[at] as A),
        );
    }
    return questions.map((question) => answered.get(question)?.answer ?? (settling.get(question) as Promise<A>));
  };
};

export type EvaluateFor = ReturnType<typeof createEvaluateFor>;

/**
 * What the rule says to one caller about several secrets, decided together with whether the caller is let in still. Throws
 * the recorded refusal where they are not.
 */
export const createEvaluateFor =
  ({ db, audit, callerState, load }: Deps) =>
  async (caller: Caller, action: Action, ids: readonly SecretId[]): Promise<readonly Evaluation[]> => {
    if (ids.length === 0) return [];
    const questions = ids.map((id) => ({ caller, action, id }));
    const found = await mapDbErrors(load.evaluateWithCallers(db, questions));
    const evaluated = found.flatMap((one) => (one.kind === 'changed' ? [] : [one]));
    if (evaluated.length === found.length) return evaluated;
    return await commitOrThrow(db, async (tx): Promise<Outcome<readonly Evaluation[]>> => {
      const refusal = await callerState.revalidate(tx, caller);
      if (refusal === null) return { ok: await load.evaluateAll(tx, questions) };
      await audit.record(tx, caller, { action: 'request.refused', outcome: 'refused', reason: refusal.code });
      return refusedWith(refusal);
    });
  };
