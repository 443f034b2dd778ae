import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { replanEachTime } from '../src/db/pool.ts';

/** A statement as it was sent. */
export interface Sent {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Collects what this process asks its database while `work` goes on. */
export const statementsOf = async (work: () => Promise<unknown>): Promise<Sent[]> => {
  const sent: Sent[] = [];
  const original = pg.Client.prototype.query;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [query] = args as [Partial<Sent> | string];
    if (typeof query === 'object' && typeof query.text === 'string') {
      sent.push({ text: query.text, values: query.values ?? [] });
    }
    return Reflect.apply(original, this, args);
  } as typeof original;
  try {
    await work();
  } finally {
    pg.Client.prototype.query = original;
  }
  return sent;
};

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Node[];
}

/** How many rows of a table a statement looked at, and in which way. */
export interface Looked {
  readonly table: string;
  readonly by: string;
  readonly rows: number;
}

const looks = (node: Node): Looked[] => {
  const rows = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
  const own =
    node['Relation Name'] === undefined ? [] : [{ table: node['Relation Name'], by: node['Node Type'], rows }];
  return [...own, ...(node.Plans ?? []).flatMap(looks)];
};

const isRead = ({ text }: Sent): boolean =>
  /^\s*(select|with|\()/i.test(text.replace(replanEachTime, '')) && !/^\s*select pg_/i.test(text);

/** Plans for any values are made of statements that the service prepares. */
const isPlannedSo = (mode: string, { text }: Sent): boolean =>
  mode === 'force_custom_plan' || !text.includes(replanEachTime);

/** A value as the text that PostgreSQL reads it from. */
const textOf = (value: unknown): string => {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return `{${value.map((item) => JSON.stringify(String(item))).join(',')}}`;
  return String(value);
};

type Rows = readonly Record<string, unknown>[];

const rowsIn = (value: unknown): Rows | null => {
  if (typeof value !== 'string' || !value.startsWith('[{')) return null;
  return JSON.parse(value) as Rows;
};

/** Rows that a statement writes, under new ids and names: the ones that it was sent with are there already. */
const renewed = (value: unknown): unknown => {
  const rows = rowsIn(value);
  if (rows === null) return value;
  return JSON.stringify(
    rows.map((row) => ({
      ...row,
      ...('id' in row ? { id: randomUUID() } : {}),
      ...('name' in row ? { name: randomUUID() } : {}),
    })),
  );
};

const literal = (value: unknown): string =>
  value === null || value === undefined ? 'null' : pg.escapeLiteral(textOf(value));

/**
 * What each read of `sent`, and each write with a condition, looks at, by the plan for its values and by the one for any values, which prepared statements
 * come to. Each is prepared and run for that, in a transaction that is rolled back.
 */
export const plansOf = async (
  client: pg.Client,
  sent: readonly Sent[],
): Promise<{ readonly text: string; readonly looked: readonly Looked[] }[]> => {
  const plans: { text: string; looked: Looked[] }[] = [];
  const distinct = [...new Map(sent.filter(isRead).map((one) => [one.text, one])).values()];
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    await client.query(`begin; set local plan_cache_mode = ${mode}`);
    for (const { text, values } of distinct.filter((one) => isPlannedSo(mode, one))) {
      await client.query(`prepare looked_at as ${text}`);
      const given = values.length === 0 ? '' : `(${values.map(renewed).map(literal).join(', ')})`;
      const { rows } = await client.query(`explain (analyze, format json) execute looked_at${given}`);
      plans.push({ text: `${mode}: ${text}`, looked: looks(rows[0]['QUERY PLAN'][0].Plan) });
      await client.query('deallocate looked_at');
    }
    await client.query('rollback');
  }
  return plans;
};
