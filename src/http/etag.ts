import { invalid } from '../core/errors.ts';

/** The entity tag of a revision (RFC 9110 section 8.8.3). */
export const etagOf = (revision: number): string => `"${revision}"`;

/** What If-Match may hold: one entity tag, strong or weak, or `*`. */
export const ifMatchPattern = '^(\\*|(W/)?"[\\x21\\x23-\\x7e]*")$';

const ifMatchForm = new RegExp(ifMatchPattern);

/**
 * The revision that If-Match asks for; null without the header, or with `*`. A tag that the service never gave, and a weak
 * one, match nothing: they become a revision that no secret has. Throws `invalid_request` for any other form.
 */
export const ifMatch = (header: string | undefined): number | null => {
  if (header === undefined || header === '*') return null;
  if (!ifMatchForm.test(header)) throw invalid('If-Match', 'must be one entity tag from an ETag header, such as "3".');
  const revision = /^"([1-9][0-9]{0,14})"$/.exec(header)?.[1];
  return revision === undefined ? -1 : Number(revision);
};
