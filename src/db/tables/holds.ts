import type { SealedTableOf } from './sealed-table.ts';

/** A jump of the clock. Nothing that time makes due happens until an operator has looked at it. */
export interface HoldRow {
  id: string;
  noticed_at: Date;
  /** How far the clock went ahead, in seconds. */
  seconds: number;
  released_at: Date | null;
  seal: Buffer;
}

export const holds: SealedTableOf<HoldRow, never> = {
  table: 'holds',
  key: ['id'],
  sealed: { id: 'uuid', noticed_at: 'time', seconds: 'int', released_at: 'time' },
  unsealed: {},
};
