/**
 * Parses an option that may be repeated, and may hold several items with commas between them. Commander's own variadic
 * options would swallow the arguments that follow.
 */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
];
