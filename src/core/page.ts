import { invalid } from './errors.ts';
import { uuidBytes, uuidFromBytes } from './uuid.ts';

/** One page of a list: at most `limit` items after `cursor`, the id of the last item of the page before. */
export interface Page {
  readonly limit: number;
  readonly cursor: string | null;
}

export interface Paged<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/** The form of a cursor: the 16 bytes of an id as base64url, so that nobody builds one by hand. */
export const cursorPattern = '^[A-Za-z0-9_-]{21}[AQgw]$';

const cursorForm = new RegExp(cursorPattern);

/** The id that a client's cursor stands for; null without one. Throws `invalid_request` for any other text. */
export const readCursor = (text: string | undefined): string | null => {
  if (text === undefined) return null;
  if (!cursorForm.test(text)) throw invalid('cursor', 'must be the next_cursor of the page before.');
  return uuidFromBytes(Buffer.from(text, 'base64url'));
};

/** Cuts the extra row that was read to learn whether there is more. `idOf` names an item's place in the order. */
export const pageOf = <T>(rows: readonly T[], limit: number, idOf: (row: T) => string): Paged<T> => {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, next_cursor: more ? uuidBytes(idOf(last)).toString('base64url') : null };
};
