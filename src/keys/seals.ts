import { type RawBuilder, sql, type UpdateObject } from 'kysely';
import { KeyholdError } from '../core/errors.ts';
import { type ColumnKind, kindOf, type LaterColumn, type SealKey, sealHolds, sealRow } from '../crypto/seal.ts';
import type { Db, Tx } from '../db/database.ts';
import { jsonOfRows } from '../db/json-rows.ts';
import { type SealedTableName, sealedTables, type Tables } from '../db/tables/index.ts';

export type Unsealed<T extends SealedTableName> = Omit<Tables[T], 'seal'>;

export interface Seals {
  /** True when the service itself wrote this row as it stands. Asked wherever the row decides anything. */
  holds<T extends SealedTableName>(table: T, row: Tables[T]): boolean;
  /** Writes a new row with its seal. */
  insert<T extends SealedTableName>(tx: Tx, table: T, row: Unsealed<T>): Promise<Tables[T]>;
  /** Writes new rows in one statement, which outside of a transaction is one by itself. */
  insertAll<T extends SealedTableName>(db: Db, table: T, rows: readonly Unsealed<T>[]): Promise<void>;
  /**
   * Writes new secrets and what tells of each, in one statement which outside of a transaction is one by itself. A secret
   * is left out where `condition` does not hold for it (its columns are those of `secrets`), or where there is one of its
   * id or name already; what tells of it is then not written either. Resolves to the ids of those that were written.
   */
  insertWithRecords(
    db: Db,
    secrets: readonly Unsealed<'secrets'>[],
    records: readonly Unsealed<'audit_log'>[],
    condition: RawBuilder<boolean>,
  ): Promise<ReadonlySet<string>>;
  /**
   * Writes changes to a row that was read, locked, in the same transaction. The old seal is verified first: no write
   * ever seals what somebody else put there. Throws `integrity_broken` otherwise, with nothing written.
   */
  update<T extends SealedTableName>(
    tx: Tx,
    table: T,
    row: Tables[T],
    changes: Partial<Unsealed<T>>,
  ): Promise<Tables[T]>;
}

export const integrityBroken = (): KeyholdError =>
  new KeyholdError(
    'integrity_broken',
    'This record was changed outside of Keyhold and is not used any more. Tell your operator: "keyhold doctor" names it.',
  );

/** The row as the driver wants it: jsonb columns as text, since `pg` would make PostgreSQL arrays of JS arrays. */
const columns = (table: SealedTableName, row: object): Record<string, unknown> => {
  const sealed: Readonly<Record<string, ColumnKind | LaterColumn>> = sealedTables[table].sealed;
  const isJson = (name: string): boolean => sealed[name] !== undefined && kindOf(sealed[name]) === 'json';
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, isJson(name) ? JSON.stringify(value) : value]),
  );
};

/** The seals over rows: the first key seals, all verify. `onBroken` sees every row whose seal does not hold. */
export const createSeals = (
  keys: readonly [SealKey, ...SealKey[]],
  onBroken: (table: SealedTableName, row: object) => void = () => undefined,
): Seals => {
  const sealed = <T extends SealedTableName>(table: T, row: Unsealed<T>): Tables[T] =>
    ({ ...row, seal: sealRow(keys[0], sealedTables[table], row) }) as unknown as Tables[T];

  const insertAll = async <T extends SealedTableName>(db: Db, table: T, rows: readonly Tables[T][]): Promise<void> => {
    const name = sql.table(table);
    await sql`insert into ${name} select * from json_populate_recordset(null::${name}, ${jsonOfRows(rows)}::json)`.execute(
      db,
    );
  };

  const holds = <T extends SealedTableName>(table: T, row: Tables[T]): boolean => {
    const intact = sealHolds(keys, sealedTables[table], row as unknown as Record<string, unknown>);
    if (!intact) onBroken(table, row);
    return intact;
  };

  return {
    holds,
    insert: async (tx, table, row) => {
      const whole = sealed(table, row);
      await insertAll(tx, table, [whole]);
      return whole;
    },
    insertAll: async (db, table, rows) => {
      if (rows.length === 0) return;
      const whole = rows.map((row) => sealed(table, row));
      await insertAll(db, table, whole);
    },
    insertWithRecords: async (db, secrets, records, condition) => {
      const { rows } = await sql<{ target_id: string }>`
        with made as (
          insert into secrets
          select * from json_populate_recordset(null::secrets, ${jsonOfRows(secrets.map((row) => sealed('secrets', row)))}::json) as secrets
          where ${condition} on conflict do nothing returning id)
        insert into audit_log
        select * from json_populate_recordset(null::audit_log, ${jsonOfRows(records.map((row) => sealed('audit_log', row)))}::json)
        where target_id in (select id from made) returning target_id`.execute(db);
      return new Set(rows.map((row) => row.target_id));
    },
    update: async (tx, table, row, changes) => {
      if (!holds(table, row)) throw integrityBroken();
      const { seal: _old, ...rest } = row as Tables[SealedTableName];
      const whole = sealed(table, { ...rest, ...changes } as unknown as Unsealed<typeof table>);
      const set = columns(table, { ...changes, seal: (whole as Tables[SealedTableName]).seal });
      let query = tx.updateTable<SealedTableName>(table).set(set as UpdateObject<Tables, SealedTableName>);
      for (const key of sealedTables[table].key) {
        query = query.where(key as never, '=', (row as unknown as Record<string, unknown>)[key] as never);
      }
      await query.execute();
      return whole;
    },
  };
};
