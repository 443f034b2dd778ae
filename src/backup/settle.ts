import { sql } from 'kysely';
import type { JobRow } from '../db/tables/index.ts';
import type { Restored } from './restored.ts';

/** An erasure was acknowledged, and nothing else would ever finish it: it goes on once the operator has released the restore. */
const goesOn = ({ kind }: JobRow): boolean => kind === 'erase';

/**
 * Settles what was under way when the backup was made. The services of that time are not those of the restored database, and
 * jobs do not run again. An erasure waits until the operator releases what is held back.
 */
export const settleRestored = async ({ tx, seals, clock }: Restored): Promise<void> => {
  await sql`delete from public.heartbeats`.execute(tx);
  const asked = { state: ['queued', 'running'] } as const;
  for (const row of await seals.load(tx, 'jobs', asked, { orderBy: sql`id`, lock: 'update' })) {
    const now = clock.now();
    const changes = goesOn(row)
      ? ({ state: 'queued', params: { ...row.params, restored: true } } as const)
      : ({ state: 'cancelled', finished_at: now } as const);
    await seals.update(tx, 'jobs', row, { ...changes, updated_at: now, revision: row.revision + 1 });
  }
};
