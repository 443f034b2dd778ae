import { type RawBuilder, sql } from 'kysely';
import { uuidBytes, uuidFromBytes } from '../core/ids.ts';
import { defaultsOf, sealHolds, sealRow } from '../crypto/seal.ts';
import type { Tx } from '../db/database.ts';
import { jsonOfRows, type RawRow } from '../db/json-rows.ts';
import { columnNames } from '../db/tables/columns.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import { type SealKeys, verifyingKeys } from './seal-keys.ts';
import { notWritten, relation } from './write.ts';

/** What one batch found and did. */
export interface Resealed {
  /** How many rows were sealed anew. */
  readonly done: number;
  /** The rows that another key sealed and whose seals do not hold; they stay as they are. */
  readonly broken: readonly string[];
  /** The primary key of the last row that was looked at; null when there are no more. */
  readonly last: readonly string[] | null;
}

/** Tables whose rows are never sealed anew: records are append-only. */
const neverResealed: readonly SealedTableName[] = ['audit_log'];

/** The tables whose rows a new seal key seals anew, in this order. */
export const resealedTables: readonly SealedTableName[] = (Object.keys(sealedTables) as SealedTableName[]).filter(
  (table) => !neverResealed.includes(table),
);

/** The id of the key that a seal names; null for what cannot be a seal. */
export const sealKeyIdOf = (seal: unknown): string | null =>
  seal instanceof Uint8Array && seal.length === 49 ? uuidFromBytes(Buffer.from(seal.subarray(1, 17))) : null;

/** The columns that a seal covers; a value that proves itself is not read. */
const sealedColumns = (table: SealedTableName): RawBuilder<unknown> => {
  const unsealed = Object.keys(sealedTables[table].unsealed);
  return sql.join(columnNames(table, unsealed).map((column) => sql.ref(column)));
};

const keyTexts = (table: SealedTableName, row: RawRow): string[] =>
  sealedTables[table].key.map((column) => String(row[column]));

const select = (table: SealedTableName, keys: SealKeys, after: readonly string[] | null, limit: number) => {
  const key = sql.join(sealedTables[table].key.map((column) => sql.ref(column)));
  const further = after === null ? sql`` : sql`and (${key}) > (${sql.join([...after])})`;
  const newest = Buffer.from(uuidBytes(keys.sealing.id));
  return sql<RawRow>`select ${sealedColumns(table)} from ${relation(table)}
    where substring(seal from 2 for 16) <> ${newest} ${further} order by ${key} limit ${sql.lit(limit)} for update`;
};

/** Replaces seals, and nothing else of the rows. */
const writeSeals = async (tx: Tx, table: SealedTableName, rows: readonly RawRow[]): Promise<void> => {
  if (rows.length === 0) return;
  const same = sealedTables[table].key.map((name) => sql`${sql.ref(`t.${name}`)} = ${sql.ref(`r.${name}`)}`);
  const { numAffectedRows } = await sql`update ${relation(table)} as t set seal = r.seal
    from json_populate_recordset(null::${relation(table)}, ${jsonOfRows(rows)}::json) as r
    where ${sql.join(same, sql` and `)}`.execute(tx);
  if (Number(numAffectedRows) !== rows.length) throw notWritten(table);
};

/**
 * Seals the next rows of a table with the newest key, in the order of their primary key: those that another key sealed and that
 * verify under it. What verifies is what the service wrote, so nothing is sealed that somebody else put there. Columns that
 * decide nothing, `updated_at` among them, stay as they are.
 */
export const resealBatch = async (
  tx: Tx,
  keys: SealKeys,
  table: SealedTableName,
  after: readonly string[] | null,
  limit: number,
): Promise<Resealed> => {
  const spec = sealedTables[table];
  const { rows } = await select(table, keys, after, limit).execute(tx);
  const good = rows.filter((row) => sealHolds(verifyingKeys(keys, table), spec, row));
  const keyOf = (row: RawRow) => Object.fromEntries(spec.key.map((column) => [column, row[column]]));
  const sealed = good.map((row) => ({
    ...keyOf(row),
    seal: sealRow(keys.sealing, spec, { ...defaultsOf(spec), ...row }),
  }));
  await writeSeals(tx, table, sealed);
  const isGood = new Set(good);
  const replaced = new Set(keys.verifying.map(({ id }) => id));
  const broken = rows.filter((row) => !isGood.has(row) && replaced.has(sealKeyIdOf(row['seal']) ?? ''));
  const last = rows.at(-1);
  return {
    done: good.length,
    broken: broken.map((row) => keyTexts(table, row).join(' ')),
    last: last && rows.length === limit ? keyTexts(table, last) : null,
  };
};
