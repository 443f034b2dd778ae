import { type RawBuilder, sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import type { Tx } from '../../db/database.ts';
import { theGraph } from '../read.ts';
import type { WriteDeps } from './deps.ts';
import { turnOf } from './places.ts';
import { changing } from './targets.ts';

/** Rows that one statement deletes, so that an entity with any number of facts is deleted within the timeout of each. */
const maxRows = 10_000;

/** Deletes the chosen facts, some with each statement; resolves to how many these were. */
const removeFacts = async (
  tx: Tx,
  table: 'memory_relations' | 'memory_observations',
  chosen: RawBuilder<unknown>,
): Promise<number> => {
  for (let total = 0; ; ) {
    const { numAffectedRows } = await sql`delete from ${sql.table(`public.${table}`)} where id = any(array(
      select id from ${sql.table(`public.${table}`)} where ${chosen} limit ${sql.lit(maxRows)}))`.execute(tx);
    const deleted = Number(numAffectedRows ?? 0);
    total += deleted;
    if (deleted < maxRows) return total;
  }
};

export const createEntityDeletion = ({ audit, writing, settle, targets }: WriteDeps) => ({
  /** Deletes entities with their observations and with every relation of theirs, in whichever scope it is. */
  deleteEntities: (caller: Caller, ids: readonly string[]): Promise<{ readonly deleted: number }> =>
    writing.change(caller, { action: 'graph.delete', turns: [turnOf(caller)] }, async (tx) => {
      const field = (at: number) => (ids.length === 1 ? null : `ids/${at}`);
      const asked = ids.map((id, at) => ({ ref: { id }, field: field(at) }));
      const { value } = await settle(tx, caller, [], async (tx) =>
        changing(await targets.resolve(tx, caller, asked), field),
      );
      const entities = [...new Set(value.map((one) => one.id))];
      const relations =
        (await removeFacts(tx, 'memory_relations', sql`from_id = any(${entities}::uuid[])`)) +
        (await removeFacts(tx, 'memory_relations', sql`to_id = any(${entities}::uuid[])`));
      const observations = await removeFacts(tx, 'memory_observations', sql`entity_id = any(${entities}::uuid[])`);
      await sql`delete from public.memory_entities where id = any(${entities}::uuid[])`.execute(tx);
      const counts = { entities: entities.length, observations, relations };
      await audit.allow(tx, caller, 'graph.delete', {
        target: theGraph,
        details: { operation: 'deleteEntities', ...counts },
      });
      return { deleted: entities.length };
    }),
});
