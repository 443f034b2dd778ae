const zoned = /(?:[zZ]|[+-]\d{2}:?\d{2})$/;
const iso = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)?(?:[zZ]|[+-]\d{2}:?\d{2})?$/;

/** An ISO 8601 moment, UTC where it names no zone; a date alone is its first moment. Null for anything else. */
const ofText = (text: string): Date | null => {
  if (!iso.test(text)) return null;
  const whole =
    text.includes('T') || text.includes(' ') ? text.replace(' ', 'T').replace(',', '.') : `${text}T00:00:00`;
  const moment = new Date(zoned.test(whole.slice(10)) ? whole : `${whole}Z`);
  return Number.isNaN(moment.getTime()) ? null : moment;
};

/** A moment as files spell it: ISO 8601, or seconds since 1970. Null for what is neither. */
export const readInstant = (value: unknown): Date | null => {
  if (value instanceof Date) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? new Date(value * 1000) : null;
  return typeof value === 'string' ? ofText(value.trim()) : null;
};
