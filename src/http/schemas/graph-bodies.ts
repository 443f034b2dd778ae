import { Type } from 'typebox';
import { maxHops, maxPathHops, maxQueryLength } from '../../graph/index.ts';
import { Id, Instant, nullable, PageQuery, SessionName, strict, Text, Username } from './common.ts';
import {
  Attributes,
  Confidence,
  Content,
  EntityName,
  EntityReference,
  GraphTags,
  items,
  Place,
  PlaceInQuery,
  reading,
  Source,
  validity,
  Word,
} from './graph-fields.ts';

/* What requests about the memory graph hold. */

const entity = { name: 'billing-service' };

export const UserNodeBody = strict(
  {
    username: Username,
    user_id: Type.Optional({ ...Id, description: 'Left out, it is you' }),
    metadata: Type.Optional(Attributes),
  },
  { title: 'UserEntityRequest', examples: [{ username: 'ada', metadata: { editor: 'Helix' } }] },
);

export const SessionNodeBody = strict(
  { session_id: Id, metadata: Type.Optional(Attributes) },
  {
    title: 'SessionEntityRequest',
    examples: [{ session_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e20', metadata: { topic: 'the release' } }],
  },
);

export const SecretNodeBody = strict(
  { secret_id: Id, metadata: Type.Optional(Attributes) },
  {
    title: 'SecretEntityRequest',
    examples: [{ secret_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e01', metadata: { used_for: 'invoices' } }],
  },
);

export const CreateEntitiesBody = strict(
  {
    entities: items(
      strict({
        type: Word,
        name: EntityName,
        observations: Type.Optional(items(Content, 0)),
        attributes: Type.Optional(Attributes),
        tags: Type.Optional(GraphTags),
        session_id: Type.Optional(Place),
      }),
    ),
  },
  {
    title: 'CreateEntitiesRequest',
    examples: [
      {
        entities: [
          { type: 'TECHNOLOGY', ...entity, observations: ['It reads STRIPE_KEY when it starts.'], tags: ['backend'] },
        ],
      },
    ],
  },
);

export const ChangeEntityBody = strict(
  { name: Type.Optional(EntityName), attributes: Type.Optional(Attributes), tags: Type.Optional(GraphTags) },
  { title: 'ChangeEntityRequest', minProperties: 1, examples: [{ name: 'billing' }] },
);

export const MergeBody = strict(
  { into: Id },
  { title: 'MergeEntitiesRequest', examples: [{ into: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e63' }] },
);

export const AddObservationsBody = strict(
  {
    observations: items(
      strict({
        entity: EntityReference,
        contents: items(Content),
        source: Type.Optional(Source),
        confidence: Type.Optional(Confidence),
        ...validity,
        session_id: Type.Optional(Place),
      }),
    ),
  },
  {
    title: 'AddObservationsRequest',
    examples: [{ observations: [{ entity, contents: ['It listens on port 8080.'], confidence: 0.9 }] }],
  },
);

export const DeleteObservationsBody = strict(
  { observations: items(strict({ entity: EntityReference, contents: items(Content) })) },
  {
    title: 'DeleteObservationsRequest',
    examples: [{ observations: [{ entity, contents: ['It listens on port 8080.'] }] }],
  },
);

const between = { from: EntityReference, to: EntityReference, type: Word };
const betweenExample = { from: entity, to: { name: 'ledger' }, type: 'depends_on' };

export const CreateRelationsBody = strict(
  {
    relations: items(
      strict({
        ...between,
        attributes: Type.Optional(Attributes),
        source: Type.Optional(Source),
        confidence: Type.Optional(Confidence),
        ...validity,
        session_id: Type.Optional(Place),
      }),
    ),
  },
  { title: 'CreateRelationsRequest', examples: [{ relations: [betweenExample] }] },
);

export const DeleteRelationsBody = strict(
  { relations: items(strict(between)) },
  { title: 'DeleteRelationsRequest', examples: [{ relations: [betweenExample] }] },
);

export const EndBody = strict(
  { invalid_at: nullable(Instant) },
  {
    title: 'EndFactRequest',
    description: 'When the fact ended; null where it holds again',
    examples: [{ invalid_at: '2026-11-24T09:00:00Z' }],
  },
);

export const CreateActivityBody = strict(
  {
    type: Word,
    content: Content,
    secrets_used: Type.Optional(items({ ...Id, description: 'The use_id of a reveal of yours in this session' }, 0)),
    session_id: Type.Optional({ ...SessionName, description: 'Left out, it is the session of the request' }),
  },
  {
    title: 'CreateActivityRequest',
    examples: [{ type: 'TERMINAL_ACTIVITY', content: 'Deployed billing-service 2.1 to production.' }],
  },
);

const cursor = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: 8192,
    pattern: '^[A-Za-z0-9_.-]+$',
    description: 'The next_cursor of the page before',
  }),
);
const limit = (max: number, normal: number) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: max, default: normal }));

export const ReadQuery = strict({ ...reading });
export const DetailsQuery = strict({
  ...reading,
  relations: Type.Optional(Type.Boolean({ default: false, description: 'Whether its relations are shown, too' })),
});
export const ResolveQuery = strict({
  name: EntityName,
  type: Type.Optional(Word),
  session_id: Type.Optional(PlaceInQuery),
  ...reading,
});
export const ListQuery = strict({ limit: PageQuery.limit, cursor, ...reading });
export const ActivitiesQuery = strict({
  session_id: Type.Optional({ ...Id, description: 'Left out, it is the session of the request' }),
  limit: PageQuery.limit,
  cursor,
  ...reading,
});
export const WholeQuery = strict({
  cursor,
  max_tokens: Type.Optional(
    Type.Integer({
      minimum: 100,
      maximum: 100_000,
      default: 8000,
      description: 'How much a page may take of a model’s context, by estimate',
    }),
  ),
  ...reading,
});
export const SearchQuery = strict({
  q: Text({ minLength: 1, maxLength: maxQueryLength }),
  type: Type.Optional(Word),
  tag: Type.Optional(Word),
  since: Type.Optional({ ...Instant, description: 'Only what was recorded at this time or later' }),
  until: Type.Optional({ ...Instant, description: 'Only what was recorded before this time' }),
  limit: limit(100, 10),
  ...reading,
});
export const NeighbourhoodQuery = strict({
  hops: limit(maxHops, 1),
  direction: Type.Optional(Type.Enum(['in', 'out', 'both'], { title: 'RelationDirection', default: 'both' })),
  type: Type.Optional(
    Type.Array(Word, { minItems: 1, maxItems: 64, description: 'Only relations of this type; may be repeated' }),
  ),
  limit: limit(1000, 100),
  ...reading,
});
export const PathQuery = strict({ from: Id, to: Id, max_hops: limit(maxPathHops, maxPathHops), ...reading });

const Format = Type.Enum(['jsonl', 'json'], {
  title: 'GraphFormat',
  description: 'JSON lines as the MCP memory server keeps them, or one JSON document with everything',
});
export const ExportQuery = strict({
  format: Type.Optional(Format),
  session_id: Type.Optional(PlaceInQuery),
  ...reading,
});
export const ImportQuery = strict({
  format: Type.Optional(Format),
  session_id: Type.Optional(PlaceInQuery),
  dangling: Type.Optional(
    Type.Enum(['refuse', 'drop'], {
      default: 'refuse',
      description: 'What becomes of relations to names that neither the import nor the graph has',
    }),
  ),
});

/** An import is read as it arrives, whatever its type: JSON lines, or one JSON document. */
export const ImportText = Type.String({
  examples: [
    '{"type":"entity","name":"ledger","entityType":"TECHNOLOGY","observations":["It is written in Go."]}\n{"type":"relation","from":"billing-service","to":"ledger","relationType":"depends_on"}\n',
  ],
});
