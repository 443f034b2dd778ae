import { invalid } from '../../core/errors.ts';

/** From when and until when a fact holds; null for always. */
export interface Holds {
  readonly valid_at: Date | null;
  readonly invalid_at: Date | null;
}

/** A fact that is stored already. */
export interface StoredFact extends Holds {
  readonly id: string;
}

/** The times as a request gives them. Throws `invalid_request` unless the fact ends after it begins. */
export const timesOf = (
  given: { readonly valid_at?: Date | null; readonly invalid_at?: Date | null },
  path: string,
): Holds => {
  const { valid_at = null, invalid_at = null } = given;
  refuseEarlyEnd({ valid_at, invalid_at }, `${path}/invalid_at`);
  return { valid_at, invalid_at };
};

export const refuseEarlyEnd = ({ valid_at, invalid_at }: Holds, field: string): void => {
  if (valid_at !== null && invalid_at !== null && invalid_at.getTime() <= valid_at.getTime())
    throw invalid(field, 'must be later than valid_at.');
};

/** A fact holds up to, not including, `invalid_at`. */
const hasEnded = ({ invalid_at }: Holds, now: Date): boolean =>
  invalid_at !== null && invalid_at.getTime() <= now.getTime();

const isSameTime = (a: Holds, b: Holds): boolean =>
  a.valid_at?.getTime() === b.valid_at?.getTime() && a.invalid_at?.getTime() === b.invalid_at?.getTime();

/**
 * Whether two facts that say the same are one: while neither has ended, whatever their times, and afterwards only with the
 * same times. What has ended and holds again is a new fact.
 */
export const isOneFact = (a: Holds, b: Holds, now: Date): boolean =>
  (!hasEnded(a, now) && !hasEnded(b, now)) || isSameTime(a, b);

/** Of stored facts that say the same, the one that a fact of these times is. */
const sameFact = <Fact extends Holds>(stored: readonly Fact[], times: Holds, now: Date): Fact | undefined =>
  stored.find((one) => isOneFact(one, times, now));

/** Facts by what they say, with those that are being added. */
export const factIndex = <Fact extends Holds>(
  stored: readonly Fact[],
  keyOf: (fact: Fact) => string,
): { find(key: string, times: Holds, now: Date): Fact | undefined; add(fact: Fact): void } => {
  const byKey = new Map<string, Fact[]>();
  const add = (fact: Fact): void => {
    const key = keyOf(fact);
    const same = byKey.get(key);
    if (same) same.push(fact);
    else byKey.set(key, [fact]);
  };
  for (const fact of stored) add(fact);
  return { add, find: (key, times, now) => sameFact(byKey.get(key) ?? [], times, now) };
};
