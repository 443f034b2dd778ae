import { sql } from 'kysely';
import { KeyholdError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Tx } from '../../db/database.ts';
import type { MemoryRelationRow } from '../../db/tables/index.ts';
import type { DerivedNode } from '../model.ts';
import type { View } from '../read.ts';
import { entityColumns, observationColumns, type ShownEntity, type ShownObservation } from '../show.ts';
import { holdsAt } from '../sight.ts';
import type { FindDerived } from '../write/targets.ts';
import { maxTransferBytes } from './records.ts';
import { scanScopes } from './scan.ts';
import { batchesOf } from './store.ts';

type Holding<Row> = Row & { readonly holds: boolean };

export interface CollectedEntity {
  readonly row: ShownEntity & { readonly name: string };
  readonly aliases: readonly string[];
  readonly uses: readonly string[];
  readonly observations: Holding<ShownObservation>[];
}

/** What is remembered of a derived node. */
export interface CollectedAnchor {
  readonly node: DerivedNode;
  readonly metadata: JsonObject | null;
  readonly observations: Holding<ShownObservation>[];
}

/** Everything that an export can show, with ended facts and derived nodes. */
export interface Collected {
  readonly entities: ReadonlyMap<string, CollectedEntity>;
  readonly anchors: ReadonlyMap<string, CollectedAnchor>;
  readonly relations: readonly Holding<MemoryRelationRow>[];
}

const columnsOf = (names: readonly string[]) => sql.join(names.map((name) => sql.ref(`t.${name}`)));

/** An entity as it is scanned. Without a name it is what remains of an erased author's, and no export has it. */
type ScannedEntity = ShownEntity & { readonly aliases: readonly string[]; readonly uses: readonly string[] };

const entitiesIn = async (view: View, scopeIds: readonly string[]): Promise<Map<string, CollectedEntity>> => {
  const found = new Map<string, CollectedEntity>();
  const columns = sql`${columnsOf(entityColumns)},
    array(select n.name from public.memory_names as n where n.entity_id = t.id and n.is_alias order by n.name) as aliases,
    array(select u.use_id from public.memory_uses as u where t.is_activity and u.activity_id = t.id
      order by u.use_id) as uses`;
  for await (const rows of scanScopes<ScannedEntity>(view, 'memory_entities', columns, scopeIds)) {
    view.draw(rows.map((row) => row.scope_id));
    for (const { aliases, uses, ...row } of rows) {
      const { name } = row;
      if (name !== null) found.set(row.id, { row: { ...row, name }, aliases, uses, observations: [] });
    }
  }
  return found;
};

const tooLarge = (): KeyholdError =>
  new KeyholdError(
    'payload_too_large',
    'The export would have more than 64 MiB, which is the most that an import takes. Export one session at a time with session_id.',
  );

const readFacts = async (view: View, scopeIds: readonly string[]) => {
  const { moment } = view;
  const observations: Holding<ShownObservation>[] = [];
  const relations: Holding<MemoryRelationRow>[] = [];
  let size = 0;
  const holds = sql`${holdsAt('t', moment)} as holds`;
  const columns = sql`${columnsOf(observationColumns)}, ${holds}`;
  for await (const rows of scanScopes<Holding<ShownObservation>>(view, 'memory_observations', columns, scopeIds)) {
    view.draw(rows.map((row) => row.scope_id));
    for (const row of rows) size += row.content.length;
    if (size > maxTransferBytes) throw tooLarge();
    observations.push(...rows);
  }
  for await (const rows of scanScopes<Holding<MemoryRelationRow>>(
    view,
    'memory_relations',
    sql`t.*, ${holds}`,
    scopeIds,
  )) {
    view.draw(rows.map((row) => row.scope_id));
    relations.push(...rows);
  }
  return { observations, relations };
};

const metadataIn = async ({ tx }: View, scopeIds: readonly string[]): Promise<Map<string, JsonObject>> => {
  const { rows } = await sql<{ entity_id: string; metadata: JsonObject }>`select entity_id, metadata
    from public.memory_metadata where scope_id = any(${scopeIds}::uuid[]) order by entity_id`.execute(tx);
  return new Map(rows.map((row) => [row.entity_id, row.metadata]));
};

/** Leaves out the uses that the caller may not see. */
const withVisibleUses = (
  entities: ReadonlyMap<string, CollectedEntity>,
  derived: ReadonlyMap<string, DerivedNode>,
): ReadonlyMap<string, CollectedEntity> =>
  new Map([...entities].map(([id, one]) => [id, { ...one, uses: one.uses.filter((use) => derived.has(use)) }]));

/** Collects what the caller may see in these scopes, of which the view's moment says what holds. */
export const createCollect = (findDerived: FindDerived) => {
  const derivedAmong = async ({ tx, sight }: View, ids: ReadonlySet<string>): Promise<Map<string, DerivedNode>> => {
    const derived = new Map<string, DerivedNode>();
    for (const batch of batchesOf([...ids]))
      for (const [id, node] of await findDerived(tx as Tx, sight, batch)) derived.set(id, node);
    return derived;
  };

  return async (view: View, scopeIds: readonly string[]): Promise<Collected> => {
    const scanned = await entitiesIn(view, scopeIds);
    const facts = await readFacts(view, scopeIds);
    const metadata = await metadataIn(view, scopeIds);
    const ends = facts.relations.flatMap((row) => [row.from_id, row.to_id]);
    const noted = [...metadata.keys(), ...facts.observations.map((row) => row.entity_id)];
    const uses = [...scanned.values()].flatMap((one) => one.uses);
    const others = new Set([...noted, ...ends, ...uses].filter((id) => !scanned.has(id)));
    const derived = await derivedAmong(view, others);
    const isShown = (id: string): boolean => scanned.has(id) || derived.has(id);
    const relations = facts.relations.filter((row) => isShown(row.from_id) && isShown(row.to_id));
    // A relation with a hidden end does not show that its other end is there.
    const named = new Set([...noted, ...relations.flatMap((row) => [row.from_id, row.to_id])]);
    const entities = withVisibleUses(scanned, derived);
    const anchors = new Map(
      [...derived]
        .filter(([id]) => named.has(id))
        .map(([id, node]): [string, CollectedAnchor] => [
          id,
          { node, metadata: metadata.get(id) ?? null, observations: [] },
        ]),
    );
    for (const row of facts.observations)
      (entities.get(row.entity_id) ?? anchors.get(row.entity_id))?.observations.push(row);
    return { entities, anchors, relations };
  };
};
