import { newId } from '../../core/ids.ts';
import { isDerivedRelation } from '../vocabulary.ts';
import type { BadLines } from './bad-lines.ts';
import type { Imported, ImportedEnd, ImportedEntity, ImportedObservation, ImportedRelation } from './records.ts';

/** An entity of the scope, as far as an import has to know it. */
export interface Holder {
  readonly id: string;
  readonly type: string;
}

/** What is there already. */
export interface Known {
  /** The entities of the scope by their names and aliases. */
  readonly holders: ReadonlyMap<string, Holder>;
  /** The ids of the derived nodes that the import names and the caller may see. */
  readonly derived: ReadonlySet<string>;
  /** The service's time. Nothing was recorded later. */
  readonly now: Date;
}

export interface PlannedObservation extends ImportedObservation {
  readonly entity_id: string;
}

export interface PlannedRelation extends ImportedRelation {
  readonly from_id: string;
  readonly to_id: string;
}

/** What an import writes. */
export interface Plan {
  readonly created: readonly (ImportedEntity & { readonly id: string })[];
  readonly existing: number;
  readonly observations: readonly PlannedObservation[];
  readonly relations: readonly PlannedRelation[];
  readonly dropped: number;
}

interface Names {
  readonly byName: Map<string, Holder & { readonly place: string | null }>;
  readonly created: (ImportedEntity & { readonly id: string })[];
  readonly ids: string[];
  existing: number;
}

interface Recorded {
  readonly created_at: Date | null;
  readonly updated_at?: Date | null;
}

const refuseLater = ({ created_at, updated_at }: Recorded, place: string, now: Date, bad: BadLines): void => {
  for (const [name, time] of Object.entries({ created_at, updated_at }))
    if ((time?.getTime() ?? 0) > now.getTime()) bad.add(place, `${name} must not be in the future.`);
};

const otherType = (entity: ImportedEntity, other: Holder & { readonly place: string | null }): string =>
  other.place === null
    ? `the name ${JSON.stringify(entity.name)} is already used by the ${other.type} ${other.id}, which is no ${entity.type}.`
    : `the name ${JSON.stringify(entity.name)} has the type ${entity.type} here, and ${other.type} at ${other.place}.`;

const addEntity = (entity: ImportedEntity, names: Names, bad: BadLines): void => {
  const { byName, created, ids } = names;
  const known = byName.get(entity.name);
  if (known) {
    if (known.type !== entity.type) bad.add(entity.place, otherType(entity, known));
    names.existing += 1;
    ids.push(known.id);
    return;
  }
  const id = newId<string>();
  byName.set(entity.name, { id, type: entity.type, place: entity.place });
  created.push({ ...entity, id });
  ids.push(id);
};

/** Aliases come after all names: one that is the name of another entity is refused, whichever line is first. */
const addAliases = (names: Names, bad: BadLines): void => {
  for (const { id, aliases, type, place } of names.created)
    for (const alias of aliases) {
      const holder = names.byName.get(alias);
      if (!holder) names.byName.set(alias, { id, type, place });
      else if (holder.id !== id)
        bad.add(place, `the alias ${JSON.stringify(alias)} is the name of another entity already.`);
    }
};

/**
 * Decides what an import writes. What is there keeps its type, attributes, tags and aliases, and gains the facts that it
 * lacks. Notes what is wrong in `bad`.
 */
export const planImport = (
  { entities, anchors, relations }: Imported,
  { holders, derived, now }: Known,
  dangling: 'refuse' | 'drop',
  bad: BadLines,
): Plan => {
  const known = [...holders].map(([name, holder]) => [name, { ...holder, place: null }] as const);
  const names: Names = { byName: new Map(known), created: [], ids: [], existing: 0 };
  for (const entity of entities) addEntity(entity, names, bad);
  addAliases(names, bad);
  const observations = entities.flatMap((entity, at) => {
    refuseLater(entity, entity.place, now, bad);
    return factsOf(entity, names.ids[at] ?? '');
  });
  for (const { id, place } of anchors)
    if (!derived.has(id)) bad.add(place, `id ${id} is not found, or you do not have access.`);
  const about = anchors.flatMap((anchor) => factsOf(anchor, anchor.id));
  const all = [...observations, ...about];
  for (const fact of all) refuseLater(fact, fact.place, now, bad);
  const kept = planRelations(relations, { names: names.byName, derived }, dangling, bad);
  for (const relation of kept) refuseLater(relation, relation.place, now, bad);
  const dropped = relations.length - kept.length;
  return { created: names.created, existing: names.existing, observations: all, relations: kept, dropped };
};

const factsOf = (
  { observations, place }: { readonly observations: readonly ImportedObservation[]; readonly place: string },
  entity_id: string,
) => observations.map((one) => ({ ...one, entity_id, place }));

const nameOf = (end: ImportedEnd): string => JSON.stringify('id' in end ? end.id : end.name);

const planRelations = (
  relations: readonly ImportedRelation[],
  { names, derived }: { readonly names: ReadonlyMap<string, Holder>; readonly derived: ReadonlySet<string> },
  dangling: 'refuse' | 'drop',
  bad: BadLines,
): PlannedRelation[] => {
  const idOf = (end: ImportedEnd): string | undefined => {
    if (!('id' in end)) return names.get(end.name)?.id;
    return derived.has(end.id) ? end.id : undefined;
  };
  return relations.flatMap((relation) => {
    const { from, to, place, type } = relation;
    const [from_id, to_id] = [idOf(from), idOf(to)];
    if (isDerivedRelation(type) && ('id' in from || 'id' in to))
      bad.add(place, `the type must not be ${type} where an end is a user, a session, a secret or a use.`);
    if (from_id !== undefined && to_id !== undefined) return [{ ...relation, from_id, to_id }];
    if (dangling === 'drop') return [];
    const unknown = [from, to].filter((end) => idOf(end) === undefined).map(nameOf);
    bad.add(place, `the relation names ${unknown.join(' and ')}, which is unknown. Use dangling=drop to leave it out.`);
    return [];
  });
};
