import { Type } from 'typebox';
import {
  derivedRelations,
  derivedTypes,
  ENTITY_TYPES,
  KNOWLEDGE_ENTITY_TYPES,
  RELATION_TYPES,
} from '../../graph/index.ts';
import { nullable } from './common.ts';
import {
  End,
  Entity,
  endExample,
  entityExample,
  entityFields,
  id,
  Node,
  nodeExample,
  nodeFields,
  Observation,
  observationExample,
  otherEnd,
  Relation,
  relationExample,
} from './graph.ts';

/* What the operations on the memory graph answer. */

const Names = Type.Array(Type.String());

export const Vocabulary = Type.Object(
  {
    entity_types: Names,
    knowledge_entity_types: Names,
    derived_entity_types: Names,
    relation_types: Names,
    derived_relation_types: Names,
  },
  {
    title: 'GraphVocabulary',
    examples: [
      {
        entity_types: [...ENTITY_TYPES],
        knowledge_entity_types: [...KNOWLEDGE_ENTITY_TYPES],
        derived_entity_types: [...derivedTypes],
        relation_types: [...RELATION_TYPES],
        derived_relation_types: [...derivedRelations],
      },
    ],
  },
);

const created = { created: Type.Boolean({ description: 'False where it was there already' }) };

export const CreatedEntities = Type.Object(
  { entities: Type.Array(Type.Object({ entity: Entity, ...created }, { title: 'CreatedEntity' })) },
  { title: 'CreatedEntityList', examples: [{ entities: [{ entity: entityExample, created: true }] }] },
);

export const AddedObservations = Type.Object(
  {
    observations: Type.Array(
      Type.Object({ entity_id: Type.String(), observation: Observation, ...created }, { title: 'AddedObservation' }),
    ),
  },
  {
    title: 'AddedObservationList',
    examples: [{ observations: [{ entity_id: nodeExample.id, observation: observationExample, created: true }] }],
  },
);

export const CreatedRelations = Type.Object(
  { relations: Type.Array(Type.Object({ relation: Relation, ...created }, { title: 'CreatedRelation' })) },
  { title: 'CreatedRelationList', examples: [{ relations: [{ relation: relationExample, created: true }] }] },
);

export const Deleted = Type.Object({ deleted: Type.Integer() }, { title: 'DeletedFacts', examples: [{ deleted: 1 }] });

export const EntityDetails = Type.Object(
  {
    entity: Entity,
    relations: Type.Optional(Type.Array(Relation)),
    relations_truncated: Type.Optional(Type.Boolean({ description: 'True where it has more than are shown' })),
  },
  {
    title: 'EntityDetails',
    examples: [{ entity: entityExample, relations: [relationExample], relations_truncated: false }],
  },
);

const truncated = Type.Boolean({ description: 'True where there is more than is answered' });

export const SearchResults = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          entity: Node,
          score: Type.Number(),
          matches: Type.Array(
            Type.Object(
              {
                in: Type.Enum(['name', 'alias', 'tag', 'attribute', 'observation']),
                text: Type.String(),
                observation_id: nullable(Type.String()),
              },
              { title: 'SearchMatch' },
            ),
          ),
        },
        { title: 'SearchResult' },
      ),
    ),
    truncated,
  },
  {
    title: 'SearchResultList',
    examples: [
      {
        results: [
          {
            entity: nodeExample,
            score: 0.5,
            matches: [{ in: 'name', text: 'billing-service', observation_id: null }],
          },
        ],
        truncated: false,
      },
    ],
  },
);

export const Neighbourhood = Type.Object(
  {
    entities: Type.Array(
      Type.Object(
        { ...nodeFields, hops: Type.Integer({ description: 'How far it is from the first entity' }) },
        { title: 'Neighbour' },
      ),
    ),
    relations: Type.Array(Relation),
    truncated,
  },
  {
    title: 'Neighbourhood',
    examples: [{ entities: [{ ...nodeExample, hops: 0 }], relations: [relationExample], truncated: false }],
  },
);

export const Path = Type.Object(
  {
    path: nullable(
      Type.Array(
        Type.Object(
          {
            from: End,
            to: End,
            direction: Type.Enum(['in', 'out'], { description: '"in" where the step goes against the relation' }),
            relation: Relation,
          },
          { title: 'PathStep' },
        ),
        { description: 'Null where no path of so few hops was found' },
      ),
    ),
    truncated: Type.Boolean({ description: 'True where the search was cut short, so that a path may exist' }),
  },
  {
    title: 'GraphPath',
    examples: [
      {
        path: [{ from: endExample, to: otherEnd, direction: 'out', relation: relationExample }],
        truncated: false,
      },
    ],
  },
);

export const Whole = Type.Object(
  {
    entities: Type.Array(
      Type.Object(
        {
          ...entityFields,
          part: Type.Optional(
            Type.Enum(['first', 'middle', 'last'], {
              description: 'There where the observations of one entity come in several pages',
            }),
          ),
        },
        { title: 'WholeGraphEntity' },
      ),
    ),
    relations: Type.Array(Relation),
    next_cursor: nullable(Type.String()),
  },
  {
    title: 'WholeGraph',
    examples: [{ entities: [entityExample], relations: [relationExample], next_cursor: null }],
  },
);

export const Nodes = Type.Object(
  { entities: Type.Array(Node), next_cursor: nullable(Type.String()) },
  { title: 'EntitySummaryList', examples: [{ entities: [nodeExample], next_cursor: null }] },
);

const activityExample = {
  entity: {
    ...entityExample,
    id: id('65'),
    type: 'TERMINAL_ACTIVITY',
    name: 'TERMINAL_ACTIVITY 0199d6f2',
  },
  uses: [],
};

export const Activity = Type.Object(
  { entity: Entity, uses: Type.Array(Node, { description: 'The recorded uses of secrets that you may see' }) },
  { title: 'Activity', examples: [activityExample] },
);

export const Activities = Type.Object(
  { activities: Type.Array(Activity), next_cursor: nullable(Type.String()) },
  { title: 'ActivityList', examples: [{ activities: [activityExample], next_cursor: null }] },
);

/** The lines of an export. */
export const Export = Type.String({
  examples: [
    '{"type":"entity","name":"billing-service","entityType":"TECHNOLOGY","observations":["It reads STRIPE_KEY when it starts."]}\n',
  ],
});

/** An export with format=json. */
export const GraphDocument = Type.Object(
  {},
  {
    title: 'GraphDocument',
    description: 'Everything that an import brings back: entities with their observations, and relations',
    additionalProperties: true,
    examples: [{ entities: [entityExample], relations: [relationExample] }],
  },
);

export const omittedHeaders = {
  'Keyhold-Omitted-Ended': Type.Integer({ description: 'Facts that ended, and are left out' }),
  'Keyhold-Omitted-Derived': Type.Integer({ description: 'Derived nodes, which are left out' }),
  'Keyhold-Omitted-Derived-Relations': Type.Integer({ description: 'Relations of derived nodes that are left out' }),
};

const counts = { created: Type.Integer(), existing: Type.Integer() };

export const ImportedFacts = Type.Object(
  {
    entities: Type.Object(counts),
    observations: Type.Object(counts),
    relations: Type.Object({
      ...counts,
      dropped: Type.Integer({ description: 'Those to unknown names, with dangling=drop' }),
    }),
    session_id: nullable(Type.String()),
  },
  {
    title: 'ImportedFacts',
    examples: [
      {
        entities: { created: 2, existing: 0 },
        observations: { created: 1, existing: 0 },
        relations: { created: 1, existing: 0, dropped: 0 },
        session_id: null,
      },
    ],
  },
);

export const Receipt = Type.Object(
  {
    entities: Type.Integer(),
    observations: Type.Integer(),
    relations: Type.Integer(),
    names: Type.Integer(),
    metadata: Type.Integer(),
    uses: Type.Integer(),
    anonymised: Type.Integer({
      description:
        'Entities that keep their id, without name, attributes and author, since facts of others refer to them',
    }),
  },
  {
    title: 'MemoryReceipt',
    examples: [{ entities: 3, observations: 8, relations: 2, names: 3, metadata: 1, uses: 0, anonymised: 0 }],
  },
);
