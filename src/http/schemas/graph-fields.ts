import { type TSchema, Type } from 'typebox';
import { sessionNamePattern } from '../../core/names.ts';
import {
  maxItems,
  maxNameLength,
  maxObservationBytes,
  maxSourceLength,
  maxTags,
  maxWordLength,
  modes,
} from '../../graph/index.ts';
import { documented, Id, Instant, Metadata, nullable, SessionName, strict, Text } from './common.ts';

/* The fields of requests about the memory graph. Lengths count characters, unless they say bytes. */

/** A type of an entity or a relation, or a tag. What is blank or has control characters is refused with a sentence. */
export const Word = Type.String({
  minLength: 1,
  maxLength: maxWordLength,
  ...documented({ pattern: '^(?=.*[^\\s])[^\\u0000-\\u001f\\u007f-\\u009f]*$' }),
});
export const EntityName = Text({ minLength: 1, maxLength: maxNameLength });
export const Content = Type.String({
  minLength: 1,
  maxLength: maxObservationBytes,
  description: `At most ${maxObservationBytes} bytes of UTF-8`,
  ...documented({ pattern: '^[^\\u0000]*$' }),
});
export const Source = nullable(Text({ minLength: 1, maxLength: maxSourceLength }));
export const Confidence = nullable(Type.Number({ minimum: 0, maximum: 1 }));
export const Attributes = Metadata;
export const GraphTags = Type.Array(Word, { maxItems: maxTags });

/** A list of what one request writes. The service counts all lists of a request together, and refuses with advice. */
export const items = <S extends TSchema>(schema: S, minItems = 1) =>
  Type.Array(schema, { minItems, ...documented({ maxItems }) });

/** Where a fact goes. */
export const Place = nullable({
  ...SessionName,
  description: 'The session whose memory it is; null for your own. Left out, it is the session of the request',
});

export const validity = {
  valid_at: Type.Optional(nullable(Instant)),
  invalid_at: Type.Optional(nullable(Instant)),
};

/** How a body names an entity: by its id alone, or by its exact name. */
export const EntityReference = strict(
  {
    id: Type.Optional(Id),
    name: Type.Optional(EntityName),
    type: Type.Optional(Word),
    session_id: Type.Optional(
      nullable({
        ...SessionName,
        description: 'The session whose entity is meant; null for your own. Left out, whichever you can see',
      }),
    ),
  },
  {
    title: 'EntityReference',
    description: 'An entity by its id alone, or by its exact name',
    minProperties: 1,
    examples: [{ name: 'billing-service' }],
    ...documented({ oneOf: [{ required: ['id'], maxProperties: 1 }, { required: ['name'] }] }),
  },
);

/** What every read takes. */
export const reading = {
  mode: Type.Optional(
    Type.Enum(modes, {
      title: 'MemoryMode',
      description:
        'Which facts are shown: yours and the session’s, yours and those of all your sessions, or only what every present participant of the session may see',
    }),
  ),
  as_of: Type.Optional({ ...Instant, description: 'Shows what held at this time' }),
};

/** A session in a query, which has no null: an empty text stands for it. */
export const PlaceInQuery = Type.String({
  pattern: `^$|${sessionNamePattern.source}`,
  description: 'A session’s id or external id; empty for your own memory',
});
