import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import { sealKeyIdOf } from '../keys/index.ts';
import { type Check, type Finding, found, listed, reasonOf } from './finding.ts';
import { readRows } from './rows.ts';

/** Whether the service wrote this row as it stands. It may throw for a row that is not one of ours. */
export type IsIntact = (table: SealedTableName, row: RawRow) => boolean;

const rowRemedy =
  'The database was changed outside of Keyhold, and the row is ignored. Restore it from a backup or remove it, and find out who could write there.';

const tableRemedy = 'Restore the table from a backup, and find out who could change it.';

/** What is counted of rows that the newest seal key did not seal. */
interface Older {
  /** They are sealed anew by a rotation of the seal key. */
  rows: number;
  /** They stay as they are, and keep the retired keys. */
  records: number;
}

const seenOf = (count: number, { rows, records }: Older): string =>
  [
    `${count} rows`,
    ...(rows === 0 ? [] : [`${rows} of them sealed by an older seal key`]),
    ...(records === 0 ? [] : [`${records} records sealed by older seal keys`]),
  ].join(', ');

/**
 * Verifies the seal of every row of every sealed table. Names each row whose seal is not valid, and counts those that an older
 * seal key sealed.
 */
export const checkSeals = async (db: Db, isIntact: IsIntact, newestKey: string): Promise<Check> => {
  const older: Older = { rows: 0, records: 0 };
  const broken: string[] = [];
  const unreadable: Finding[] = [];
  let count = 0;
  for (const table of Object.keys(sealedTables) as SealedTableName[]) {
    try {
      await readRows(db, table, async (rows) => {
        count += rows.length;
        const others = rows.filter(({ row }) => isOlder(row, newestKey)).length;
        older[table === 'audit_log' ? 'records' : 'rows'] += others;
        const notHolding = rows.filter(({ row }) => row === null || !isIntactSafely(isIntact, table, row));
        broken.push(...notHolding.map(({ name }) => `The seal of ${name} is not valid.`));
      });
    } catch (error) {
      unreadable.push({ what: `The rows of ${table} cannot be read: ${reasonOf(error)}`, remedy: tableRemedy });
    }
  }
  return found('seals', seenOf(count, older), [...unreadable, ...listed(broken, rowRemedy)]);
};

const isOlder = (row: RawRow | null, newestKey: string): boolean => {
  const key = sealKeyIdOf(row?.['seal']);
  return key !== null && key !== newestKey;
};

const isIntactSafely = (isIntact: IsIntact, table: SealedTableName, row: RawRow): boolean => {
  try {
    return isIntact(table, row);
  } catch {
    return false;
  }
};
