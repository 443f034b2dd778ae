import { type RawBuilder, sql } from 'kysely';
import { KeyholdError } from '../core/errors.ts';
import type { RowVersion } from '../core/row-version.ts';
import { defaultsOf, kindOf, type SealedTable, sealHolds, sealRow } from '../crypto/seal.ts';
import type { Db, Tx } from '../db/database.ts';
import { jsonOfRows, type RawRow } from '../db/json-rows.ts';
import { columnNames } from '../db/tables/columns.ts';
import { type SealedTableName, sealedTables, type Tables } from '../db/tables/index.ts';
import { type Asked, conditionOf, matcherOf, type Narrowing } from './asked.ts';
import { type CurrentSealKeys, verifyingKeys } from './seal-keys.ts';
import { insertRows, notWritten, relation, type Unchanged, updateTogether } from './write.ts';

export type Unsealed<T extends SealedTableName> = Omit<Tables[T], 'seal'>;

/** New rows of one table. */
export interface Insert<T extends SealedTableName> {
  readonly table: T;
  readonly rows: readonly Unsealed<T>[];
}

export type AnyInsert = { [T in SealedTableName]: Insert<T> }[SealedTableName];

export interface LoadOptions<T extends SealedTableName> {
  /** Locks the rows until the transaction ends. */
  readonly lock?: 'update' | 'share';
  readonly narrow?: Narrowing<T>;
  readonly orderBy?: RawBuilder<unknown>;
  readonly limit?: number;
  /** Unsealed columns that are not read. */
  readonly except?: readonly (keyof Tables[T] & string)[];
}

/**
 * The one way to read and write sealed tables. A row is typed only once its seal was verified and it was compared with what
 * it was asked by; a row that fails either is reported and left out, as if it did not exist.
 */
export interface Seals {
  /** The rows that hold what is asked for. */
  load<T extends SealedTableName>(db: Db, table: T, asked: Asked<T>, options?: LoadOptions<T>): Promise<Tables[T][]>;
  /** The one row that holds what is asked for, or null; `broken` when a row that claims to be it was left out. */
  find<T extends SealedTableName>(
    db: Db,
    table: T,
    asked: Asked<T>,
    options?: LoadOptions<T>,
  ): Promise<{ readonly row: Tables[T] | null; readonly broken: boolean }>;
  /** The one row that holds what is asked for, or null. */
  loadOne<T extends SealedTableName>(
    db: Db,
    table: T,
    asked: Asked<T>,
    options?: LoadOptions<T>,
  ): Promise<Tables[T] | null>;
  /** Of rows that another statement read, those that are intact and hold what is asked for; each once. */
  verify<T extends SealedTableName>(table: T, rows: readonly RawRow[], asked: Asked<T>): Tables[T][];
  /** True when the service itself wrote this row as it stands. It says nothing about whether it is the row that was asked for. */
  isIntact(table: SealedTableName, row: RawRow): boolean;
  /** Writes one new row and resolves to it with its seal. */
  insert<T extends SealedTableName>(db: Db, table: T, row: Unsealed<T>): Promise<Tables[T]>;
  /**
   * Writes new rows of several tables in one statement, which outside of a transaction is one by itself: all of them, or none
   * where something of `unchanged` no longer holds. Resolves to whether it wrote them.
   */
  insertAll(db: Db, inserts: readonly AnyInsert[], unchanged?: Unchanged): Promise<boolean>;
  /**
   * Writes changes to a row that was loaded and locked in the same transaction. It verifies the old seal first, so that no
   * write ever seals what somebody else put there. Throws `integrity_broken` with nothing written when the seal is broken,
   * and `unavailable` when the database did not write exactly this row.
   */
  update<T extends SealedTableName>(
    tx: Tx,
    table: T,
    row: Tables[T],
    changes: Partial<Unsealed<T>>,
  ): Promise<Tables[T]>;
  /**
   * As `update`, for many rows of one table in one statement: each row with its changes. What the statement answers is compared
   * with what it was told, but nothing is read back.
   */
  updateAll<T extends SealedTableName>(
    tx: Tx,
    table: T,
    changed: readonly { readonly row: Tables[T]; readonly changes: Partial<Unsealed<T>> }[],
  ): Promise<void>;
  /** Deletes rows that were loaded and locked in the same transaction. Throws `unavailable` when other rows were deleted. */
  remove<T extends SealedTableName>(tx: Tx, table: T, rows: readonly Tables[T][]): Promise<void>;
}

export const integrityBroken = (): KeyholdError =>
  new KeyholdError(
    'integrity_broken',
    'This item was changed outside of Keyhold and is no longer used. Ask your operator to run "keyhold doctor".',
  );

const keyOf = (table: SealedTableName, row: RawRow): Record<string, string | number> =>
  Object.fromEntries(sealedTables[table].key.map((column) => [column, row[column] as string | number]));

/** The version of a row as it was verified. */
export const versionOf = <T extends SealedTableName>(table: T, row: Tables[T]): RowVersion => ({
  table,
  columns: keyOf(table, row as unknown as RawRow),
  seal: (row as { seal: Uint8Array }).seal,
});

/** As `versionOf`, with every sealed column: an edit that left the seal alone makes it another version too. */
export const exactVersionOf = <T extends SealedTableName>(table: T, row: Tables[T]): RowVersion => {
  const values = row as unknown as RawRow;
  const columns = Object.keys(sealedTables[table].sealed).map((name) => [name, values[name]]);
  return { ...versionOf(table, row), columns: Object.fromEntries(columns) };
};

/** Each row once: the first of those with the same primary key. */
const distinct = <Row extends RawRow>(table: SealedTableName, rows: readonly Row[]): readonly Row[] => {
  if (rows.length < 2) return rows;
  const columns: readonly string[] = sealedTables[table].key;
  const byKey = new Map<string, Row>();
  for (const row of rows) {
    const key = columns.map((column) => String(row[column])).join(' ');
    if (!byKey.has(key)) byKey.set(key, row);
  }
  return byKey.size === rows.length ? rows : [...byKey.values()];
};

/** The row as the driver wants it: jsonb columns as text, since `pg` would make PostgreSQL arrays of JS arrays. */
const assignments = (table: SealedTableName, row: object): RawBuilder<unknown>[] => {
  const { sealed }: SealedTable = sealedTables[table];
  return Object.entries(row).map(([name, value]) => {
    const isJson = sealed[name] !== undefined && kindOf(sealed[name]) === 'json';
    return sql`${sql.ref(name)} = ${isJson ? JSON.stringify(value) : value}`;
  });
};

const everyColumn = (table: SealedTableName, except: readonly string[] = []): RawBuilder<unknown> =>
  sql.join(columnNames(table, except).map((column) => sql.ref(column)));

/** The one row. Two that both hold what was asked for are none: an index that forbids them has been bypassed. */
const only = <Row>(rows: readonly Row[]): Row | null => (rows.length === 1 ? (rows[0] ?? null) : null);

const isSeal = (value: unknown, seal: Uint8Array): boolean =>
  value instanceof Uint8Array && Buffer.compare(value, seal) === 0;

/**
 * The keys are asked for anew for every row, so that a service which may not use them any more neither reads nor writes.
 * `onBroken` sees every row whose seal does not hold.
 */
export const createSeals = (
  keys: CurrentSealKeys,
  onBroken: (table: SealedTableName, row: object) => void = () => undefined,
): Seals => {
  const sealed = <T extends SealedTableName>(table: T, given: Unsealed<T>): Tables[T] => {
    const row = { ...defaultsOf(sealedTables[table]), ...given };
    return { ...row, seal: sealRow(keys().sealing, sealedTables[table], row) } as unknown as Tables[T];
  };

  const holds = (table: SealedTableName, row: RawRow): boolean =>
    sealHolds(verifyingKeys(keys(), table), sealedTables[table], row);

  const isIntact: Seals['isIntact'] = (table, row) => {
    const intact = holds(table, row);
    if (!intact) onBroken(table, row);
    return intact;
  };

  const verify: Seals['verify'] = (table, rows, asked) => {
    const matches = matcherOf(asked);
    const good = rows.filter((row) => matches(row) && isIntact(table, row));
    return distinct(table, good) as unknown as Tables[typeof table][];
  };

  const select = async <T extends SealedTableName>(
    db: Db,
    table: T,
    asked: Asked<T>,
    options: LoadOptions<T> = {},
  ): Promise<{ readonly rows: Tables[T][]; readonly read: number }> => {
    const { lock, narrow, orderBy, limit, except = [] } = options;
    const { rows } =
      await sql<RawRow>`select ${everyColumn(table, except)} from ${relation(table)} where ${conditionOf(table, asked)}
      ${narrow ? sql`and ${narrow.sql}` : sql``} ${orderBy ? sql`order by ${orderBy}` : sql``}
      ${limit === undefined ? sql`` : sql`limit ${sql.lit(limit)}`} ${sql.raw(lock ? `for ${lock}` : '')}`.execute(db);
    const verified = verify(table, rows, asked).filter((row) => narrow?.holds(row) ?? true);
    return { rows: verified.slice(0, limit), read: rows.length };
  };

  const load: Seals['load'] = async (db, table, asked, options) => (await select(db, table, asked, options)).rows;

  return {
    load,
    find: async (db, table, asked, options) => {
      const { rows, read } = await select(db, table, asked, options);
      return { row: only(rows), broken: rows.length !== 1 && read > 0 };
    },
    loadOne: async (db, table, asked, options) => only(await load(db, table, asked, options)),
    verify,
    isIntact,
    insert: async (db, table, row) => {
      const whole = sealed(table, row);
      await insertRows(db, [{ table, rows: [whole] }]);
      return whole;
    },
    insertAll: async (db, inserts, unchanged) => {
      const whole = inserts.map(({ table, rows }) => ({ table, rows: rows.map((row) => sealed(table, row as never)) }));
      const written = await insertRows(db, whole, unchanged);
      // A service that was stopped in between may have sealed with a key that is no longer accepted: nothing is acknowledged.
      keys();
      return written;
    },
    update: async (tx, table, row, changes) => {
      if (!isIntact(table, row as unknown as RawRow)) throw integrityBroken();
      const { seal: old, ...rest } = row as Tables[SealedTableName];
      const whole = sealed(table, { ...rest, ...changes } as unknown as Unsealed<typeof table>);
      const { seal } = whole as Tables[SealedTableName];
      const key = conditionOf(table, keyOf(table, row as unknown as RawRow));
      const { rows } = await sql<RawRow>`update ${relation(table)}
        set ${sql.join(assignments(table, { ...changes, seal }))} where ${key} and seal = ${old} returning seal`.execute(
        tx,
      );
      if (rows.length !== 1 || !isSeal(rows[0]?.['seal'], seal)) throw notWritten(table);
      // Read back by a statement of its own: a trigger may have changed the row once more.
      const found = await sql<RawRow>`select ${everyColumn(table)} from ${relation(table)} where ${key}`.execute(tx);
      const [read] = found.rows;
      if (!read || !isSeal(read['seal'], seal) || !holds(table, read)) throw notWritten(table);
      return whole;
    },
    updateAll: async (tx, table, changed) => {
      if (changed.length === 0) return;
      const whole = changed.map(({ row, changes }) => {
        if (!isIntact(table, row as unknown as RawRow)) throw integrityBroken();
        const { seal: _old, ...rest } = row as Tables[SealedTableName];
        return sealed(table, { ...rest, ...changes } as unknown as Unsealed<typeof table>) as unknown as RawRow;
      });
      const columns = [...new Set(changed.flatMap(({ changes }) => Object.keys(changes)))];
      await updateTogether(tx, table, columns, whole);
    },
    remove: async (tx, table, rows) => {
      if (rows.length === 0) return;
      const same = sealedTables[table].key.map((name) => sql`${sql.ref(`t.${name}`)} = ${sql.ref(`r.${name}`)}`);
      const { numAffectedRows } = await sql`delete from ${relation(table)} as t
        using json_populate_recordset(null::${relation(table)}, ${jsonOfRows(rows)}::json) as r
        where ${sql.join(same, sql` and `)}`.execute(tx);
      if (Number(numAffectedRows) !== rows.length) throw notWritten(table);
    },
  };
};
