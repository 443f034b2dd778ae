import type pg from 'pg';
import type { Asker } from './world.ts';

/*
 * The same questions in bare SQL, by the same driver on the same server: a statement for each level, then the nodes and the
 * relations of the answer. Nobody is authenticated, nothing is verified and nothing recorded.
 */

const edges = `select r.id, r.from_id, r.to_id from unnest($1::uuid[]) as n (id) cross join lateral (
    (select id, from_id, to_id from public.memory_relations where from_id = n.id and scope_id = any($2::uuid[]) order by id desc limit 101)
    union all
    (select id, from_id, to_id from public.memory_relations where to_id = n.id and scope_id = any($2::uuid[]) order by id desc limit 101)
  ) as r`;

interface EdgeRow {
  readonly id: string;
  readonly from_id: string;
  readonly to_id: string;
}

const step = async (client: pg.Client, ids: readonly string[], scopes: readonly string[]): Promise<EdgeRow[]> =>
  (await client.query<EdgeRow>(edges, [ids, scopes])).rows;

const load = async (client: pg.Client, nodes: Iterable<string>, relations: readonly string[]): Promise<void> => {
  await client.query('select * from public.memory_entities where id = any($1::uuid[])', [[...nodes]]);
  await client.query('select * from public.memory_relations where id = any($1::uuid[])', [relations]);
};

const scopesOf = (asker: Asker): string[] => asker.scopes.map((scope) => scope.id);

export const bareNeighbourhood = async (
  client: pg.Client,
  asker: Asker,
  { start, hops, limit }: { readonly start: string; readonly hops: number; readonly limit: number },
): Promise<void> => {
  const scopes = scopesOf(asker);
  const reached = new Set([start]);
  const relations: string[] = [];
  let frontier = [start];
  for (let at = 0; at < hops && frontier.length > 0; at += 1) {
    const fresh: string[] = [];
    for (const { id, from_id, to_id } of await step(client, frontier, scopes)) {
      for (const far of [from_id, to_id]) {
        if (reached.has(far) || reached.size >= limit) continue;
        reached.add(far);
        fresh.push(far);
      }
      relations.push(id);
    }
    frontier = fresh;
  }
  await load(client, reached, relations);
};

interface Side {
  readonly seen: Set<string>;
  frontier: readonly string[];
}

/** The far ends of a step that a side has not seen. */
const grow = async (client: pg.Client, side: Side, scopes: readonly string[]): Promise<readonly string[]> => {
  const ends = (await step(client, side.frontier, scopes)).flatMap(({ from_id, to_id }) => [from_id, to_id]);
  const fresh = [...new Set(ends)].filter((id) => !side.seen.has(id));
  for (const id of fresh) side.seen.add(id);
  side.frontier = fresh;
  return fresh;
};

export const barePath = async (client: pg.Client, asker: Asker, from: string, to: string): Promise<void> => {
  const scopes = scopesOf(asker);
  const [start, end]: [Side, Side] = [
    { seen: new Set([from]), frontier: [from] },
    { seen: new Set([to]), frontier: [to] },
  ];
  for (let hops = 0; hops < 6; hops += 1) {
    const [grown, other] = start.frontier.length <= end.frontier.length ? [start, end] : [end, start];
    const fresh = await grow(client, grown, scopes);
    if (fresh.length === 0 || fresh.some((id) => other.seen.has(id))) break;
  }
  await load(client, [from, to], []);
};

/** A search by substring among what the scopes hold, without an index on the text: what PostgreSQL offers everywhere. */
export const bareSearch = async (client: pg.Client, asker: Asker, word: string): Promise<void> => {
  const { rows } = await client.query<{ entity_id: string }>(
    `select entity_id from public.memory_observations where scope_id = any($1::uuid[]) and position($2 in search) > 0
      order by id desc limit 10`,
    [scopesOf(asker), word],
  );
  await load(
    client,
    rows.map((row) => row.entity_id),
    [],
  );
};
