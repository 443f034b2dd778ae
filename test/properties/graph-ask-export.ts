import { expect } from 'vitest';
import type { ExportAnswer } from '../../src/graph/operations.ts';
import { placeOf } from './graph-ask-nodes.ts';
import { type Asked, codeOf, everOf, nowOf, type Question } from './graph-asked.ts';
import { holds, isConfined, isPresentIn, nodesOf, sees, seesScope } from './graph-rule.ts';
import { metadataOf, observationsOf, viewOf } from './graph-views.ts';
import type { GraphEntity, GraphRelation, GraphScope, Ref } from './graph-worlds.ts';

/* Exports, whose text is parsed and compared without its order. */

/** What an export can hold: the remembered entities of its scopes, what was said of derived nodes, and the relations. */
interface Part {
  readonly entities: readonly GraphEntity[];
  readonly derived: readonly Ref[];
  readonly relations: readonly GraphRelation[];
  readonly isIn: (scope: GraphScope) => boolean;
}

type Place = ReturnType<typeof placeOf>;

const partOf = ({ world, eye }: Asked, { session_id: place }: Place): Part => {
  const isIn = (scope: GraphScope): boolean =>
    seesScope(eye, scope) && (place === undefined || scope.sessionId === place);
  const entities = world.entities.filter((one) => isIn(one.scope));
  const ids = new Set(entities.map((one) => one.id));
  const isEnd = (ref: Ref): boolean => ids.has(ref.id) || (ref.kind !== 'entity' && sees(eye, ref));
  const relations = world.relations.filter((one) => isIn(one.scope) && isEnd(one.from) && isEnd(one.to));
  const noted = [...world.observations, ...world.metadata].filter((one) => isIn(one.scope)).map((one) => one.about.id);
  const named = new Set([...noted, ...relations.flatMap(({ from, to }) => [from.id, to.id])]);
  const derived = nodesOf(world).filter((ref) => ref.kind !== 'entity' && named.has(ref.id) && sees(eye, ref));
  return { entities, derived, relations, isIn };
};

const observationsIn = (asked: Asked, { isIn }: Part, ref: Ref, moment: Date | null) => {
  const isExported = new Set(asked.world.observations.filter((one) => isIn(one.scope)).map((one) => one.id));
  return observationsOf(asked.eye, ref, moment).filter((one) => isExported.has(one.id));
};

const refOf = ({ id }: GraphEntity): Ref => ({ kind: 'entity', id });

const sorted = (items: readonly unknown[]): unknown[] =>
  items.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const withoutId = ({ id: _, ...rest }: { readonly id: string }) => rest;

const documentOf = (asked: Asked, part: Part) => {
  const { world, eye } = asked;
  const moment = everOf(asked);
  const observations = (ref: Ref) => observationsIn(asked, part, ref, moment).map(withoutId);
  const entities = part.entities.map((one) => {
    const {
      id: _,
      version: __,
      derived: ___,
      ...shown
    } = viewOf(world, refOf(one)) as unknown as Record<string, unknown>;
    const uses = world.uses.filter((use) => use.activityId === one.id && sees(eye, { kind: 'use', id: use.id }));
    const activity = one.isActivity ? { activity: true, uses: uses.map((use) => use.id) } : {};
    return { ...shown, ...activity, observations: observations(refOf(one)) };
  });
  const anchors = part.derived.flatMap((ref) => {
    const { id, type, name } = viewOf(world, ref);
    const own = world.metadata.find((one) => one.about.id === id && part.isIn(one.scope)) ? metadataOf(eye, ref) : null;
    const said = { derived: true, id, type, name, metadata: own, observations: observations(ref) };
    return own === null && said.observations.length === 0 ? [] : [said];
  });
  const endOf = (ref: Ref) => {
    const { id, type, name } = viewOf(world, ref);
    return ref.kind === 'entity' ? { name, type } : { derived: true, id, type, name };
  };
  const at = world.base.moment.toISOString();
  const relations = part.relations
    .filter((one) => holds(one, moment))
    .map((one) => ({
      ...{ from: endOf(one.from), to: endOf(one.to), type: one.type, attributes: {}, source: null, confidence: null },
      ...{ valid_at: one.validAt?.toISOString() ?? null, invalid_at: one.invalidAt?.toISOString() ?? null },
      ...{ created_at: at, session_id: one.scope.sessionId, author_id: null, agent: null },
    }));
  return { entities: [...entities, ...anchors], relations };
};

const linesOf = (asked: Asked, part: Part): unknown[] => {
  const { world } = asked;
  const now = nowOf(asked);
  const nameOf = (ref: Ref): string => viewOf(world, ref).name ?? '';
  const entities = part.entities.map((one) => ({
    ...{ type: 'entity', name: one.name, entityType: one.type },
    observations: observationsIn(asked, part, refOf(one), now).map(({ content }) => content),
  }));
  const relations = part.relations
    .filter((one) => one.from.kind === 'entity' && one.to.kind === 'entity' && holds(one, now))
    .map((one) => ({ type: 'relation', from: nameOf(one.from), to: nameOf(one.to), relationType: one.type }));
  const distinct = new Map(relations.map((one) => [JSON.stringify(one), one]));
  return [...entities, ...distinct.values()];
};

const omittedOf = (asked: Asked, part: Part): ExportAnswer['omitted'] => {
  const now = nowOf(asked);
  const isOfDerived = ({ from, to }: GraphRelation): boolean => from.kind !== 'entity' || to.kind !== 'entity';
  const remembered = part.relations.filter((one) => !isOfDerived(one));
  const all = part.entities.flatMap((one) => observationsIn(asked, part, refOf(one), null));
  const holding = part.entities.flatMap((one) => observationsIn(asked, part, refOf(one), now));
  return {
    ended: all.length - holding.length + remembered.filter((one) => !holds(one, now)).length,
    derived: part.derived.length,
    derived_relations: part.relations.filter(isOfDerived).length,
  };
};

const checkDocument = (asked: Asked, part: Part, { text }: ExportAnswer): void => {
  const { entities, relations, ...format } = JSON.parse(text) as Record<string, unknown[]>;
  const expected = documentOf(asked, part);
  expect(format).toEqual({ format: 'keyhold-memory', version: 1 });
  expect(sorted(entities?.map(sortedKeys) ?? [])).toEqual(sorted(expected.entities.map(sortedKeys)));
  expect(sorted(relations?.map(sortedKeys) ?? [])).toEqual(sorted(expected.relations.map(sortedKeys)));
};

/** The same with its fields in the order of their names. */
const sortedKeys = (item: unknown): unknown =>
  Object.fromEntries(Object.entries(item as object).toSorted(([a], [b]) => (a < b ? -1 : 1)));

const checkLines = (asked: Asked, part: Part, { text, omitted }: ExportAnswer): void => {
  const lines = text.split('\n').filter((line) => line !== '');
  expect(sorted(lines.map((line) => JSON.parse(line) as unknown))).toEqual(sorted(linesOf(asked, part)));
  expect(omitted).toEqual(omittedOf(asked, part));
};

export const exported = (asked: Asked): Question => {
  const { caller, reading, world, choose } = asked;
  const place = placeOf(asked);
  const format = choose(2) === 0 ? 'json' : 'jsonl';
  const session = world.base.sessions.find((one) => one.id === place.session_id);
  const isRefused =
    session !== undefined &&
    (!isPresentIn(world.base, session, caller.userId) || (isConfined(caller) && session.id !== caller.session));
  return {
    operation: 'export',
    about: `${format} ${JSON.stringify(place)}`,
    ask: (graph) => graph.export(caller, { ...reading, ...place, format }),
    check: (outcome) => {
      if (isRefused) return expect(codeOf(outcome)).toBe('not_found');
      const part = partOf(asked, place);
      (format === 'json' ? checkDocument : checkLines)(asked, part, outcome as ExportAnswer);
    },
  };
};
