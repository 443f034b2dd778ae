import { sql } from 'kysely';
import type { Actor, Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { Seals } from '../keys/index.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
}

export type EndHandovers = (tx: Tx, actor: Actor, id: UserId) => Promise<void>;

/**
 * Ends what was begun to hand over everything of a disabled user, as when they are enabled. The caller has locked the user, so
 * none is accepted in between.
 */
export const createEndHandovers =
  ({ clock, seals, audit }: Deps): EndHandovers =>
  async (tx, actor, id) => {
    const asked = { from_user: id, kind: 'user', state: 'pending' } as const;
    for (const row of await seals.load(tx, 'handovers', asked, { lock: 'update', orderBy: sql`id` })) {
      const details = { handover_id: row.id, kind: row.kind };
      await seals.update(tx, 'handovers', row, { state: 'cancelled', decided_at: clock.now() });
      await audit.record(tx, actor, {
        action: 'handover.cancel',
        target: { type: 'user', id },
        outcome: 'allowed',
        details,
        tells: [
          {
            type: 'handover.cancelled',
            to: [id, row.to_user, row.requested_by],
            details: { ...details, from: id, to: row.to_user },
          },
        ],
      });
    }
  };
