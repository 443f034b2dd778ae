import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { invalid, KeyholdError } from '../../core/errors.ts';
import { checkMetadata } from '../../core/metadata.ts';
import type { Tx } from '../../db/database.ts';
import type { EntityView } from '../operations.ts';
import { theGraph } from '../read.ts';
import { maxTags } from '../vocabulary.ts';
import { entityView } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { type LockedEntity, loadEntity, saveEntity } from './entity-row.ts';
import { moveObservations, moveRelations, refuseHub } from './move-facts.ts';
import { turnOf } from './places.ts';
import { changing } from './targets.ts';

export const createMerging = ({ clock, now, audit, writing, settle, targets }: WriteDeps) => ({
  /**
   * Merges the entity `id` into `into`. Ids and names of both lead to the survivor. Throws `state_conflict` for entities of
   * two scopes, and for two that are one already, such as after the same merge the other way round.
   */
  mergeEntities: async (caller: Caller, id: string, into: string): Promise<EntityView> => {
    if (id.toLowerCase() === into.toLowerCase()) throw invalid('into', 'must be another entity.');
    return await writing.change(caller, { action: 'graph.merge', turns: [turnOf(caller)] }, async (tx) => {
      const asked = [
        { ref: { id }, field: null },
        { ref: { id: into }, field: null },
      ];
      const { value } = await settle(tx, caller, [], async (tx) =>
        changing(await targets.resolve(tx, caller, asked), () => null),
      );
      const [merged, survivor] = value;
      if (!merged || !survivor) throw new TypeError('an entity is missing');
      if (merged.id === survivor.id) throw mergedAlready();
      if (merged.scope_id !== survivor.scope_id) throw twoMemories();
      await refuseHub(tx, merged.id);
      await merge(tx, await loadEntity(tx, merged.id), await loadEntity(tx, survivor.id), {
        at: clock.now(),
        now: await now(tx),
      });
      const details = { id: merged.id, into: survivor.id };
      await audit.allow(tx, caller, 'graph.merge', { target: theGraph, details });
      return await entityView(tx, survivor.id);
    });
  },
});

const merge = async (
  tx: Tx,
  merged: LockedEntity,
  survivor: LockedEntity,
  { at, now }: { readonly at: Date; readonly now: Date },
): Promise<void> => {
  const whole = together(merged, survivor);
  await moveObservations(tx, merged.id, survivor.id, now);
  await moveRelations(tx, merged.id, survivor.id, now);
  await sql`update public.memory_uses set activity_id = ${survivor.id} where activity_id = ${merged.id}`.execute(tx);
  await sql`update public.memory_names set entity_id = ${survivor.id}, is_alias = true
    where entity_id = ${merged.id}`.execute(tx);
  // Those that were merged before lead straight to the survivor, so that no chain has to be followed.
  await sql`update public.memory_merges set entity_id = ${survivor.id} where entity_id = ${merged.id}`.execute(tx);
  await sql`insert into public.memory_merges (merged_id, entity_id) values (${merged.id}, ${survivor.id})`.execute(tx);
  await sql`delete from public.memory_entities where id = ${merged.id}`.execute(tx);
  await saveEntity(tx, whole, at);
};

/** The survivor with the aliases, tags and attributes of both; its own attributes come first. Throws where they are too many. */
const together = (merged: LockedEntity, survivor: LockedEntity): LockedEntity => {
  const names = merged.name === null ? [] : [merged.name];
  const tags = [...new Set([...survivor.tags, ...merged.tags])];
  if (tags.length > maxTags) throw tooMuch(`more than ${maxTags} tags`);
  const attributes = { ...merged.attributes, ...survivor.attributes };
  try {
    checkMetadata(attributes, 'attributes');
  } catch (error) {
    throw tooMuch('attributes of more than 16 KiB or 8 levels', error);
  }
  const aliases = [...survivor.aliases, ...merged.aliases, ...names];
  return { ...survivor, aliases, tags, attributes, is_activity: survivor.is_activity || merged.is_activity };
};

const tooMuch = (what: string, cause?: unknown): KeyholdError =>
  new KeyholdError('state_conflict', `Together, these entities have ${what}. Remove some, then merge them again.`, {
    cause,
  });

const mergedAlready = (): KeyholdError =>
  new KeyholdError('state_conflict', 'These two are one entity already: one was merged into the other.');

const twoMemories = (): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    'These entities belong to two memories. Only entities of one session, or of your own memory, can be merged.',
  );
