import { type Client, dataOf, type Entity } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { printable } from '../printable.ts';
import {
  attributesOf,
  entityIdOf,
  entityNamed,
  inGraph,
  nameOf,
  type PlaceOptions,
  placeOf,
  referenceTo,
} from './entities.ts';

/* The commands that write to the memory graph. */

export interface AddOptions extends PlaceOptions {
  readonly observation?: readonly string[];
  readonly tag?: readonly string[];
  readonly attribute?: readonly string[];
}

/** Where facts went, for a note. */
const memoryOf = (session: string | null | undefined): string =>
  session === null || session === undefined ? 'your own memory' : `the memory of session ${session}`;

/** `graph add` */
export const add = async (context: CliContext, type: string, name: string, options: AddOptions): Promise<void> => {
  const attributes = attributesOf(options.attribute ?? []);
  const client = await context.client();
  const entity = {
    type,
    name,
    observations: [...(options.observation ?? [])],
    tags: [...(options.tag ?? [])],
    attributes,
    ...placeOf(options),
  };
  const answer = await inGraph(() => dataOf(client.POST('/api/v1/graph/entities', { body: { entities: [entity] } })));
  const [made] = answer.entities;
  if (made === undefined) throw new CliFailure(exitCodes.failed, 'The service answered with no entity.');
  const where = memoryOf(made.entity.session_id);
  context.out.note(
    made.created
      ? `Added ${printable(name)} to ${where}.`
      : `${printable(name)} is in ${where} already. It keeps its attributes and tags, and has the observations that it lacked.`,
  );
  await context.out.result(made, () => `${made.entity.id}\n`);
};

export interface UpdateOptions extends PlaceOptions {
  readonly name?: string;
  readonly tag?: readonly string[];
  readonly removeTag?: readonly string[];
  readonly attribute?: readonly string[];
  readonly removeAttribute?: readonly string[];
}

const changeOf = ({ tags = [], attributes }: Entity, options: UpdateOptions) => {
  const { name, tag = [], removeTag = [], attribute = [], removeAttribute = [] } = options;
  const kept = Object.entries(attributes).filter(([key]) => !removeAttribute.includes(key));
  const wantsTags = tag.length + removeTag.length > 0;
  const wantsAttributes = attribute.length + removeAttribute.length > 0;
  return {
    ...(name === undefined ? {} : { name }),
    ...(wantsTags ? { tags: [...new Set([...tags.filter((one) => !removeTag.includes(one)), ...tag])] } : {}),
    ...(wantsAttributes ? { attributes: { ...Object.fromEntries(kept), ...attributesOf(attribute) } } : {}),
  };
};

/** `graph update`. What was changed since it was read is never overwritten. */
export const update = async (context: CliContext, name: string, options: UpdateOptions): Promise<void> => {
  const client = await context.client();
  const changed = await inGraph(async () => {
    const entity = await entityNamed(client, name, options);
    if (entity.derived) throw derivedNode();
    const body = changeOf(entity, options);
    if (Object.keys(body).length === 0) throw usage('Nothing to change. Pass --name, --tag or --attribute.');
    const params = { path: { id: entity.id }, header: { 'If-Match': `"${entity.version}"` } };
    return await dataOf(client.PATCH('/api/v1/graph/entities/{id}', { params, body }));
  });
  context.out.note(`Changed ${printable(nameOf(changed))}.`);
  await context.out.result(changed, () => null);
};

const derivedNode = (): CliFailure =>
  new CliFailure(
    exitCodes.conflict,
    'This is a user, a session, a secret or a use, which the graph only shows. Change it where it is kept.',
  );

export interface FactOptions extends PlaceOptions {
  readonly source?: string;
  readonly confidence?: string;
  readonly validAt?: string;
  readonly invalidAt?: string;
}

const supportOf = ({ source, confidence, validAt, invalidAt }: FactOptions) => ({
  ...(source === undefined ? {} : { source }),
  ...(confidence === undefined ? {} : { confidence: confidenceOf(confidence) }),
  ...(validAt === undefined ? {} : { valid_at: validAt }),
  ...(invalidAt === undefined ? {} : { invalid_at: invalidAt }),
});

const confidenceOf = (text: string): number => {
  const number = Number(text);
  if (!/^[01](\.\d+)?$/.test(text) || number > 1) throw usage('--confidence must be a number from 0 to 1.');
  return number;
};

/** `graph relate` */
export const relate = async (
  context: CliContext,
  [from, type, to]: readonly [string, string, string],
  options: FactOptions,
): Promise<void> => {
  const support = supportOf(options);
  const client = await context.client();
  const relation = {
    from: referenceTo(from, options),
    to: referenceTo(to, options),
    type,
    ...support,
    ...placeOf(options),
  };
  const answer = await inGraph(() =>
    dataOf(client.POST('/api/v1/graph/relations', { body: { relations: [relation] } })),
  );
  const [made] = answer.relations;
  context.out.note(
    made?.created === false
      ? 'This relation is remembered already.'
      : `Related in ${memoryOf(made?.relation.session_id)}.`,
  );
  await context.out.result(made, () => (made === undefined ? null : `${made.relation.id ?? ''}\n`));
};

/** `graph observe` */
export const observe = async (
  context: CliContext,
  name: string,
  texts: readonly string[],
  options: FactOptions,
): Promise<void> => {
  const support = supportOf(options);
  const client = await context.client();
  const observation = { entity: referenceTo(name, options), contents: [...texts], ...support, ...placeOf(options) };
  const { observations } = await inGraph(() =>
    dataOf(client.POST('/api/v1/graph/observations', { body: { observations: [observation] } })),
  );
  const [first] = observations;
  const known = observations.filter(({ created }) => !created).length;
  context.out.note(
    known === observations.length
      ? 'All of this is remembered already.'
      : `Added to ${memoryOf(first?.observation.session_id)}.`,
  );
  await context.out.result(observations, () => observations.map((one) => `${one.observation.id}\n`).join(''));
};

/** `graph merge` */
export const merge = async (context: CliContext, name: string, into: string, options: PlaceOptions): Promise<void> => {
  const client = await context.client();
  const merged = await inGraph(async () => {
    const params = { path: { id: await entityIdOf(client, name, options) } };
    const body = { into: await entityIdOf(client, into, options) };
    return await dataOf(client.POST('/api/v1/graph/entities/{id}/merge', { params, body }));
  });
  context.out.note(`Merged into ${printable(nameOf(merged))}. The name and the id of the other one lead to it.`);
  await context.out.result(merged, () => null);
};

export interface ForgetOptions extends PlaceOptions {
  readonly observation?: readonly string[];
  readonly relation?: string;
  readonly to?: string;
  readonly yes?: boolean;
}

/** `graph forget`: an entity, or only some of its observations, or one relation. */
export const forget = async (context: CliContext, name: string, options: ForgetOptions): Promise<void> => {
  const { observation = [], relation, to, yes = false } = options;
  if ((relation === undefined) !== (to === undefined)) throw usage('--relation and --to go together.');
  if (!yes && !context.input.canPrompt) throw usage(cannotPrompt);
  const client = await context.client();
  const entity = await inGraph(() => entityNamed(client, name, options));
  if (!yes && !(await context.input.confirm(questionOf(entity, options)))) {
    throw new CliFailure(exitCodes.interrupted, 'Nothing was forgotten.');
  }
  const answer = await inGraph(async () => {
    if (relation !== undefined && to !== undefined)
      return await forgetRelation(client, entity, { type: relation, to: await entityIdOf(client, to, options) });
    return observation.length > 0
      ? await forgetObservations(client, entity, observation)
      : await forgetEntity(client, entity);
  });
  context.out.note('Forgotten.');
  await context.out.result(answer, () => null);
};

const questionOf = (entity: Entity, { observation = [], relation, to }: ForgetOptions): string => {
  const shown = printable(nameOf(entity));
  if (relation !== undefined) return `Forget that ${shown} ${printable(relation)} ${printable(to ?? '')}?`;
  if (observation.length > 0) return `Forget ${observation.length} observations of ${shown}?`;
  return `Forget ${shown} with its ${entity.observations.length} observations and all of its relations?`;
};

const forgetEntity = async (client: Client, { id }: Entity) => {
  await client.DELETE('/api/v1/graph/entities/{id}', { params: { path: { id } } });
  return { id, deleted: 1 };
};

const forgetObservations = (client: Client, { id }: Entity, contents: readonly string[]) => {
  const body = { observations: [{ entity: { id }, contents: [...contents] }] };
  return dataOf(client.DELETE('/api/v1/graph/observations', { body }));
};

const forgetRelation = (client: Client, { id }: Entity, { type, to }: { type: string; to: string }) => {
  const body = { relations: [{ from: { id }, to: { id: to }, type }] };
  return dataOf(client.DELETE('/api/v1/graph/relations', { body }));
};
