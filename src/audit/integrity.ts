import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import { type Audit, systemActor } from './record.ts';

/** A row that was read and is not as the service wrote it. */
interface BrokenRow {
  readonly table: SealedTableName;
  readonly key: string;
}

export interface IntegrityWatch {
  /** Records a broken row, at most once a minute. */
  note(table: SealedTableName, row: object): void;
  /** Sets where the records go, once the audit log exists. */
  recordTo(db: Db, audit: Audit): void;
}

const quietMs = 60_000;
const maxRows = 10_000;

/** The secrets domain records its own broken rows, with the caller, in the transaction that read them. */
const recordedElsewhere: ReadonlySet<SealedTableName> = new Set(['secrets']);

/** A broken row can hold anything, also what has no text. */
const shown = (value: unknown): string => (['string', 'number'].includes(typeof value) ? String(value) : '?');

const keyOf = (table: SealedTableName, row: object): string => {
  const columns = row as Readonly<Record<string, unknown>>;
  return sealedTables[table].key
    .map((column) => shown(columns[column]))
    .join(' ')
    .slice(0, 512);
};

/**
 * Records every broken seal, wherever a decision depended on the row. A row that is read a thousand times makes one record
 * a minute.
 */
export const createIntegrityWatch = (clock: Clock): IntegrityWatch => {
  const lastSeen = new Map<string, number>();
  let sink: ((broken: BrokenRow) => Promise<void>) | null = null;

  const isNews = (name: string): boolean => {
    const now = clock.now().getTime();
    if (now - (lastSeen.get(name) ?? Number.NEGATIVE_INFINITY) < quietMs) return false;
    if (lastSeen.size >= maxRows) lastSeen.clear();
    lastSeen.set(name, now);
    return true;
  };

  return {
    note: (table, row) => {
      const key = keyOf(table, row);
      const name = `${table} ${key}`;
      if (recordedElsewhere.has(table) || sink === null || !isNews(name)) return;
      // If this cannot be recorded now, the next read of the row tries again.
      sink({ table, key }).catch(() => lastSeen.delete(name));
    },
    recordTo: (db, audit) => {
      sink = ({ table, key }) =>
        audit.recordAlone(db, systemActor('integrity'), {
          action: 'row.integrity_broken',
          outcome: 'failed',
          reason: 'seal',
          details: { table, key },
        });
    },
  };
};
