export interface Options {
  /** How often each of a pair is measured, in turn, after one round of warm-up. */
  readonly rounds: number;
  /** How long one round lasts. */
  readonly seconds: number;
  /** How large the grown table is: secrets in all, of owners with 10,000 each, and users in all. */
  readonly grown: { readonly secrets: number; readonly users: number };
  /** Tells a person who waits what is under way. */
  readonly say: (what: string) => void;
}

export const whole = { rounds: 5, seconds: 5, grown: { secrets: 1_000_000, users: 100_000 } } as const;
export const quick = { rounds: 2, seconds: 3, grown: { secrets: 100_000, users: 10_000 } } as const;

/** Measures in alternating rounds, so that what the machine does meanwhile befalls all alike; the first round is thrown away. */
export const alternate = async <N extends string>(
  { rounds, say }: Options,
  what: Record<N, () => Promise<number>>,
): Promise<Record<N, number[]>> => {
  const names = Object.keys(what) as N[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<N, number[]>;
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const value = await what[name]();
      say(`${round === 0 ? 'warm-up' : `round ${round}`} ${name}: ${value.toPrecision(4)}`);
      if (round > 0) measured[name].push(value);
    }
  }
  return measured;
};
