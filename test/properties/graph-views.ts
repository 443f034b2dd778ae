import type { EdgeView, NodeView, ObservationView } from '../../src/graph/operations.ts';
import { type Eye, holds, type RuleEdge, seesScope } from './graph-rule.ts';
import type { GraphWorld, Ref } from './graph-worlds.ts';
import { isJoined } from './worlds.ts';

/* How answers show the nodes and relations of a world. */

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

const hours = (moment: Date, count: number): string => new Date(moment.getTime() + count * 3_600_000).toISOString();

const found = <T>(one: T | undefined): T => {
  if (one === undefined) throw new Error('a world names a node that it does not have');
  return one;
};

const derived = (ref: Ref, type: string, name: string, attributes: Record<string, unknown>): NodeView =>
  ({ id: ref.id, type, name, derived: true, attributes }) as NodeView;

const entityView = ({ base, entities }: GraphWorld, ref: Ref): NodeView => {
  const { scope, authorId, isActivity: _, mergedId: __, ...shown } = found(entities.find((one) => one.id === ref.id));
  const at = base.moment.toISOString();
  const origin = { session_id: scope.sessionId, author_id: authorId, agent: 'an agent' };
  return { ...shown, ...origin, derived: false, version: 1, created_at: at, updated_at: at };
};

export const viewOf = (world: GraphWorld, ref: Ref): NodeView => {
  const { base, uses } = world;
  switch (ref.kind) {
    case 'entity':
      return entityView(world, ref);
    case 'user':
      return derived(ref, 'USER', ref.id, { display_name: null });
    case 'session': {
      const session = found(base.sessions.find((one) => one.id === ref.id));
      const status = isJoined({ ...session, presence: ['present'] }, 0) ? 'active' : 'ended';
      const shown = { title: null, external_id: null, status, created_at: hours(base.moment, -72) };
      return derived(ref, 'SESSION', ref.id, shown);
    }
    case 'secret': {
      const { name, type, scope, description, tags, expiresAt } = found(base.secrets.find((one) => one.id === ref.id));
      return derived(ref, 'SECRET', name, { type, scope, description, tags, expires_at: iso(expiresAt) });
    }
    case 'use': {
      found(uses.find((one) => one.id === ref.id));
      const at = base.moment.toISOString();
      return derived(ref, 'SECRET_USAGE', `reveal at ${at}`, { at, agent: 'an agent' });
    }
  }
};

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);

/** The observations of a node, oldest first. */
export const observationsOf = (eye: Eye, ref: Ref, moment: Date | null): ObservationView[] =>
  eye.world.observations
    .filter((one) => one.about.id === ref.id && seesScope(eye, one.scope) && holds(one, moment))
    .sort(byId)
    .map((one) => ({
      ...{ id: one.id, content: one.content, source: null, confidence: null, session_id: one.scope.sessionId },
      ...{ author_id: one.authorId, agent: null, valid_at: iso(one.validAt), invalid_at: iso(one.invalidAt) },
      created_at: eye.world.base.moment.toISOString(),
    }));

/** What the caller remembers of a derived node. */
export const metadataOf = (eye: Eye, ref: Ref) =>
  eye.world.metadata.find((one) => one.about.id === ref.id && seesScope(eye, one.scope))?.metadata ?? null;

const endOf = (world: GraphWorld, ref: Ref) => {
  const { id, type, name } = viewOf(world, ref);
  return { id, type, name };
};

export const edgeView = (world: GraphWorld, { id, type, from, to }: RuleEdge): EdgeView => {
  const ends = { from: endOf(world, from), to: endOf(world, to) };
  if (id === null) return { id, type, ...ends, derived: true };
  const row = found(world.relations.find((one) => one.id === id));
  return {
    ...{ id, type, ...ends, derived: false, attributes: {}, source: null, confidence: null },
    ...{ session_id: row.scope.sessionId, author_id: null, agent: null },
    ...{ valid_at: iso(row.validAt), invalid_at: iso(row.invalidAt), created_at: world.base.moment.toISOString() },
  };
};

/** Relations in one order, whatever order they were answered in. */
export const sortedEdges = (edges: readonly EdgeView[]): EdgeView[] =>
  edges.toSorted((a, b) => (edgeKey(a) < edgeKey(b) ? -1 : 1));

const edgeKey = ({ id, type, from, to }: EdgeView): string => `${id} ${type} ${from.id} ${to.id}`;
