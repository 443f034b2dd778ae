/*
 * The ids that a creation leaves under its Idempotency-Key. Each says whether the request created what it names, so that a
 * repetition is answered alike.
 */

const mark = 'existing:';

export const markExisting = (id: string, existed: boolean): string => (existed ? `${mark}${id}` : id);

export const readMarked = (text: string): { readonly id: string; readonly created: boolean } =>
  text.startsWith(mark) ? { id: text.slice(mark.length), created: false } : { id: text, created: true };
