/** Something that is not as it should be, and what to do about it. */
export interface Finding {
  readonly what: string;
  readonly remedy: string;
}

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  /** What was seen, in a few words, for people. */
  readonly seen: string;
  readonly findings: readonly Finding[];
}

export const fine = (name: string, seen: string): Check => ({ name, seen, findings: [] });

export const found = (name: string, seen: string, findings: readonly Finding[]): Check => ({ name, seen, findings });
