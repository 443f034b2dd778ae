import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { Tx } from '../../db/database.ts';
import type { ChangeEntity, EntityView } from '../operations.ts';
import { theGraph } from '../read.ts';
import { entityView } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { holdersOf } from './entities.ts';
import { type LockedEntity, loadEntity, saveEntity } from './entity-row.ts';
import { nameTaken } from './errors.ts';
import { turnOf } from './places.ts';
import { changing } from './targets.ts';

export const createUpdate = ({ clock, audit, writing, settle, targets }: WriteDeps) => ({
  updateEntity: (caller: Caller, id: string, change: ChangeEntity, version: number | null): Promise<EntityView> =>
    writing.change(caller, { action: 'graph.update', turns: [turnOf(caller)] }, async (tx) => {
      const asked = [{ ref: { id }, field: null }];
      const { value } = await settle(tx, caller, [], async (tx) =>
        changing(await targets.resolve(tx, caller, asked), () => null),
      );
      const before = await loadEntity(tx, value[0]?.id ?? id);
      if (version !== null && version !== before.version) throw versionMismatch();
      const aliases = await rename(tx, before, change.name);
      const { name = before.name, attributes = before.attributes, tags = before.tags } = change;
      await saveEntity(tx, { ...before, aliases, name, attributes, tags: [...new Set(tags)] }, clock.now());
      const details = { operation: 'updateEntity', id: before.id, version: before.version + 1 };
      await audit.allow(tx, caller, 'graph.update', { target: theGraph, details });
      return await entityView(tx, before.id);
    }),
});

/** Gives the entity another name, and frees the old one; resolves to its aliases. Throws `name_taken`. */
const rename = async (tx: Tx, entity: LockedEntity, name: string | undefined): Promise<readonly string[]> => {
  const { id, scope_id, aliases } = entity;
  if (name === undefined || name === entity.name) return aliases;
  const [holder] = (await holdersOf(tx, [{ scope_id, name }])).values();
  if (holder && holder.id !== id) throw nameTaken('name', holder);
  // One of its own aliases can become its name.
  await sql`delete from public.memory_names where scope_id = ${scope_id} and entity_id = ${id}
    and (not is_alias or name = ${name})`.execute(tx);
  await sql`insert into public.memory_names (scope_id, name, entity_id, is_alias)
    values (${scope_id}, ${name}, ${id}, false)`.execute(tx);
  return aliases.filter((alias) => alias !== name);
};

const versionMismatch = (): KeyholdError =>
  new KeyholdError(
    'revision_mismatch',
    'The entity was changed since you read it. Read it again and repeat the change.',
  );
