/** Text from outside as a column can hold it: without NUL, at most `maxLength` characters, no half of a surrogate pair. */
export const boundedText = (text: string | null, maxLength: number): string | null =>
  text === null ? null : text.replaceAll('\0', '').slice(0, maxLength).toWellFormed();
