import type { Row } from './operations.ts';
import type { Stage } from './stage.ts';

/* Requests about the memory graph that succeed, with planted names and contents. */

interface Fact {
  readonly id: string;
}

const inGraph = (stage: Stage, path: string, body: object): Promise<any> =>
  stage.done('POST', `/graph${path}`, { token: stage.ada.token, body });

const anEntity = ({ text }: Stage) => ({
  type: text('type of an entity'),
  name: text('name of an entity'),
  observations: [text('observation')],
  attributes: { [text('key of an attribute')]: text('attribute') },
  tags: [text('tag of an entity')],
});

const remember = async (stage: Stage): Promise<Fact & { readonly name: string }> =>
  (await inGraph(stage, '/entities', { entities: [anEntity(stage)] })).entities[0].entity;

const observation = (stage: Stage, { id }: Fact) => ({
  entity: { id },
  contents: [stage.text('observation')],
  source: stage.text('source'),
});

const relation = (stage: Stage, from: Fact, to: Fact) => ({
  from: { id: from.id },
  to: { id: to.id },
  type: stage.text('type of a relation'),
  attributes: { of: stage.text('attribute of a relation') },
});

const observed = async (stage: Stage) => {
  const body = observation(stage, await remember(stage));
  const { observations } = await inGraph(stage, '/observations', { observations: [body] });
  return { body, id: observations[0].observation.id as string };
};

const related = async (stage: Stage) => {
  const body = relation(stage, await remember(stage), await remember(stage));
  const { relations } = await inGraph(stage, '/relations', { relations: [body] });
  return { body, id: relations[0].relation.id as string };
};

const noted = ({ text }: Stage) => ({ metadata: { of: text('metadata of a node') } });
const onEntity: Row = async (stage) => ({ path: { id: (await remember(stage)).id } });
const ofAda: Row = ({ ada }) => ({ path: { id: ada.id } });
const ended = { invalid_at: '2999-01-01T00:00:00Z' };

export const graph: Readonly<Record<string, Row>> = {
  listGraphTypes: () => ({}),
  createUserEntity: (stage) => ({ body: { username: stage.ada.username, ...noted(stage) } }),
  createSessionEntity: async (stage) => ({
    body: { session_id: (await stage.startSession(stage.ada)).id, ...noted(stage) },
  }),
  createSecretEntity: async (stage) => ({ body: { secret_id: (await stage.keep(stage.ada)).id, ...noted(stage) } }),
  listUserSessionEntities: ofAda,
  listUserSecretEntities: ofAda,
  readGraph: () => ({}),
  createEntities: (stage) => ({ body: { entities: [anEntity(stage), anEntity(stage)] } }),
  resolveEntity: async (stage) => ({ query: `name=${encodeURIComponent((await remember(stage)).name)}` }),
  getEntity: async (stage) => ({ ...(await onEntity(stage)), query: 'relations=true' }),
  updateEntity: async (stage) => ({ ...(await onEntity(stage)), body: { name: stage.text('name of an entity') } }),
  deleteEntity: onEntity,
  mergeEntities: async (stage) => ({ ...(await onEntity(stage)), body: { into: (await remember(stage)).id } }),
  addObservations: async (stage) => ({ body: { observations: [observation(stage, await remember(stage))] } }),
  endObservation: async (stage) => ({ path: { id: (await observed(stage)).id }, body: ended }),
  deleteObservations: async (stage) => {
    const { entity, contents } = (await observed(stage)).body;
    return { body: { observations: [{ entity, contents }] } };
  },
  createRelations: async (stage) => ({
    body: { relations: [relation(stage, await remember(stage), await remember(stage))] },
  }),
  endRelation: async (stage) => ({ path: { id: (await related(stage)).id }, body: ended }),
  deleteRelations: async (stage) => {
    const { from, to, type } = (await related(stage)).body;
    return { body: { relations: [{ from, to, type }] } };
  },
  searchGraph: async (stage) => ({ query: `q=${encodeURIComponent(stage.text('search in the graph'))}` }),
  getNeighbourhood: onEntity,
  findPath: async (stage) => {
    const { from, to } = (await related(stage)).body;
    return { query: `from=${from.id}&to=${to.id}` };
  },
  createActivity: async (stage) => ({
    body: {
      type: 'FILE_ACTIVITY',
      content: stage.text('what was done'),
      session_id: (await stage.startSession(stage.ada)).id,
    },
  }),
  listActivities: async (stage) => ({ query: `session_id=${(await stage.startSession(stage.ada)).id}` }),
  exportGraph: () => ({}),
  importGraph: ({ text }) => ({
    query: 'format=jsonl',
    body: {
      type: 'entity',
      name: text('name of an entity'),
      entityType: 'person',
      observations: [text('observation')],
    },
  }),
  eraseMemory: async ({ makeUser }) => ({ by: await makeUser() }),
};
