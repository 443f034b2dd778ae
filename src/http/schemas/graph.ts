import { Type } from 'typebox';
import { Instant, nullable } from './common.ts';

/* Entities, observations and relations as answers about the memory graph show them. */

/** Whatever a client kept, with every key: a pattern for keys would miss those with line ends. */
const Kept = Type.Object({}, { additionalProperties: true });

export const id = (last: string): string => `0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e${last}`;
const at = '2026-11-24T09:00:00.000Z';
const originExample = { author_id: id('0f'), agent: 'claude', session_id: null };
const timesExample = { valid_at: null, invalid_at: null, created_at: at };

export const nodeExample = {
  id: id('61'),
  type: 'TECHNOLOGY',
  name: 'billing-service',
  derived: false,
  attributes: { language: 'Go' },
  aliases: [],
  tags: ['backend'],
  version: 1,
  ...originExample,
  created_at: at,
  updated_at: at,
};

export const observationExample = {
  id: id('62'),
  content: 'It reads STRIPE_KEY when it starts.',
  source: null,
  confidence: null,
  ...originExample,
  ...timesExample,
};

export const entityExample = { ...nodeExample, observations: [observationExample] };
export const endExample = { id: id('61'), type: 'TECHNOLOGY', name: 'billing-service' };
export const otherEnd = { id: id('63'), type: 'TECHNOLOGY', name: 'ledger' };

export const relationExample = {
  id: id('64'),
  type: 'depends_on',
  from: endExample,
  to: otherEnd,
  derived: false,
  attributes: {},
  source: null,
  confidence: null,
  ...originExample,
  ...timesExample,
};

/** Who wrote a fact, and where it lives. Derived nodes and relations have none of it. */
const origin = {
  author_id: nullable(Type.String()),
  agent: nullable(Type.String({ description: 'The agent that wrote it for its author' })),
  session_id: nullable(Type.String({ description: 'The session whose memory it is; null for its author’s own' })),
};

const times = {
  valid_at: nullable(Instant),
  invalid_at: nullable({ ...Instant, description: 'From then on it no longer holds' }),
  created_at: Instant,
};

const support = { source: nullable(Type.String()), confidence: nullable(Type.Number()) };

export const Observation = Type.Object(
  { id: Type.String(), content: Type.String(), ...support, ...origin, ...times },
  { title: 'Observation', examples: [observationExample] },
);

export const nodeFields = {
  id: Type.String(),
  type: Type.String(),
  name: nullable(Type.String({ description: 'Null where its author was erased' })),
  derived: Type.Boolean({ description: 'True for users, sessions, secrets and uses, which no client can write' }),
  attributes: Kept,
  aliases: Type.Optional(Type.Array(Type.String())),
  tags: Type.Optional(Type.Array(Type.String())),
  version: Type.Optional(Type.Integer({ description: 'The number in the ETag' })),
  author_id: Type.Optional(origin.author_id),
  agent: Type.Optional(origin.agent),
  session_id: Type.Optional(origin.session_id),
  created_at: Type.Optional(Instant),
  updated_at: Type.Optional(Instant),
};

export const Node = Type.Object(nodeFields, { title: 'EntitySummary', examples: [nodeExample] });

export const entityFields = {
  ...nodeFields,
  observations: Type.Array(Observation),
  metadata: Type.Optional(
    nullable({ ...Kept, description: 'Of a derived node: what you remember of it; null without' }),
  ),
};

export const Entity = Type.Object(entityFields, { title: 'Entity', examples: [entityExample] });

export const End = Type.Object(
  { id: Type.String(), type: Type.String(), name: nullable(Type.String()) },
  { title: 'RelationEnd' },
);

export const Relation = Type.Object(
  {
    id: nullable(Type.String({ description: 'Null where the relation is derived' })),
    type: Type.String(),
    from: End,
    to: End,
    derived: Type.Boolean(),
    attributes: Type.Optional(Kept),
    source: Type.Optional(support.source),
    confidence: Type.Optional(support.confidence),
    author_id: Type.Optional(origin.author_id),
    agent: Type.Optional(origin.agent),
    session_id: Type.Optional(origin.session_id),
    valid_at: Type.Optional(times.valid_at),
    invalid_at: Type.Optional(times.invalid_at),
    created_at: Type.Optional(Instant),
  },
  { title: 'Relation', examples: [relationExample] },
);
