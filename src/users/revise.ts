import type { Clock } from '../core/clock.ts';
import type { Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** Writes a change of a user who was loaded and locked in the same transaction, under a new revision. */
export type Revise = (tx: Tx, row: UserRow, changes: Partial<UserRow>) => Promise<UserRow>;

export const createRevise =
  ({ seals, clock }: { readonly seals: Seals; readonly clock: Clock }): Revise =>
  (tx, row, changes) =>
    seals.update(tx, 'users', row, { ...changes, revision: row.revision + 1, updated_at: clock.now() });
