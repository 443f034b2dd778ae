/* Lengths of time in milliseconds. A day is 24 hours, even where a calendar says otherwise. */

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
