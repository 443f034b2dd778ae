import { type Kysely, sql } from 'kysely';
import { KeyholdError } from '../core/errors.ts';
import { fitsFormat, formatOf, sealHolds, sealRow } from '../crypto/seal.ts';
import { jsonOfRows, type RawRow } from '../db/json-rows.ts';
import type { SealFormats } from '../db/migrations/index.ts';
import { scanRows } from '../db/scan.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import { type SealKeys, verifyingKeys } from './seal-keys.ts';
import { notWritten, relation } from './write.ts';

type AnyDb = Kysely<unknown>;

const countThatWouldLose = async (db: AnyDb, table: SealedTableName, format: number): Promise<number> => {
  let count = 0;
  for await (const rows of scanRows(db, table)) {
    count += rows.filter((row) => !fitsFormat(sealedTables[table], row, format)).length;
  }
  return count;
};

const writeSeals = async (db: AnyDb, table: SealedTableName, rows: readonly RawRow[]): Promise<void> => {
  if (rows.length === 0) return;
  const same = sealedTables[table].key.map((name) => sql`${sql.ref(`t.${name}`)} = ${sql.ref(`r.${name}`)}`);
  const { numAffectedRows } = await sql`update ${relation(table)} as t set seal = r.seal
    from json_populate_recordset(null::${relation(table)}, ${jsonOfRows(rows)}::json) as r
    where ${sql.join(same, sql` and `)}`.execute(db);
  if (Number(numAffectedRows) !== rows.length) throw notWritten(table);
};

/** Runs `work` while the table's triggers are off: records are append-only, and their content stays as it is. */
const withoutTriggers = async (db: AnyDb, table: SealedTableName, work: () => Promise<void>): Promise<void> => {
  const { rows } = await sql<{ name: string; enabled: string }>`select tgname as name, tgenabled::text as enabled
    from pg_catalog.pg_trigger where tgrelid = ${`public.${table}`}::regclass and not tgisinternal`.execute(db);
  const modes: Readonly<Record<string, string>> = {
    O: 'enable',
    D: 'disable',
    R: 'enable replica',
    A: 'enable always',
  };
  const set = (mode: string, name: string) =>
    sql`alter table ${relation(table)} ${sql.raw(mode)} trigger ${sql.id(name)}`.execute(db);
  for (const { name } of rows) await set('disable', name);
  await work();
  for (const { name, enabled } of rows) await set(modes[enabled] ?? 'enable', name);
};

/** Reads the keys that verify and seal. It is called only where there are rows to seal. */
export type ReadSealKeys = () => Promise<SealKeys>;

const resealTable = (db: AnyDb, readKeys: ReadSealKeys, table: SealedTableName, format: number): Promise<void> =>
  withoutTriggers(db, table, async () => {
    const columns = sealedTables[table];
    for await (const rows of scanRows(db, table)) {
      const keys = await readKeys();
      const newer = rows.filter(
        (row) => (formatOf(row['seal']) ?? 0) > format && sealHolds(verifyingKeys(keys, table), columns, row),
      );
      const key = (row: RawRow) => Object.fromEntries(columns.key.map((column) => [column, row[column]]));
      const resealed = newer.map((row) => ({ ...key(row), seal: sealRow(keys.sealing, columns, row, format) }));
      await writeSeals(db, table, resealed);
    }
  });

const wouldLose = (lost: readonly string[]): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `Taking this migration back would lose what its columns hold: ${lost.join(', ')}. Clear these columns first, or stay on this version. Nothing was changed.`,
  );

/**
 * For taking back a migration that added sealed columns, in its transaction: seals each row whose seal verifies and whose
 * new columns hold their defaults in the format before, so that an older Keyhold finds it intact. Broken rows stay broken. Throws
 * `state_conflict`, with the count for each table, where a row holds anything else in a new column. It locks the tables
 * until the transaction ends, so that nothing is written between count and seal.
 */
export const sealInOlderFormat = async (db: AnyDb, readKeys: ReadSealKeys, formats: SealFormats): Promise<void> => {
  const tables = Object.entries(formats) as [SealedTableName, number][];
  const lost: string[] = [];
  for (const [table] of tables) await sql`lock table ${relation(table)} in access exclusive mode`.execute(db);
  for (const [table, format] of tables) {
    const count = await countThatWouldLose(db, table, format - 1);
    if (count > 0) lost.push(`${table} (${count} ${count === 1 ? 'row' : 'rows'})`);
  }
  if (lost.length > 0) throw wouldLose(lost);
  for (const [table, format] of tables) await resealTable(db, readKeys, table, format - 1);
};
