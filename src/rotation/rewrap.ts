import { sql } from 'kysely';
import type { OwnerKeyId } from '../core/ids.ts';
import { idsOf } from '../core/ids.ts';
import { databaseNow } from '../db/checks.ts';
import type { Tx } from '../db/database.ts';
import { type JobKind, jobKind, type StepOutcome } from '../jobs/index.ts';
import { type KeyRing, liveServices, type OwnerKeys, type Seals } from '../keys/index.ts';
import { noteUnused } from './root-states.ts';

/** How far a job is in moving owner keys to the primary root key. */
type Cursor = {
  /** The last key that was looked at. */
  readonly after: string | null;
  /** Keys that no root key opens, counted in this pass. */
  readonly failed: number;
};

interface Deps {
  readonly keys: KeyRing;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
}

const batchSize = 200;
const waitSeconds = 2;
const start: Cursor = { after: null, failed: 0 };

/** The next owner keys that another root key wraps. A key without content is that of a user who is being erased. */
const nextIds = async (tx: Tx, primary: string, after: string | null): Promise<OwnerKeyId[]> => {
  const { rows } = await sql<{ id: unknown }>`select id from public.owner_keys
    where root_key_id <> ${primary} and wrapped_key <> '' ${after === null ? sql`` : sql`and id > ${after}`}
    order by id limit ${sql.lit(batchSize)}`.execute(tx);
  return idsOf<OwnerKeyId>(rows.map(({ id }) => id));
};

const countLeft = async (tx: Tx, primary: string): Promise<number> => {
  const { rows } = await sql<{ left: number }>`select count(*) as left from public.owner_keys
    where root_key_id <> ${primary} and wrapped_key <> ''`.execute(tx);
  return Number(rows[0]?.left ?? 0);
};

/**
 * Wraps every owner key under the primary root key. It costs the same for each user, however many secrets they have. Keys that
 * no root key opens are left and counted.
 */
export const createRewrap = ({ keys, seals, ownerKeys }: Deps): JobKind => {
  /** Whether every live service wraps under the same key: otherwise there would be no end. */
  const agreed = async (tx: Tx, primary: string): Promise<boolean> => {
    const others = await liveServices(tx, seals, await databaseNow(tx));
    return others.every(({ root_key_ids: [theirs] }) => theirs === primary);
  };

  const rewrapBatch = async (tx: Tx, ids: readonly OwnerKeyId[]): Promise<{ done: number; failed: number }> => {
    const rows = await seals.load(tx, 'owner_keys', { id: ids }, { lock: 'update', orderBy: sql`id` });
    const { rewrapped } = await ownerKeys.wrapping(tx);
    const moved = await Promise.all(rows.map(async (row) => ({ row, changes: await rewrapped(row) })));
    const changed = moved.flatMap(({ row, changes }) => (changes === null ? [] : [{ row, changes }]));
    await seals.updateAll(tx, 'owner_keys', changed);
    return { done: changed.length, failed: ids.length - changed.length };
  };

  /** The end of a pass. What a service wrapped meanwhile, before it had the new primary key, takes another one. */
  const endPass = async (tx: Tx, primary: string, { failed }: Cursor): Promise<StepOutcome<Cursor>> => {
    if ((await countLeft(tx, primary)) > failed) return { next: 'step', cursor: start };
    await noteUnused(tx, seals, primary);
    return { next: 'finish', failed };
  };

  return jobKind<Record<string, never>, Cursor>({
    step: async (tx, { cursor, total }) => {
      const at = cursor ?? start;
      const primary = keys.held().rootKeys[0].id;
      if (!(await agreed(tx, primary))) return { next: 'wait', cursor: at, seconds: waitSeconds };
      const known = total === null ? { total: await countLeft(tx, primary) } : {};
      const ids = await nextIds(tx, primary, at.after);
      const last = ids.at(-1);
      if (last === undefined) return { ...known, ...(await endPass(tx, primary, at)) };
      const { done, failed } = await rewrapBatch(tx, ids);
      return { ...known, next: 'step', done, cursor: { after: last, failed: at.failed + failed } };
    },
  });
};
