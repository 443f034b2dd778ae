import type { RootKeys } from '../config/root-keys.ts';
import { KeyholdError } from '../core/errors.ts';
import { defaultsOf, sealHolds } from '../crypto/seal.ts';
import type { RawRow } from '../db/json-rows.ts';
import { type OwnerKeyRow, type SealedTableName, type ServiceKeyRow, sealedTables } from '../db/tables/index.ts';
import { inspectServiceKeyRows, opensOwnerKey, type SealKeys, verifyingKeys } from '../keys/index.ts';
import type { CatalogueTable } from './catalogue.ts';
import { createRowReader } from './copy-text.ts';

/** Looks at rows while they are written or read. */
export interface Inspector {
  /** Returns what is to be told of each row of the table. Where it returns a promise, the next row has to wait for it. */
  table(table: Pick<CatalogueTable, 'name' | 'columns'>): (line: Uint8Array) => Promise<void> | undefined;
  /** To be called after the last row of each table. Rejects with `state_conflict` when no root key opens the service's keys. */
  endOfTable(name: string): Promise<void>;
  /** How many rows of each table Keyhold did not write as they stand; tables without any are left out. */
  readonly broken: Readonly<Record<string, number>>;
  /** Names of the first hundred of them. */
  readonly brokenNames: readonly string[];
}

const maxNames = 100;

const isSealed = (name: string): name is SealedTableName => Object.hasOwn(sealedTables, name);

/**
 * Verifies the seal of every row, and opens every key with the root keys. The table `service_keys` has to come first. A backup
 * of an earlier version lacks later columns, whose defaults its rows are given when they are restored.
 */
export const createInspector = (rootKeys: RootKeys): Inspector => {
  const serviceKeys: ServiceKeyRow[] = [];
  let sealKeys: SealKeys | null = null;
  const broken: Record<string, number> = {};
  const brokenNames: string[] = [];

  const isIntact = (table: SealedTableName, row: RawRow): boolean =>
    sealKeys !== null &&
    sealHolds(verifyingKeys(sealKeys, table), sealedTables[table], { ...defaultsOf(sealedTables[table]), ...row });

  const note = (table: SealedTableName, row: RawRow | null): void => {
    broken[table] = (broken[table] ?? 0) + 1;
    if (brokenNames.length >= maxNames) return;
    const key = sealedTables[table].key.map((column) => String(row?.[column] ?? '?')).join(' ');
    brokenNames.push(`${table} ${key}`.slice(0, 200));
  };

  const openOwnerKey = async (row: RawRow): Promise<void> => {
    try {
      // Of a user who is being erased: there is nothing left to open.
      if (row['state'] === 'destroyed') return;
      if (await opensOwnerKey(rootKeys.keys, row as unknown as OwnerKeyRow)) return;
    } catch {
      // Noted as one that does not open.
    }
    note('owner_keys', row);
  };

  const readSafely = (read: () => RawRow | null): RawRow | null => {
    try {
      return read();
    } catch {
      return null;
    }
  };

  return {
    table: ({ name, columns }) => {
      const read = createRowReader(columns);
      if (name === 'service_keys')
        return (line) => {
          const row = read(line);
          if (row !== null) serviceKeys.push(row as unknown as ServiceKeyRow);
          return undefined;
        };
      if (!isSealed(name)) return () => undefined;
      return (line) => {
        const row = readSafely(() => read(line));
        if (row !== null && isIntact(name, row)) return name === 'owner_keys' ? openOwnerKey(row) : undefined;
        note(name, row);
        return undefined;
      };
    },
    endOfTable: async (name) => {
      if (name !== 'service_keys') return;
      const found = await inspectServiceKeyRows(serviceKeys, rootKeys.keys);
      if (found.problems.length > 0) throw new KeyholdError('state_conflict', found.problems.join(' '));
      sealKeys = found.sealKeys;
    },
    broken,
    brokenNames,
  };
};
