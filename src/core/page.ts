import { invalid } from './errors.ts';
import { isUuid } from './ids.ts';

/** One page of a list: at most `limit` items after `cursor`, the id of the last item of the page before. */
export interface Page {
  readonly limit: number;
  readonly cursor: string | null;
}

export interface Paged<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** The cursor as a client sent it. It is an id in another spelling, so that nobody builds one by hand. */
export const readCursor = (text: string | undefined): string | null => {
  if (text === undefined) return null;
  const id = Buffer.from(text, 'base64url').toString('utf8');
  if (!isUuid(id)) throw invalid('cursor', 'take it from next_cursor of the page before.');
  return id;
};

/** Cuts the extra row that was read to learn whether there is more. `idOf` names an item's place in the order. */
export const pageOf = <T>(rows: readonly T[], limit: number, idOf: (row: T) => string): Paged<T> => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, next_cursor: more ? Buffer.from(idOf(last)).toString('base64url') : null };
};
