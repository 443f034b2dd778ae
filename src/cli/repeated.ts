/**
 * Commander's way to take an option more than once, and several of them with commas between. An option with many values
 * at once would swallow the arguments after it.
 */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
];
