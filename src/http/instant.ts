import { invalid } from '../core/errors.ts';

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

const daysIn = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();

/**
 * An RFC 3339 instant, to the millisecond. Refuses days that no calendar has, which `Date` would move silently, and leap
 * seconds, which it does not know. Throws `invalid_request`.
 */
export const readInstant = (field: string, text: string): Date => {
  const [, year, month, day] = (rfc3339.exec(text) ?? []).map(Number);
  const date = new Date(text.toUpperCase());
  const real = year !== undefined && month !== undefined && day !== undefined && day <= daysIn(year, month);
  // An offset can lead out of the years that RFC 3339 can write, and PostgreSQL has no year 0.
  if (!real || Number.isNaN(date.getTime()) || !/^(?!0000)\d{4}-/.test(date.toISOString()))
    throw invalid(field, 'must be an RFC 3339 time such as 2030-01-31T12:00:00Z.');
  return date;
};

/** Reads an instant of a field that may be left out or be null. Throws `invalid_request`. */
export const optionalInstant = (field: string, text: string | null | undefined): Date | null | undefined =>
  typeof text === 'string' ? readInstant(field, text) : text;
