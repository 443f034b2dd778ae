import { type Client, dataOf, type Entity, type EntitySummary, type paths, Refusal } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { printable, printableLines } from '../printable.ts';

/* Entities of the memory graph as the command line names and prints them. */

type Reading = Pick<NonNullable<paths['/api/v1/graph/entities/{id}']['get']['parameters']['query']>, 'mode' | 'as_of'>;

/** The options of every command that reads. */
export interface ReadOptions {
  readonly mode?: NonNullable<Reading['mode']>;
  readonly asOf?: string;
}

/** The options of every command that finds an entity by its name, or writes one. */
export interface PlaceOptions {
  readonly own?: boolean;
}

export const readingOf = ({ mode, asOf }: ReadOptions): Reading => ({
  ...(mode === undefined ? {} : { mode }),
  ...(asOf === undefined ? {} : { as_of: asOf }),
});

/** Where a request puts or finds facts: in your own memory with --own, else wherever the session says. */
export const placeOf = ({ own = false }: PlaceOptions): { session_id?: null } => (own ? { session_id: null } : {});

/** How a body names an entity, by its id or its exact name. */
export const referenceTo = (text: string, options: PlaceOptions) =>
  isUuid(text) ? { id: text } : { name: text, ...placeOf(options) };

const notThere =
  'The memory graph has nothing of this name or id that you can see. "keyhold graph search WORDS" finds entities.';

const lineOf = ({ field, detail }: { readonly field: string; readonly detail: string }): string =>
  `  ${printable(field)} ${printable(detail)}`;

/** The failures of commands on the graph in its own words. */
const inGraphWords = (error: unknown): unknown => {
  if (!(error instanceof Refusal)) return error;
  const { code, detail, errors = [] } = error.problem;
  const lines = errors.map(lineOf);
  if (code === 'not_found') return new CliFailure(exitCodes.notFound, notThere, { cause: error });
  // Of the conflicts, only a name that several entities have lists more than one thing.
  if (code !== 'state_conflict' || lines.length < 2) return error;
  return new CliFailure(exitCodes.ambiguous, [printableLines(detail), ...lines].join('\n'), { cause: error });
};

/** Runs the requests of a command on the graph. Throws notFound, or ambiguous with the candidates. */
export const inGraph = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw inGraphWords(error);
  }
};

/** The entity with this id or exact name. */
export const entityNamed = async (
  client: Client,
  text: string,
  options: ReadOptions & PlaceOptions,
): Promise<Entity> => {
  if (isUuid(text)) {
    const params = { path: { id: text }, query: readingOf(options) };
    return (await dataOf(client.GET('/api/v1/graph/entities/{id}', { params }))).entity;
  }
  const place = options.own === true ? { session_id: '' } : {};
  const query = { name: text, ...place, ...readingOf(options) };
  return await dataOf(client.GET('/api/v1/graph/entities', { params: { query } }));
};

/** The id of an entity. A name is looked up. */
export const entityIdOf = async (client: Client, text: string, options: ReadOptions & PlaceOptions): Promise<string> =>
  isUuid(text) ? text : (await entityNamed(client, text, options)).id;

export const nameOf = ({ name, id }: { readonly name: string | null; readonly id: string }): string => name ?? id;

/** Parses `key=value`. The value is JSON where it can be, else a text. Throws usage. */
export const attributesOf = (pairs: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(pairs.map(attributeOf));

const attributeOf = (pair: string): [string, unknown] => {
  const at = pair.indexOf('=');
  if (at < 1) throw usage('--attribute must be KEY=VALUE, such as language=Go.');
  const text = pair.slice(at + 1);
  try {
    return [pair.slice(0, at), JSON.parse(text)];
  } catch {
    return [pair.slice(0, at), text];
  }
};

/** Parses an option that may be repeated, whose texts may hold commas. */
export const repeated = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** A whole number of an option. The service knows its bounds. Throws usage. */
export const numberOf = (option: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,6}$/.test(text)) throw usage(`${option} must be a whole number.`);
  return Number(text);
};

const detailOf = (node: EntitySummary): string => (node.derived ? 'derived' : (node.tags ?? []).join(' '));

/** A table of entities. */
export const entityTable = (context: CliContext, nodes: readonly EntitySummary[]): string =>
  context.out.table(
    ['NAME', 'TYPE', 'TAGS', 'ID'],
    nodes.map((node) => [nameOf(node), node.type, detailOf(node), node.id]),
  );
