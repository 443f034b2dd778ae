import type { Clock } from '../core/clock.ts';
import { hourMs } from '../core/durations.ts';
import type { UserId } from '../core/ids.ts';
import { createNews } from '../core/news.ts';
import type { Db } from '../db/database.ts';
import { type SealedTableName, sealedTables } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import { type Audit, systemActor } from './record.ts';

/** A row that was read and is not as the service wrote it. */
interface BrokenRow {
  readonly table: SealedTableName;
  readonly key: string;
}

export interface IntegrityWatch {
  /** Records a broken row, at most once a minute. */
  note(table: SealedTableName, row: object): void;
  /** Sets where the records go, once the audit log exists, and who is told. */
  recordTo(db: Db, audit: Audit, administrators: () => Promise<readonly UserId[]>): void;
}

const quietMs = 60_000;
/** Administrators are told of the first broken row of a table; the records have the others. */
const quietForAdministratorsMs = hourMs;

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
 * a minute. Administrators are told of each table once an hour.
 */
export const createIntegrityWatch = (clock: Clock): IntegrityWatch => {
  const recorded = createNews(clock, quietMs);
  const told = createNews(clock, quietForAdministratorsMs);
  let sink: ((broken: BrokenRow) => Promise<void>) | null = null;

  return {
    note: (table, row) => {
      const key = keyOf(table, row);
      const name = `${table} ${key}`;
      if (recordedElsewhere.has(table) || sink === null || !recorded.isNews(name)) return;
      // If this cannot be recorded now, the next read of the row tries again.
      sink({ table, key }).catch(() => recorded.forget(name));
    },
    recordTo: (db, audit, administrators) => {
      const tellsOf = async ({ table, key }: BrokenRow): Promise<readonly NewEvent[]> => {
        if (!told.isNews(table)) return [];
        return [{ type: 'integrity.broken', to: await administrators(), details: { table, key } }];
      };
      sink = async (broken) => {
        const details = { table: broken.table, key: broken.key };
        const entry = { action: 'row.integrity_broken', outcome: 'failed', reason: 'seal', details } as const;
        await audit.recordAlone(db, systemActor('integrity'), { ...entry, tells: await tellsOf(broken) });
      };
    },
  };
};
