import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Tx } from '../../db/database.ts';
import { jsonOfRows } from '../../db/json-rows.ts';
import type {
  MemoryEntityRow,
  MemoryNameRow,
  MemoryObservationRow,
  MemoryRelationRow,
  MemoryUseRow,
} from '../../db/tables/index.ts';
import { fold, keysOf, textsIn } from '../text.ts';

/*
 * Inserts rows, many of them with each statement. Whoever calls has locked the scopes that the rows belong to, and those of
 * the entities that they refer to.
 */

/** A new entity, without the columns that follow from others. */
export interface EntityToPut extends Omit<MemoryEntityRow, 'scope_id' | 'search' | 'keys' | 'secret_id'> {
  readonly scope_id: string;
  readonly aliases?: readonly string[];
}

/** A new observation, without the columns that follow from others. */
export type ObservationToPut = Omit<MemoryObservationRow, 'digest' | 'search' | 'keys'>;

export const putEntities = (tx: Tx, entities: readonly EntityToPut[]): Promise<void> =>
  putRows(
    tx,
    'memory_entities',
    entities,
    ({ aliases = [], ...row }) => ({ ...row, secret_id: null, ...searchOfEntity(row.scope_id, { ...row, aliases }) }),
    (row) => row.search.length,
  );

export const putNames = (tx: Tx, names: readonly MemoryNameRow[]): Promise<void> =>
  putRows(tx, 'memory_names', names, asItIs, ({ name }) => name.length);

export const putObservations = (tx: Tx, observations: readonly ObservationToPut[]): Promise<void> =>
  putRows(
    tx,
    'memory_observations',
    observations,
    (row) => ({ ...row, digest: digestOf(row.content), ...searchText(row.scope_id, fold(row.content)) }),
    (row) => row.content.length,
  );

export const putRelations = (tx: Tx, relations: readonly MemoryRelationRow[]): Promise<void> =>
  putRows(tx, 'memory_relations', relations, asItIs, (row) => JSON.stringify(row.attributes).length);

export const putUses = (tx: Tx, uses: readonly MemoryUseRow[]): Promise<void> =>
  putRows(tx, 'memory_uses', uses, asItIs, () => 0);

/** By which equal contents are found. */
export const digestOf = (content: string): Buffer => createHash('sha256').update(content).digest();

/** The columns by which an entity is searched: its name, aliases, tags, and the values of its attributes. */
export const searchOfEntity = (
  scopeId: string,
  entity: Pick<MemoryEntityRow, 'name' | 'attributes' | 'tags'> & { readonly aliases: readonly string[] },
): Pick<MemoryEntityRow, 'search' | 'keys'> => {
  const { name, aliases, tags, attributes } = entity;
  const texts = [...(name === null ? [] : [name]), ...aliases, ...tags, ...textsIn(attributes)];
  return searchText(scopeId, texts.map(fold).join('\n'));
};

const searchText = (scopeId: string, search: string) => ({ search, keys: keysOf(scopeId, search) });

/** Small enough for each statement to end well within its timeout on a slow machine, with all its index entries. */
const maxRows = 1000;
const maxWeight = 64 * 1024;

type PutTable = 'memory_entities' | 'memory_names' | 'memory_observations' | 'memory_relations' | 'memory_uses';

/** `weigh` says about how many characters of a row are indexed or long. */
const putRows = async <T, Row extends object>(
  tx: Tx,
  table: PutTable,
  given: readonly T[],
  rowOf: (one: T) => Row,
  weigh: (row: Row) => number,
): Promise<void> => {
  let batch: Row[] = [];
  let weight = 0;
  for (const one of given) {
    const row = rowOf(one);
    if (batch.length === maxRows || weight > maxWeight) {
      await insert(tx, table, batch);
      batch = [];
      weight = 0;
    }
    batch.push(row);
    weight += weigh(row);
  }
  if (batch.length > 0) await insert(tx, table, batch);
};

const insert = async (tx: Tx, table: PutTable, rows: readonly object[]): Promise<void> => {
  const into = sql.table(`public.${table}`);
  await sql`insert into ${into} select * from json_populate_recordset(null::${into}, ${jsonOfRows(rows)}::json)`.execute(
    tx,
  );
};

const asItIs = <T>(row: T): T => row;
