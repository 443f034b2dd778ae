import { dataOf, type Entity, type Relation } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import {
  entityIdOf,
  entityNamed,
  entityTable,
  inGraph,
  nameOf,
  numberOf,
  type PlaceOptions,
  type ReadOptions,
  readingOf,
} from './entities.ts';

/* The commands that read the memory graph. */

export interface SearchOptions extends ReadOptions {
  readonly type?: string;
  readonly tag?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: string;
}

const given = <T extends object>(fields: T): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;

/** `graph search` */
export const search = async (context: CliContext, words: readonly string[], options: SearchOptions): Promise<void> => {
  const client = await context.client();
  const { type, tag, since, until } = options;
  const query = {
    q: words.join(' '),
    ...(given({ type, tag, since, until, limit: numberOf('--limit', options.limit) }) as object),
    ...readingOf(options),
  };
  const found = await dataOf(client.GET('/api/v1/graph/search', { params: { query } }));
  await context.out.result(found, () => {
    if (found.truncated) context.out.note('There is more than is shown. Search for more words, or raise --limit.');
    if (found.results.length === 0) context.out.note('Nothing found.');
    return context.out.table(
      ['NAME', 'TYPE', 'FOUND', 'ID'],
      found.results.map(({ entity, matches: [first] }) => [
        nameOf(entity),
        entity.type,
        first === undefined || first.in === 'name' ? '' : first.text,
        entity.id,
      ]),
    );
  });
};

const factsOf = (entity: Entity): [string, string][] => {
  const kept = entity.derived ? (entity.metadata ?? {}) : {};
  const rows: [string, string][] = [
    ['id', entity.id],
    ['name', entity.name ?? ''],
    ['type', entity.type],
    ['memory of', entity.derived ? 'derived' : (entity.session_id ?? 'yourself')],
    ['aliases', (entity.aliases ?? []).join(', ')],
    ['tags', (entity.tags ?? []).join(', ')],
    ...Object.entries({ ...entity.attributes, ...kept }).map(([key, value]): [string, string] => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  ];
  return rows.filter(([, value]) => value !== '');
};

const observationTable = (context: CliContext, { observations }: Entity): string[] =>
  observations.length === 0
    ? []
    : [
        context.out.table(
          ['OBSERVATION', 'ENDED', 'AGENT', 'SINCE'],
          observations.map(({ content, invalid_at, agent, valid_at, created_at }) => [
            content,
            invalid_at ?? '',
            agent ?? '',
            valid_at ?? created_at,
          ]),
        ),
      ];

const relationTable = (context: CliContext, relations: readonly Relation[]): string[] =>
  relations.length === 0
    ? []
    : [
        context.out.table(
          ['FROM', 'RELATION', 'TO', 'ENDED'],
          relations.map(({ from, type, to, invalid_at }) => [nameOf(from), type, nameOf(to), invalid_at ?? '']),
        ),
      ];

/** `graph show` */
export const show = async (context: CliContext, name: string, options: ReadOptions & PlaceOptions): Promise<void> => {
  const client = await context.client();
  const found = await inGraph(async () => {
    const id = isUuid(name) ? name : (await entityNamed(client, name, options)).id;
    const params = { path: { id }, query: { ...readingOf(options), relations: true } };
    return await dataOf(client.GET('/api/v1/graph/entities/{id}', { params }));
  });
  await context.out.result(found, () => {
    if (found.relations_truncated) context.out.note('It has more relations than are shown.');
    return [
      context.out.facts(factsOf(found.entity)),
      ...observationTable(context, found.entity),
      ...relationTable(context, found.relations ?? []),
    ].join('\n');
  });
};

export interface NeighboursOptions extends ReadOptions, PlaceOptions {
  readonly hops?: string;
  readonly direction?: 'in' | 'out' | 'both';
  readonly relation?: readonly string[];
  readonly limit?: string;
}

/** `graph neighbours` */
export const neighbours = async (context: CliContext, name: string, options: NeighboursOptions): Promise<void> => {
  const client = await context.client();
  const { direction, relation: type } = options;
  const bounds = { hops: numberOf('--hops', options.hops), limit: numberOf('--limit', options.limit) };
  const found = await inGraph(async () => {
    const id = await entityIdOf(client, name, options);
    const query = { ...(given({ direction, type, ...bounds }) as object), ...readingOf(options) };
    return await dataOf(client.GET('/api/v1/graph/entities/{id}/neighbourhood', { params: { path: { id }, query } }));
  });
  await context.out.result(found, () => {
    if (found.truncated) context.out.note('There is more than is shown. Raise --limit, or name a --relation.');
    return [entityTable(context, found.entities), ...relationTable(context, found.relations)].join('\n');
  });
};

export interface PathOptions extends ReadOptions, PlaceOptions {
  readonly maxHops?: string;
}

/** `graph path` */
export const path = async (context: CliContext, from: string, to: string, options: PathOptions): Promise<void> => {
  const client = await context.client();
  const maxHops = numberOf('--max-hops', options.maxHops);
  const found = await inGraph(async () => {
    const ends = { from: await entityIdOf(client, from, options), to: await entityIdOf(client, to, options) };
    const query = { ...ends, ...(maxHops === undefined ? {} : { max_hops: maxHops }), ...readingOf(options) };
    return await dataOf(client.GET('/api/v1/graph/path', { params: { query } }));
  });
  await context.out.result(found, () => {
    if (found.path === null) context.out.note(found.truncated ? cutShort : 'There is no path of so few hops.');
    return context.out.table(
      ['FROM', 'RELATION', 'TO'],
      (found.path ?? []).map(({ from: start, to: end, direction, relation }) => [
        nameOf(start),
        direction === 'out' ? `${relation.type} →` : `← ${relation.type}`,
        nameOf(end),
      ]),
    );
  });
};

const cutShort = 'The search was cut short, so that a path may exist. Try fewer hops.';

export interface ActivitiesOptions extends ReadOptions {
  readonly limit?: string;
}

/** `graph activities` */
export const activities = async (context: CliContext, options: ActivitiesOptions): Promise<void> => {
  const client = await context.client();
  const limit = numberOf('--limit', options.limit);
  const query = { ...(limit === undefined ? {} : { limit }), ...readingOf(options) };
  const found = await dataOf(client.GET('/api/v1/graph/activities', { params: { query } }));
  await context.out.result(found.activities, () => {
    if (found.activities.length === 0) context.out.note('Nothing is remembered of what was done in this session.');
    if (found.next_cursor !== null) context.out.note('There are older ones. Raise --limit to see more.');
    return context.out.table(
      ['TYPE', 'WHAT', 'SECRETS USED', 'ID'],
      found.activities.map(({ entity, uses }) => [
        entity.type,
        entity.observations.map(({ content }) => content).join(' '),
        uses.map(nameOf).join(' '),
        entity.id,
      ]),
    );
  });
};
