import type { Graph } from '../../../graph/index.ts';
import { ifMatch } from '../../etag.ts';
import { optionalInstant } from '../../instant.ts';
import type { Routes } from '../../route.ts';
import { ById } from '../../schemas/common.ts';
import { Entity, Observation, Relation } from '../../schemas/graph.ts';
import * as schema from '../../schemas/graph-answers.ts';
import * as bodies from '../../schemas/graph-bodies.ts';
import { may, tag } from './access.ts';
import * as input from './input.ts';

const megabyte = 1024 * 1024;

/** The largest body of a write, in bytes. */
const maxBodyBytes = 16 * megabyte;

/** A thousand items may take longer than other requests do, and so may waiting for others who write to the same memory. */
const handlerTimeout = 30_000;

/** An entity that the caller cannot see, and a name that several have or whose type is another. */
const refuses = [404, 409] as const;

/** Writes of what is remembered. All items of a request are written, or none. */
export const writeRoutes = (routes: Routes, graph: Graph): void => {
  addCreations(routes, graph);
  addActivities(routes, graph);
  addEntityChanges(routes, graph);
  addEndings(routes, graph);
  addDeletions(routes, graph);
};

const creation = {
  tag,
  requires: may.write,
  bodyLimit: maxBodyBytes,
  handlerTimeout,
  status: 201,
  idempotent: true,
  refuses,
} as const;

const addCreations = ({ gated }: Routes, graph: Graph): void => {
  gated({
    ...creation,
    method: 'POST',
    url: '/graph/entities',
    operationId: 'createEntities',
    summary: 'Remember entities, with observations',
    description:
      'All or none. An entity that is there keeps its type, attributes and tags, and gets the observations that it lacks; another type is refused. At most 1,000 entities and observations together; an import takes more.',
    body: bodies.CreateEntitiesBody,
    answer: schema.CreatedEntities,
    handler: async (caller, { body, idempotent }) => ({
      entities: await graph.createEntities(caller, input.entitiesOf(body.entities), idempotent),
    }),
  });
  gated({
    ...creation,
    method: 'POST',
    url: '/graph/observations',
    operationId: 'addObservations',
    summary: 'Add observations to entities',
    description:
      'All or none. What is known already, and still holds, is not added again. At most 1,000 observations; an import takes more.',
    body: bodies.AddObservationsBody,
    answer: schema.AddedObservations,
    handler: async (caller, { body, idempotent }) => ({
      observations: await graph.addObservations(caller, input.observationsOf(body.observations), idempotent),
    }),
  });
  gated({
    ...creation,
    method: 'POST',
    url: '/graph/relations',
    operationId: 'createRelations',
    summary: 'Relate entities',
    description:
      'All or none. A relation that is there, and still holds, is not made again. At most 1,000 relations; an import takes more.',
    body: bodies.CreateRelationsBody,
    answer: schema.CreatedRelations,
    handler: async (caller, { body, idempotent }) => ({
      relations: await graph.createRelations(caller, input.relationsOf(body.relations), idempotent),
    }),
  });
};

const addActivities = ({ gated }: Routes, graph: Graph): void =>
  gated({
    ...creation,
    method: 'POST',
    url: '/graph/activities',
    operationId: 'createActivity',
    summary: 'Remember what was done, with the secrets that it used',
    description:
      'Each use is the use_id of a reveal of yours in the same session, and belongs to one activity. Any other id is refused.',
    body: bodies.CreateActivityBody,
    answer: schema.Activity,
    handler: (caller, { body, idempotent }) => graph.createActivity(caller, input.activityOf(body), idempotent),
  });

const addEntityChanges = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'PATCH',
    url: '/graph/entities/:id',
    operationId: 'updateEntity',
    tag,
    summary: 'Change an entity’s name, attributes or tags',
    description: 'Fields that are left out stay as they are. Its relations stay, too.',
    requires: may.write,
    params: ById,
    body: bodies.ChangeEntityBody,
    status: 200,
    answer: Entity,
    ifMatch: true,
    handlerTimeout,
    refuses,
    handler: async (caller, { params, body, request, reply }) => {
      const version = ifMatch(request.headers['if-match']);
      return input.tagged(
        reply,
        await graph.updateEntity(caller, params.id.toLowerCase(), input.changeOf(body), version),
      );
    },
  });
  gated({
    method: 'POST',
    url: '/graph/entities/:id/merge',
    operationId: 'mergeEntities',
    tag,
    summary: 'Merge an entity into another of the same memory',
    description:
      'The other one gets its observations, relations and aliases, and its name as an alias. Its id and its name lead to the other one from then on.',
    requires: may.write,
    params: ById,
    body: bodies.MergeBody,
    status: 200,
    answer: Entity,
    handlerTimeout,
    refuses,
    handler: async (caller, { params, body, reply }) =>
      input.tagged(reply, await graph.mergeEntities(caller, params.id.toLowerCase(), body.into.toLowerCase())),
  });
  gated({
    method: 'DELETE',
    url: '/graph/entities/:id',
    operationId: 'deleteEntity',
    tag,
    summary: 'Forget an entity with its observations and relations',
    description: 'An entity that is made anew under the same name knows nothing of it.',
    requires: may.write,
    params: ById,
    status: 204,
    answer: null,
    handlerTimeout,
    refuses,
    handler: async (caller, { params }) => {
      await graph.deleteEntities(caller, [params.id.toLowerCase()]);
    },
  });
};

const addEndings = ({ gated }: Routes, graph: Graph): void => {
  gated({
    method: 'PATCH',
    url: '/graph/observations/:id',
    operationId: 'endObservation',
    tag,
    summary: 'Say when an observation ended',
    description: 'It is kept, and shown where a read asks for a time before. With null it holds again.',
    requires: may.write,
    params: ById,
    body: bodies.EndBody,
    status: 200,
    answer: Observation,
    handlerTimeout,
    refuses,
    handler: (caller, { params, body }) =>
      graph.endObservation(caller, params.id.toLowerCase(), optionalInstant('invalid_at', body.invalid_at) ?? null),
  });
  gated({
    method: 'PATCH',
    url: '/graph/relations/:id',
    operationId: 'endRelation',
    tag,
    summary: 'Say when a relation ended',
    description: 'It is kept, and shown where a read asks for a time before. With null it holds again.',
    requires: may.write,
    params: ById,
    body: bodies.EndBody,
    status: 200,
    answer: Relation,
    handlerTimeout,
    refuses,
    handler: (caller, { params, body }) =>
      graph.endRelation(caller, params.id.toLowerCase(), optionalInstant('invalid_at', body.invalid_at) ?? null),
  });
};

const deletion = {
  method: 'DELETE',
  tag,
  requires: may.write,
  bodyLimit: maxBodyBytes,
  handlerTimeout,
  status: 200,
  answer: schema.Deleted,
  refuses,
} as const;

const addDeletions = ({ gated }: Routes, graph: Graph): void => {
  gated({
    ...deletion,
    url: '/graph/observations',
    operationId: 'deleteObservations',
    summary: 'Forget observations, by their exact text',
    description: 'All or none. An equal text elsewhere stays. At most 1,000 observations.',
    body: bodies.DeleteObservationsBody,
    handler: (caller, { body }) => graph.deleteObservations(caller, input.deletedObservationsOf(body.observations)),
  });
  gated({
    ...deletion,
    url: '/graph/relations',
    operationId: 'deleteRelations',
    summary: 'Forget relations, by their ends and their type',
    description: 'All or none. Derived relations cannot be forgotten. At most 1,000 relations.',
    body: bodies.DeleteRelationsBody,
    handler: (caller, { body }) => graph.deleteRelations(caller, input.deletedRelationsOf(body.relations)),
  });
};
