import type { RequestOptions } from './http.ts';
import { expectStatus, type Person, uniqueName } from './people.ts';

/* Facts of the memory graph that a test needs before it begins. */

export interface Remembered {
  readonly id: string;
  readonly name: string;
}

/** A new entity, where the request's session says, or in the person's own memory. */
export const remember = async (
  who: Pick<Person, 'call'>,
  body: object = {},
  options: RequestOptions = {},
): Promise<Remembered> => {
  const entities = [{ type: 'TASK', name: uniqueName('entity'), ...body }];
  const made = expectStatus(await who.call('POST', '/graph/entities', { ...options, body: { entities } }), 201).body;
  return made.entities[0].entity;
};

/** An observation of a new entity; its id and the entity's. */
export const observe = async (who: Pick<Person, 'call'>, options: RequestOptions = {}) => {
  const entity = await remember(who, {}, options);
  const observations = [{ entity: { id: entity.id }, contents: ['what is known of it'] }];
  const answer = await who.call('POST', '/graph/observations', { ...options, body: { observations } });
  return { entity, id: expectStatus(answer, 201).body.observations[0].observation.id as string };
};

/** A relation between two new entities; its id and its ends. */
export const relate = async (who: Pick<Person, 'call'>, options: RequestOptions = {}) => {
  const from = await remember(who, {}, options);
  const to = await remember(who, {}, options);
  const relations = [{ from: { id: from.id }, to: { id: to.id }, type: 'depends_on' }];
  const answer = await who.call('POST', '/graph/relations', { ...options, body: { relations } });
  return { from, to, id: expectStatus(answer, 201).body.relations[0].relation.id as string };
};

export const between = ({ from, to }: { readonly from: Remembered; readonly to: Remembered }) => ({
  from: { id: from.id },
  to: { id: to.id },
  type: 'depends_on',
});

/** A line of the MCP memory server, as the body of a request with format=jsonl. */
export const importLine = () => ({
  type: 'entity',
  name: uniqueName('imported'),
  entityType: 'person',
  observations: ['likes tests'],
});
