import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import { type Check, type Finding, found, listed, reasonOf } from './finding.ts';
import { readRows } from './rows.ts';

/** Whether the service wrote this row as it stands. It may throw for a row that is not one of ours. */
export type IsIntact = (table: SealedTableName, row: RawRow) => boolean;

const rowRemedy =
  'The database was changed outside of Keyhold, and the row is ignored. Restore it from a backup or remove it, and find out who could write there.';

const tableRemedy = 'Restore the table from a backup, and find out who could change it.';

/** Verifies the seal of every row of every sealed table. Names each row whose seal is not valid. */
export const checkSeals = async (db: Db, isIntact: IsIntact): Promise<Check> => {
  const broken: string[] = [];
  const unreadable: Finding[] = [];
  let count = 0;
  for (const table of Object.keys(sealedTables) as SealedTableName[]) {
    try {
      await readRows(db, table, async (rows) => {
        count += rows.length;
        const notHolding = rows.filter(({ row }) => row === null || !isIntactSafely(isIntact, table, row));
        broken.push(...notHolding.map(({ name }) => `The seal of ${name} is not valid.`));
      });
    } catch (error) {
      unreadable.push({ what: `The rows of ${table} cannot be read: ${reasonOf(error)}`, remedy: tableRemedy });
    }
  }
  return found('seals', `${count} rows`, [...unreadable, ...listed(broken, rowRemedy)]);
};

const isIntactSafely = (isIntact: IsIntact, table: SealedTableName, row: RawRow): boolean => {
  try {
    return isIntact(table, row);
  } catch {
    return false;
  }
};
