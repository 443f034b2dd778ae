import type { ColumnKind, LaterColumn, SealedTable, UnsealedColumn } from '../../crypto/seal.ts';

type Columns<Row, Unsealed extends keyof Row> = Record<Exclude<keyof Row, Unsealed | 'seal'>, ColumnKind | LaterColumn>;

/** A sealed table whose lists together name every column of `Row`; a column in neither does not compile. */
export interface SealedTableOf<Row, Unsealed extends keyof Row & string> extends SealedTable {
  readonly sealed: Columns<Row, Unsealed>;
  readonly unsealed: Record<Unsealed, UnsealedColumn>;
  /** The columns of the primary key. */
  readonly key: readonly (keyof Row & string)[];
}
