import { type SealedTableName, sealedTables } from './index.ts';

/** Every column of a sealed table, its seal included, except those that are named. */
export const columnNames = (table: SealedTableName, except: readonly string[] = []): string[] =>
  [...Object.keys(sealedTables[table].sealed), ...Object.keys(sealedTables[table].unsealed), 'seal'].filter(
    (column) => !except.includes(column),
  );
