import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import { type Check, found } from './finding.ts';
import { nameOf, rowsOf } from './rows.ts';

const maxNamed = 100;

const remedy =
  'Somebody changed the database outside of Keyhold. The row gives nothing any more: restore it from a backup, or remove it; find out who could write there.';

const checkTable = async (
  db: Db,
  table: SealedTableName,
  seals: Seals,
): Promise<{ count: number; broken: string[] }> => {
  const broken: string[] = [];
  let count = 0;
  for await (const rows of rowsOf(db, table)) {
    count += rows.length;
    broken.push(
      ...rows.filter((row) => !seals.isIntact(table, row as unknown as RawRow)).map((row) => nameOf(table, row)),
    );
  }
  return { count, broken };
};

/** Verifies the seal of every row of every sealed table; each one that doesn't hold is named. */
export const checkSeals = async (db: Db, seals: Seals): Promise<Check> => {
  let count = 0;
  const broken: string[] = [];
  for (const table of Object.keys(sealedTables) as SealedTableName[]) {
    const one = await checkTable(db, table, seals);
    count += one.count;
    broken.push(...one.broken);
  }
  const named = broken.slice(0, maxNamed).map((row) => ({ what: `The seal of ${row} does not hold.`, remedy }));
  const more = broken.length - named.length;
  const rest = more > 0 ? [{ what: `So it is with ${more} more rows.`, remedy }] : [];
  return found('seals', `${count} rows`, [...named, ...rest]);
};
