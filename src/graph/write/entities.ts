import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { invalid } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { IdempotentRequest } from '../../idempotency/index.ts';
import type { CreatedEntity, NewEntity } from '../operations.ts';
import { theGraph } from '../read.ts';
import { isDerivedType } from '../vocabulary.ts';
import { entityViews } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { nameTaken } from './errors.ts';
import { markExisting, readMarked } from './marked.ts';
import { authorOf } from './origin.ts';
import { placeIn, sessionsIn, turnsOf } from './places.ts';
import { type EntityToPut, putEntities, putNames } from './put.ts';
import { type NewObservation, storeObservations } from './store-observations.ts';

/** An entity that has one of the names in question. */
interface Holder {
  readonly id: string;
  readonly type: string;
}

/** A new entity with the scope that it goes to. */
interface PlacedEntity {
  readonly input: NewEntity;
  readonly scope_id: string;
  readonly path: string;
}

export const createEntityCreation = ({ clock, now, audit, writing, places, settle, targets }: WriteDeps) => {
  const create = async (tx: Tx, caller: Caller, entities: readonly NewEntity[]): Promise<string[]> => {
    const wanted = await places(tx, caller, entities);
    const { scopeOf } = await settle(tx, caller, [...wanted.values()], nothing);
    const placed = entities.map((input, at) => {
      const scope_id = scopeOf(placeIn(wanted, input.session_id)).id;
      return { input, scope_id, path: `entities/${at}` };
    });
    const { ids, created } = await storeEntities(tx, placed, { ...authorOf(caller), at: clock.now() });
    const facts = placed.flatMap(({ input, scope_id }, at) =>
      (input.observations ?? []).map((content) => ({ ...plainFact, entity_id: ids[at] ?? '', scope_id, content })),
    );
    const stored = await storeObservations(tx, facts, { ...authorOf(caller), at: clock.now(), now: await now(tx) });
    const counts = {
      entities: created.size,
      observations: stored.filter((one) => one.created).length,
      relations: 0,
    };
    const details = { operation: 'createEntities', ...counts, session_ids: sessionsIn(wanted) };
    await audit.allow(tx, caller, 'graph.write', { target: theGraph, details });
    return ids.map((id, at) => markExisting(id, created.get(id) !== at));
  };

  return {
    createEntities: async (
      caller: Caller,
      entities: readonly NewEntity[],
      request: IdempotentRequest | null,
    ): Promise<readonly CreatedEntity[]> => {
      for (const [at, { type }] of entities.entries()) refuseDerivedType(type, `entities/${at}/type`);
      return await writing.create(caller, turnsOf(caller, entities), {
        request,
        create: (tx) => create(tx, caller, entities),
        answer: async (tx, marked, repeated) => {
          const items = marked.map(readMarked);
          const ids = items.map((one) => one.id);
          const views = await entityViews(tx, repeated ? await targets.stillSeen(tx, caller, ids) : ids);
          return views.map((entity, at) => ({ entity, created: items[at]?.created ?? false }));
        },
      });
    },
  };
};

export const refuseDerivedType = (type: string, field: string): void => {
  if (isDerivedType(type))
    throw invalid(
      field,
      `must not be ${type}: such nodes come from users, sessions, secrets and records of their use.`,
    );
};

const nothing = async () => ({ value: null, scopes: [], sessions: [], derived: [] });

const plainFact: Omit<NewObservation, 'entity_id' | 'scope_id' | 'content'> = {
  source: null,
  confidence: null,
  valid_at: null,
  invalid_at: null,
};

const keyOf = (scopeId: string, name: string): string => `${scopeId} ${name}`;

/** The entities that have these names or aliases, by scope and name. */
export const holdersOf = async (
  tx: Tx,
  wanted: readonly { readonly scope_id: string; readonly name: string }[],
): Promise<Map<string, Holder>> => {
  const { rows } = await sql<Holder & { scope_id: string; name: string }>`
    select n.scope_id, n.name, e.id, e.type from unnest(${wanted.map((one) => one.scope_id)}::uuid[],
      ${wanted.map((one) => one.name)}::text[]) as w (scope_id, name)
    join public.memory_names as n on n.scope_id = w.scope_id and n.name = w.name
    join public.memory_entities as e on e.id = n.entity_id`.execute(tx);
  return new Map(rows.map(({ scope_id, name, id, type }) => [keyOf(scope_id, name), { id, type }]));
};

/**
 * Stores the entities whose names are free; resolves to the id of each item, and for each new entity to the item that made
 * it. Throws `name_taken` where an entity of another type has the name.
 */
const storeEntities = async (
  tx: Tx,
  placed: readonly PlacedEntity[],
  origin: ReturnType<typeof authorOf> & { readonly at: Date },
): Promise<{ readonly ids: string[]; readonly created: ReadonlyMap<string, number> }> => {
  const holders = await holdersOf(
    tx,
    placed.map(({ scope_id, input }) => ({ scope_id, name: input.name })),
  );
  const rows: EntityToPut[] = [];
  const created = new Map<string, number>();
  const ids = placed.map(({ input, scope_id, path }, index) => {
    const key = keyOf(scope_id, input.name);
    const holder = holders.get(key);
    if (holder && holder.type !== input.type) throw nameTaken(`${path}/name`, holder);
    if (holder) return holder.id;
    const row = rowOf(input, scope_id, origin);
    rows.push(row);
    holders.set(key, row);
    created.set(row.id, index);
    return row.id;
  });
  await putEntities(tx, rows);
  const names = rows.map(({ id, scope_id, name }) => ({ scope_id, name: name ?? '', entity_id: id, is_alias: false }));
  await putNames(tx, names);
  return { ids, created };
};

const rowOf = (
  { type, name, attributes = {}, tags = [] }: NewEntity,
  scope_id: string,
  { at, ...author }: ReturnType<typeof authorOf> & { readonly at: Date },
): EntityToPut => ({
  id: newId(),
  scope_id,
  type,
  name,
  attributes,
  tags: [...new Set(tags)],
  is_activity: false,
  ...author,
  version: 1,
  created_at: at,
  updated_at: at,
});
