/** Something that is not as it should be, and what to do about it. */
export interface Finding {
  readonly what: string;
  readonly remedy: string;
}

/** The result of one check. */
export interface Check {
  readonly name: string;
  /** A few words for people about what was checked. */
  readonly seen: string;
  readonly findings: readonly Finding[];
}

export const fine = (name: string, seen: string): Check => ({ name, seen, findings: [] });

export const found = (name: string, seen: string, findings: readonly Finding[]): Check => ({ name, seen, findings });

const maxListed = 100;

/** The first hundred as findings of their own, and the rest as a number. All have one remedy. */
export const listed = (sentences: readonly string[], remedy: string): readonly Finding[] => {
  const rest = sentences.length - maxListed;
  const more = rest > 0 ? [`${rest} more findings of this kind are not listed.`] : [];
  return [...sentences.slice(0, maxListed), ...more].map((what) => ({ what, remedy }));
};

const maxReason = 300;

/** Why something failed, in one sentence, from the database's own message where there is one. */
export const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error).slice(0, maxReason);
  // "The database cannot answer right now" hides what it answered.
  const { message } = error.cause instanceof Error ? error.cause : error;
  return message.slice(0, maxReason);
};

/** Runs one check. An error in it becomes its finding, so that the checks after it still run. */
export const completed = async (name: string, check: () => Promise<Check>): Promise<Check> => {
  try {
    return await check();
  } catch (error) {
    const what = `This check could not be completed: ${reasonOf(error)}`;
    return found(name, 'not completed', [{ what, remedy: 'Correct this and run the doctor again.' }]);
  }
};
