const zoned = /(?:[zZ]|[+-]\d{2}:?\d{2})$/;
const iso = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?:[zZ]|[+-]\d{2}:?\d{2})?$/;

/** Parses an ISO 8601 time, in UTC where it has no zone; a date alone is its midnight. Null for anything else. */
const parseText = (text: string): Date | null => {
  if (!iso.test(text)) return null;
  const whole =
    text.includes('T') || text.includes(' ') ? text.replace(' ', 'T').replace(',', '.') : `${text}T00:00:00`;
  const instant = new Date(zoned.test(whole.slice(10)) ? whole : `${whole}Z`);
  return Number.isNaN(instant.getTime()) ? null : instant;
};

/** Parses a time in a file: ISO 8601, or seconds since 1970. Null for anything else. */
export const readInstant = (value: unknown): Date | null => {
  if (value instanceof Date) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? new Date(value * 1000) : null;
  return typeof value === 'string' ? parseText(value.trim()) : null;
};
