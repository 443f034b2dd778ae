import { sql } from 'kysely';
import type { Tx } from '../../db/database.ts';
import type { MemoryEntityRow } from '../../db/tables/index.ts';
import { notFoundAt } from './errors.ts';
import { searchOfEntity } from './put.ts';

/** An entity whose scope is locked, with its aliases. */
export type LockedEntity = Pick<
  MemoryEntityRow,
  'id' | 'type' | 'name' | 'attributes' | 'tags' | 'is_activity' | 'version'
> & { readonly scope_id: string; readonly aliases: readonly string[] };

export const loadEntity = async (tx: Tx, id: string): Promise<LockedEntity> => {
  const { rows } = await sql<LockedEntity>`select e.id, e.scope_id, e.type, e.name, e.attributes, e.tags, e.is_activity,
      e.version, array(select n.name from public.memory_names as n where n.entity_id = e.id and n.is_alias) as aliases
    from public.memory_entities as e where e.id = ${id} and e.scope_id is not null`.execute(tx);
  const [row] = rows;
  if (!row) throw notFoundAt(null);
  return row;
};

/** Writes a new version of an entity, and what it is found by. */
export const saveEntity = async (tx: Tx, entity: LockedEntity, at: Date): Promise<void> => {
  const { id, scope_id, name, attributes, tags, is_activity, version } = entity;
  const { search, keys } = searchOfEntity(scope_id, entity);
  await sql`update public.memory_entities set name = ${name}, attributes = ${JSON.stringify(attributes)}::jsonb,
    tags = ${JSON.stringify(tags)}::jsonb, is_activity = ${is_activity}, version = ${version + 1}, updated_at = ${at},
    search = ${search}, keys = ${keys}::int[] where id = ${id}`.execute(tx);
};
