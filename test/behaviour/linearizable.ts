/** One operation as it happened: when it was sent, when its answer was there, and what that was. */
export interface Happened<Operation> {
  readonly operation: Operation;
  readonly sent: number;
  readonly answered: number;
  readonly answer: string;
}

export interface Step<State> {
  readonly state: State;
  /** Every answer that the contract allows here; mostly there is one. */
  readonly answers: readonly string[];
}

/** What one operation does to the state, and how it is answered. The state is plain data. */
export type StepOf<State, Operation> = (state: State, operation: Operation) => Step<State>;

/**
 * True when some order of these operations explains every answer, and never puts one that was sent after another's
 * answer before it (linearizability, Herlihy and Wing 1990; the search is Wing and Gong's).
 */
export const createIsLinearizable =
  <State, Operation>(step: StepOf<State, Operation>) =>
  (start: State, history: readonly Happened<Operation>[]): boolean => {
    const hopeless = new Set<string>();
    const search = (state: State, left: readonly Happened<Operation>[]): boolean => {
      if (left.length === 0) return true;
      const key = `${left.map((one) => history.indexOf(one)).join()} ${JSON.stringify(state)}`;
      if (hopeless.has(key)) return false;
      const earliestAnswer = Math.min(...left.map((one) => one.answered));
      const found = left.some((one) => {
        if (one.sent > earliestAnswer) return false;
        const { state: next, answers } = step(state, one.operation);
        const others = left.filter((other) => other !== one);
        return answers.includes(one.answer) && search(next, others);
      });
      if (!found) hopeless.add(key);
      return found;
    };
    return search(start, history);
  };

/** The history as lines, for the message of a test that fails. */
export const told = (history: readonly Happened<unknown>[]): string =>
  history
    .map((one) => `${one.sent.toFixed(1)}–${one.answered.toFixed(1)} ${JSON.stringify(one.operation)} → ${one.answer}`)
    .join('\n');
