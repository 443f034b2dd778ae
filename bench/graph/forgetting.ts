import type pg from 'pg';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { startWorld, type World } from '../world.ts';
import { signIn } from './world.ts';

const facts = 10_000;

/** Entities with one observation each, and a relation from each to the one before: as many facts as are named above. */
const linesOf = (): string => {
  const count = Math.ceil(facts / 3);
  const lines = Array.from({ length: count }, (_, at) => {
    const entity = {
      type: 'entity',
      name: `thing ${at}`,
      entityType: 'thing',
      observations: [`is the thing number ${at}`],
    };
    const relation = {
      type: 'relation',
      from: `thing ${at}`,
      to: `thing ${Math.max(0, at - 1)}`,
      relationType: 'after',
    };
    return `${JSON.stringify(entity)}\n${JSON.stringify(relation)}\n`;
  });
  return lines.join('');
};

const importInto = async (world: World, token: string, text: string): Promise<void> => {
  const response = await fetch(`${world.service.url}/api/v1/graph/import?format=jsonl`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/jsonl' },
    body: text,
  });
  if (!response.ok) throw new Error(`import: ${response.status} ${await response.text()}`);
};

/** The same rows deleted by somebody who knows that nothing else refers to them. */
const deleteBare = async (client: pg.Client, userId: string): Promise<void> => {
  const scope = 'scope_id = (select id from public.memory_scopes where user_id = $1)';
  await client.query('begin');
  for (const table of ['memory_relations', 'memory_observations', 'memory_names', 'memory_entities'])
    await client.query(`delete from public.${table} where ${scope}`, [userId]);
  await client.query('commit');
};

/** Forgetting everything of somebody, beside the same deletions in bare SQL. */
export const forgetting = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const { id, token } = await signIn(world, 'forgetful');
  const client = await world.connect();
  const text = linesOf();
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    await importInto(world, token, text);
    const begun = performance.now();
    await work();
    return performance.now() - begun;
  };
  try {
    const measured = await alternate(options, {
      'forgetting, ms': () => timed(() => world.call('DELETE', '/graph/me', { token })),
      'bare SQL, ms': () => timed(() => deleteBare(client, id)),
    });
    return [
      {
        target: 'P7',
        what: `forgetting ${facts} facts`,
        unit: 'ms',
        ours: figure(measured['forgetting, ms']),
        baseline: { what: 'bare SQL', unit: 'ms', figure: figure(measured['bare SQL, ms']) },
        reached: median(measured['forgetting, ms']) / median(measured['bare SQL, ms']),
        bound: { is: 'at most', value: 2, unit: '×' },
      },
    ];
  } finally {
    await client.end();
  }
};
