import { usage } from '../failure.ts';

const units: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800 };
const form = 'an instant such as 2027-01-31T12:00:00Z, or a duration such as 30m, 8h, 90d or 2w';

/** Parses an instant, or a duration from now, into RFC 3339. Throws usage. */
export const readInstant = (option: string, text: string, now = Date.now()): string => {
  const duration = /^(\d{1,6})([mhdw])$/.exec(text);
  const at = duration
    ? now + Number(duration[1]) * (units[duration[2] ?? ''] ?? 0) * 1000
    : /^\d{4}-\d\d-\d\d/.test(text)
      ? Date.parse(text)
      : Number.NaN;
  const instant = new Date(at);
  if (Number.isNaN(instant.getTime())) throw usage(`${option} must be ${form}.`);
  return instant.toISOString();
};

/** Parses a number of days into seconds. Throws usage. */
export const readDays = (text: string): number => {
  const days = Number(text);
  if (!/^\d{1,4}$/.test(text) || days < 1 || days > 3650) throw usage('--days must be a whole number from 1 to 3650.');
  return days * 86_400;
};
