import { type RawBuilder, sql } from 'kysely';
import type { Caller, RowVersion } from '../core/caller.ts';

/** Logins and tokens end by themselves; the later of the two clocks says when. */
const inForce = (table: RowVersion['table'], now: Date): RawBuilder<unknown> =>
  table === 'users' ? sql`true` : sql`expires_at > greatest(clock_timestamp(), ${now}::timestamptz)`;

const stands = ({ table, id, seal }: RowVersion, now: Date): RawBuilder<boolean> =>
  sql<boolean>`exists (select 1 from ${sql.table(table)} where id = ${id} and seal = ${seal} and ${inForce(table, now)} for share)`;

/**
 * SQL that is true when everything that let the caller in is still as it was verified, and that holds it still until the
 * transaction ends; what `Standing.confirm` comes to for a caller who named no session, within the statement that relies
 * on it. Null for callers of whom it cannot be said so: those in a session, and the operator. When it is false, nothing
 * is known but that something changed: ask `confirm`.
 */
export const rowsUnchanged = (caller: Caller, now: Date): RawBuilder<boolean> | null => {
  if (caller.session !== null || caller.waiting || caller.verifiedRows.length === 0) return null;
  return sql<boolean>`(${sql.join(
    caller.verifiedRows.map((ground) => stands(ground, now)),
    sql` and `,
  )})`;
};
