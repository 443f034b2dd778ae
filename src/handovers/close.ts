import { sql } from 'kysely';
import type { Actor, Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { SecretId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { HandoverRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
}

export type CloseHandovers = ReturnType<typeof createClose>;

/** Ends hand-overs. The caller has locked the rows, and has checked who may do so. */
export const createClose = ({ clock, seals, audit }: Deps) => {
  const close = async (tx: Tx, row: HandoverRow, state: 'accepted' | 'cancelled'): Promise<void> => {
    await seals.update(tx, 'handovers', row, { state, decided_at: clock.now() });
  };

  const cancel = async (tx: Tx, actor: Actor, row: HandoverRow): Promise<void> => {
    await close(tx, row, 'cancelled');
    await audit.record(tx, actor, {
      action: 'handover.cancel',
      target: targetOf(row),
      outcome: 'allowed',
      details: { handover_id: row.id, kind: row.kind },
      tells: [toldOf('handover.cancelled', row)],
    });
  };

  return {
    close,
    /** Cancels one, with its record. */
    cancel,
    /** Cancels what was offered of these secrets one by one, as when they were given to somebody else together. */
    cancelOffersOf: async (tx: Tx, actor: Actor, secrets: readonly SecretId[]): Promise<void> => {
      if (secrets.length === 0) return;
      const asked = { secret_id: secrets, kind: 'secret', state: 'pending' } as const;
      const rows = await seals.load(tx, 'handovers', asked, { lock: 'update', orderBy: sql`id` });
      for (const row of rows) await cancel(tx, actor, row);
    },
  };
};

/** What the record of a hand-over is about: the secret, or the user whose secrets they are. */
export const targetOf = (row: HandoverRow) =>
  row.secret_id === null
    ? ({ type: 'user', id: row.from_user } as const)
    : ({ type: 'secret', id: row.secret_id } as const);

export const toldOf = (type: 'handover.accepted' | 'handover.cancelled', row: HandoverRow) => ({
  type,
  to: [row.from_user, row.to_user, row.requested_by],
  details: toldDetails(row),
});

/** What everybody whom a hand-over concerns may know of it. Whose it is, and names, they see in the list of hand-overs. */
export const toldDetails = ({ id, kind, secret_id, from_user, to_user }: Unsealed<'handovers'>) => ({
  ...{ handover_id: id, kind, from: from_user, to: to_user },
  ...(secret_id === null ? {} : { secret_id }),
});
