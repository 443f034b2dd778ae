import { invalid } from '../../../core/errors.ts';
import type { Graph } from '../../../graph/index.ts';
import { maxPathHops } from '../../../graph/index.ts';
import { readInstant } from '../../instant.ts';
import type { Routes } from '../../route.ts';
import { ById } from '../../schemas/common.ts';
import { Entity } from '../../schemas/graph.ts';
import * as schema from '../../schemas/graph-answers.ts';
import * as bodies from '../../schemas/graph-bodies.ts';
import { may, tag } from './access.ts';
import { checkWord, placeOf, readingOf, tagged } from './input.ts';

/** Reads of the memory graph. Each shows only what the caller may see at this moment. */
export const readRoutes = (routes: Routes, graph: Graph): void => {
  addEntities(routes, graph);
  addSearch(routes, graph);
  addTraversals(routes, graph);
  addWhole(routes, graph);
};

const addEntities = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'GET',
    url: '/graph/entities',
    operationId: 'resolveEntity',
    tag,
    summary: 'The entity of exactly this name',
    description:
      'Names are compared as they are, never by likeness. Where several of your memories have the name, the problem lists the candidates; name a session, or a type.',
    requires: may.read,
    query: bodies.ResolveQuery,
    status: 200,
    answer: Entity,
    refuses: [404, 409],
    handler: async (caller, { query, reply }) => {
      const { name, type, session_id } = query;
      const ref = { name, ...(type === undefined ? {} : { type }), ...placeOf(session_id) };
      return tagged(reply, await graph.resolve(caller, ref, readingOf(query)));
    },
  });
  gated({
    method: 'GET',
    url: '/graph/entities/:id',
    operationId: 'getEntity',
    tag,
    summary: 'An entity with its observations, and with its relations where you ask for them',
    description:
      'Facts that have ended are shown with their times. The ETag is the version, for If-Match. The id of an entity that was merged leads to the one that is left.',
    requires: may.read,
    params: ById,
    query: bodies.DetailsQuery,
    status: 200,
    answer: schema.EntityDetails,
    refuses: [404],
    handler: async (caller, { params, query, reply }) => {
      const relations = query.relations ?? false;
      const found = await graph.get(caller, params.id.toLowerCase(), { ...readingOf(query), relations });
      tagged(reply, found.entity);
      return found;
    },
  });
};

const addSearch = ({ gated }: Routes, graph: Graph): void =>
  gated({
    method: 'GET',
    url: '/graph/search',
    operationId: 'searchGraph',
    tag,
    summary: 'Search names, aliases, tags, attributes and observations',
    description:
      'Finds words and parts of them in every script, and takes every sign as text. The best match comes first.',
    requires: may.read,
    query: bodies.SearchQuery,
    status: 200,
    answer: schema.SearchResults,
    handler: (caller, { query }) => {
      const { q, type, tag: tagged, since, until, limit = 10 } = query;
      return graph.search(caller, {
        q,
        limit,
        ...(type === undefined ? {} : { type }),
        ...(tagged === undefined ? {} : { tag: tagged }),
        ...(since === undefined ? {} : { since: readInstant('since', since) }),
        ...(until === undefined ? {} : { until: readInstant('until', until) }),
        ...readingOf(query),
      });
    },
  });

const addTraversals = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'GET',
    url: '/graph/entities/:id/neighbourhood',
    operationId: 'getNeighbourhood',
    tag,
    summary: 'What is related to an entity, up to four hops away',
    description: 'Each entity once, with the relations between those that are answered.',
    requires: may.read,
    params: ById,
    query: bodies.NeighbourhoodQuery,
    status: 200,
    answer: schema.Neighbourhood,
    refuses: [404],
    handler: (caller, { params, query }) => {
      const { hops = 1, direction = 'both', limit = 100, type: types } = query;
      return graph.neighbourhood(caller, params.id.toLowerCase(), {
        hops,
        direction,
        limit,
        ...(types === undefined ? {} : { types: types.map((type) => checkWord(type, 'type')) }),
        ...readingOf(query),
      });
    },
  });
  gated({
    method: 'GET',
    url: '/graph/path',
    operationId: 'findPath',
    tag,
    summary: 'A shortest path between two entities',
    description: 'It may go against a relation. Each step says its direction.',
    requires: may.read,
    query: bodies.PathQuery,
    status: 200,
    answer: schema.Path,
    refuses: [404],
    handler: (caller, { query }) => {
      const { from, to, max_hops: maxHops = maxPathHops } = query;
      return graph.path(caller, { from: from.toLowerCase(), to: to.toLowerCase(), maxHops, ...readingOf(query) });
    },
  });
};

const addWhole = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'GET',
    url: '/graph',
    operationId: 'readGraph',
    tag,
    summary: 'Everything that you may see, in pages of a size that fits a model’s context',
    description: 'Each relation comes once, on the page of the entity that it leads from.',
    requires: may.read,
    query: bodies.WholeQuery,
    status: 200,
    answer: schema.Whole,
    handler: (caller, { query }) => {
      const { cursor, max_tokens: maxTokens = 8000 } = query;
      return graph.whole(caller, { maxTokens, ...(cursor === undefined ? {} : { cursor }), ...readingOf(query) });
    },
  });
  gated({
    method: 'GET',
    url: '/graph/activities',
    operationId: 'listActivities',
    tag,
    summary: 'What was done in a session, with the recorded uses of secrets',
    description: 'Newest first.',
    requires: may.read,
    query: bodies.ActivitiesQuery,
    status: 200,
    answer: schema.Activities,
    refuses: [404],
    handler: async (caller, { query }) => {
      const session = query.session_id?.toLowerCase() ?? caller.session;
      if (session === null) throw invalid('session_id', 'is required outside a session.');
      const { limit = 50, cursor } = query;
      const page = { limit, ...(cursor === undefined ? {} : { cursor }), ...readingOf(query) };
      const { items, next_cursor } = await graph.activities(caller, session, page);
      return { activities: items, next_cursor };
    },
  });
};
