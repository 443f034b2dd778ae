import type { FastifyReply } from 'fastify';
import type { Static } from 'typebox';
import { invalid } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import { checkMetadata } from '../../../core/metadata.ts';
import type {
  ChangeEntity,
  EntityRef,
  EntityView,
  NewActivity,
  NewEntity,
  NewObservations,
  NewRelation,
  ObservationsToDelete,
  Reading,
  RelationToDelete,
} from '../../../graph/index.ts';
import { maxItems, maxObservationBytes } from '../../../graph/index.ts';
import { etagOf } from '../../etag.ts';
import { optionalInstant, readInstant } from '../../instant.ts';
import type * as bodies from '../../schemas/graph-bodies.ts';
import type { EntityReference } from '../../schemas/graph-fields.ts';

/* Requests about the memory graph as the domain takes them. A refusal names the field by its path, such as `entities/1`. */

type CreateEntities = Static<typeof bodies.CreateEntitiesBody>['entities'];
type AddObservations = Static<typeof bodies.AddObservationsBody>['observations'];
type DeleteObservations = Static<typeof bodies.DeleteObservationsBody>['observations'];
type CreateRelations = Static<typeof bodies.CreateRelationsBody>['relations'];
type DeleteRelations = Static<typeof bodies.DeleteRelationsBody>['relations'];

/** Each item with its path. */
const eachOf = <T, R>(list: string, all: readonly T[], read: (item: T, path: string) => R): R[] =>
  all.map((item, index) => read(item, `${list}/${index}`));

/** Leaves out the fields that are undefined, which the domain takes as left out. */
type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
const defined = <T extends object>(fields: T): Partial<Defined<T>> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<Defined<T>>;

/** Throws `invalid_request` for more items than one request may have, those of its inner lists included. */
const checkCount = (list: string, count: number): void => {
  if (count <= maxItems) return;
  const limit = maxItems.toLocaleString('en');
  throw invalid(
    list,
    `must have at most ${limit} items, with all that they contain. Send several requests, or use POST /api/v1/graph/import.`,
  );
};

const sum = <T>(all: readonly T[], count: (item: T) => number): number =>
  all.reduce((total, item) => total + count(item), 0);

const controlCharacter = /\p{Cc}/u;

/** A type or a tag. Throws `invalid_request` for a blank one and for control characters. */
export const checkWord = (word: string, path: string): string => {
  if (word.trim() === '') throw invalid(path, 'must not be blank.');
  if (controlCharacter.test(word)) throw invalid(path, 'must not have control characters.');
  return word;
};

const checkTags = (tags: readonly string[] | undefined, path: string): readonly string[] | undefined =>
  tags?.map((tag, index) => checkWord(tag, `${path}/tags/${index}`));

const checkContent = (content: string, path: string): string => {
  if (Buffer.byteLength(content) <= maxObservationBytes) return content;
  throw invalid(path, `must have at most ${maxObservationBytes} bytes of UTF-8.`);
};

const checkContents = (contents: readonly string[], path: string): readonly string[] =>
  contents.map((content, index) => checkContent(content, `${path}/${index}`));

const attributesOf = (attributes: unknown, path: string): JsonObject | undefined =>
  checkMetadata(attributes as JsonObject | undefined, path);

/** The metadata of a derived node. */
export const metadataOf = (metadata: unknown): { metadata?: JsonObject } =>
  defined({ metadata: attributesOf(metadata, 'metadata') });

const refOf = (ref: Static<typeof EntityReference>, path: string): EntityRef => {
  const { id, name, type, session_id } = ref;
  if (id !== undefined) {
    if (Object.keys(ref).length > 1) throw invalid(path, 'must have either an id alone, or a name.');
    return { id: id.toLowerCase() };
  }
  if (name === undefined) throw invalid(path, 'must have either an id alone, or a name.');
  return { name, ...defined({ type, session_id }) };
};

const timesOf = (item: { valid_at?: string | null; invalid_at?: string | null }, path: string) =>
  defined({
    valid_at: optionalInstant(`${path}/valid_at`, item.valid_at),
    invalid_at: optionalInstant(`${path}/invalid_at`, item.invalid_at),
  });

export const entitiesOf = (entities: CreateEntities): NewEntity[] => {
  checkCount('entities', entities.length + sum(entities, ({ observations = [] }) => observations.length));
  return eachOf('entities', entities, ({ type, name, observations, attributes, tags, session_id }, path) => ({
    type: checkWord(type, `${path}/type`),
    name,
    ...defined({
      observations: observations && checkContents(observations, `${path}/observations`),
      attributes: attributesOf(attributes, `${path}/attributes`),
      tags: checkTags(tags, path),
      session_id,
    }),
  }));
};

export const changeOf = ({ name, attributes, tags }: Static<typeof bodies.ChangeEntityBody>): ChangeEntity =>
  defined({
    name,
    attributes: attributesOf(attributes, 'attributes'),
    tags: tags?.map((tag, index) => checkWord(tag, `tags/${index}`)),
  });

export const observationsOf = (observations: AddObservations): NewObservations[] => {
  checkCount(
    'observations',
    sum(observations, ({ contents }) => contents.length),
  );
  return eachOf('observations', observations, (item, path) => ({
    entity: refOf(item.entity, `${path}/entity`),
    contents: checkContents(item.contents, `${path}/contents`),
    ...defined({ source: item.source, confidence: item.confidence, session_id: item.session_id }),
    ...timesOf(item, path),
  }));
};

export const deletedObservationsOf = (observations: DeleteObservations): ObservationsToDelete[] => {
  checkCount(
    'observations',
    sum(observations, ({ contents }) => contents.length),
  );
  return eachOf('observations', observations, ({ entity, contents }, path) => ({
    entity: refOf(entity, `${path}/entity`),
    contents,
  }));
};

const endsOf = ({ from, to, type }: DeleteRelations[number], path: string): RelationToDelete => ({
  from: refOf(from, `${path}/from`),
  to: refOf(to, `${path}/to`),
  type: checkWord(type, `${path}/type`),
});

export const relationsOf = (relations: CreateRelations): NewRelation[] => {
  checkCount('relations', relations.length);
  return eachOf('relations', relations, (item, path) => ({
    ...endsOf(item, path),
    ...defined({
      attributes: attributesOf(item.attributes, `${path}/attributes`),
      source: item.source,
      confidence: item.confidence,
      session_id: item.session_id,
    }),
    ...timesOf(item, path),
  }));
};

export const deletedRelationsOf = (relations: DeleteRelations): RelationToDelete[] => {
  checkCount('relations', relations.length);
  return eachOf('relations', relations, endsOf);
};

export const activityOf = (body: Static<typeof bodies.CreateActivityBody>): NewActivity => {
  const { type, content, secrets_used, session_id } = body;
  checkCount('secrets_used', secrets_used?.length ?? 0);
  return {
    type: checkWord(type, 'type'),
    content: checkContent(content, 'content'),
    ...defined({ secrets_used: secrets_used?.map((id) => id.toLowerCase()), session_id }),
  };
};

/** The mode and the moment of a read. */
export const readingOf = ({ mode, as_of }: Static<typeof bodies.ReadQuery>): Reading =>
  defined({ mode, asOf: as_of === undefined ? undefined : readInstant('as_of', as_of) });

/** The session of a query: null for an empty text, undefined where the query has none. */
export const placeOf = (session: string | undefined): { session_id?: string | null } =>
  defined({ session_id: session === '' ? null : session });

/** The entity with its version as ETag. A derived node has none. */
export const tagged = (reply: FastifyReply, entity: EntityView): EntityView => {
  if (!entity.derived) reply.header('etag', etagOf(entity.version));
  return entity;
};
