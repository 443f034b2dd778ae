import type { Graph } from '../../../graph/index.ts';
import type { Routes } from '../../route.ts';
import { ById } from '../../schemas/common.ts';
import { Entity } from '../../schemas/graph.ts';
import * as schema from '../../schemas/graph-answers.ts';
import * as bodies from '../../schemas/graph-bodies.ts';
import { may, tag } from './access.ts';
import { metadataOf, readingOf } from './input.ts';

/** The nodes that Keyhold derives from users, sessions and secrets. */
export const nodeRoutes = (routes: Routes, graph: Graph): void => {
  addNaming(routes, graph);
  addLists(routes, graph);
};

const addNaming = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'POST',
    url: '/graph/users',
    operationId: 'createUserEntity',
    tag,
    summary: 'Your own node, or another user’s for administrators',
    description:
      'The user must exist and have this username. Repeating the call answers with the same node. The metadata is a note of yours about it.',
    requires: may.write,
    body: bodies.UserNodeBody,
    status: 200,
    answer: Entity,
    refuses: [404, 409],
    handler: (caller, { body: { username, user_id, metadata } }) =>
      graph.createUserEntity(caller, {
        username,
        ...(user_id === undefined ? {} : { userId: user_id.toLowerCase() }),
        ...metadataOf(metadata),
      }),
  });
  gated({
    method: 'POST',
    url: '/graph/sessions',
    operationId: 'createSessionEntity',
    tag,
    summary: 'The node of a session that you are in',
    description: 'Repeating the call answers with the same node. The metadata is a note of yours about it.',
    requires: may.write,
    body: bodies.SessionNodeBody,
    status: 200,
    answer: Entity,
    refuses: [404, 409],
    handler: (caller, { body: { session_id, metadata } }) =>
      graph.createSessionEntity(caller, { sessionId: session_id.toLowerCase(), ...metadataOf(metadata) }),
  });
  gated({
    method: 'POST',
    url: '/graph/secrets',
    operationId: 'createSecretEntity',
    tag,
    summary: 'The node of a secret of yours',
    description:
      'It never has the value. Repeating the call answers with the same node. The metadata is a note of yours about it.',
    requires: may.write,
    body: bodies.SecretNodeBody,
    status: 200,
    answer: Entity,
    refuses: [404, 409],
    handler: (caller, { body: { secret_id, metadata } }) =>
      graph.createSecretEntity(caller, { secretId: secret_id.toLowerCase(), ...metadataOf(metadata) }),
  });
};

const addLists = ({ gated }: Routes, graph: Graph): void => {
  const addList = (
    of: 'sessions' | 'secrets',
    operationId: string,
    { summary, description }: { readonly summary: string; readonly description: string },
  ): void =>
    gated({
      method: 'GET',
      url: `/graph/users/:id/${of}`,
      operationId,
      tag,
      summary,
      description,
      requires: may.read,
      params: ById,
      query: bodies.ListQuery,
      status: 200,
      answer: schema.Nodes,
      refuses: [404],
      handler: async (caller, { params, query }) => {
        const list = of === 'sessions' ? graph.sessionsOfUser : graph.secretsOfUser;
        const { limit = 50, cursor } = query;
        const page = { limit, ...(cursor === undefined ? {} : { cursor }), ...readingOf(query) };
        const { items, next_cursor } = await list(caller, params.id.toLowerCase(), page);
        return { entities: items, next_cursor };
      },
    });
  addList('sessions', 'listUserSessionEntities', {
    summary: 'The sessions of a user, as nodes',
    description: 'Those of them that you are in, too. A token needs sessions:read besides.',
  });
  addList('secrets', 'listUserSecretEntities', {
    summary: 'The secrets of a user, as nodes',
    description: 'Those of them that you can see. A token needs secrets:list besides.',
  });
};
