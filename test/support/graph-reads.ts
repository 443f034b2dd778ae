import type { RequestOptions } from './http.ts';
import { expectStatus, type Person } from './people.ts';
import type { Remembered } from './remembered.ts';

/* Reads of the memory graph, for tests that compare what all of them show. */

type Caller = Pick<Person, 'call'>;

/** Adds a relation between entities by their ids; resolves to it. */
export const link = async (
  who: Caller,
  [from, type, to]: readonly [Pick<Remembered, 'id'>, string, Pick<Remembered, 'id'>],
  options: RequestOptions = {},
) => {
  const relations = [{ from: { id: from.id }, to: { id: to.id }, type }];
  const answer = await who.call('POST', '/graph/relations', { ...options, body: { relations } });
  return expectStatus(answer, 201).body.relations[0].relation;
};

const queryOf = (mode: string | undefined): string => (mode === undefined ? '' : `&mode=${mode}`);

/** What is looked for, and an entity from which a relation leads to it. */
export interface Sought {
  readonly id: string;
  /** What finds it and nothing else; null for what has no name of its own. */
  readonly name: string | null;
  readonly from: Remembered;
}

/** Every read that can show this. */
export const everywhere = ({ name }: Sought): string[] =>
  ['get', 'edge', 'neighbourhood', 'path', 'search', 'whole', 'export'].filter(
    (read) => read !== 'search' || name !== null,
  );

/** The reads that show a node, or a relation to it. A read that is refused shows nothing. */
export const readsThatShow = async (
  who: Caller,
  { id, name, from }: Sought,
  { mode, ...options }: RequestOptions & { readonly mode?: string } = {},
): Promise<string[]> => {
  const paths = {
    get: `/graph/entities/${id}?relations=true`,
    edge: `/graph/entities/${from.id}?relations=true`,
    neighbourhood: `/graph/entities/${from.id}/neighbourhood?hops=3`,
    path: `/graph/path?from=${from.id}&to=${id}`,
    search: `/graph/search?limit=100&q=${encodeURIComponent(name ?? id)}`,
    whole: '/graph?max_tokens=100000',
    export: '/graph/export?format=json',
  };
  const shown: string[] = [];
  for (const [read, path] of Object.entries(paths)) {
    const { status, text } = await who.call('GET', `${path}${queryOf(mode)}`, options);
    if (status >= 500) throw new Error(text);
    if (status === 200 && (text.includes(id) || (name !== null && text.includes(name)))) shown.push(read);
  }
  return shown;
};
