import type { EventRowId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { EventRow } from '../db/tables/index.ts';
import { type Notices, wholeViewer } from '../notices/index.ts';

/** What users are told of events, as it is decided when they are told. */
export interface Telling {
  /** What the users of these rows are told, with names; a row is left out when its user may not be told any more. */
  describe(db: Db, rows: readonly EventRow[]): Promise<ReadonlyMap<EventRowId, object>>;
  /** Whether the user of this row may still be told. */
  mayTell(db: Db, row: EventRow): Promise<boolean>;
}

type Deps = Pick<Notices, 'tell' | 'show' | 'mayTell'>;

/** Tells webhooks what their owners see in the list of notices. */
export const createTelling = ({ tell, show, mayTell }: Deps): Telling => ({
  describe: async (db, rows) => {
    const asked = rows.flatMap((row) => (row.user_id === null ? [] : [{ row, viewer: wholeViewer(row.user_id) }]));
    const told = (await tell(db, asked)).filter((one) => one !== null);
    const views = await show(db, told);
    return new Map(
      views.flatMap(({ id: _id, type: _type, at: _at, ...data }, at) => {
        const row = told[at]?.row;
        return row === undefined ? [] : [[row.id, data] as const];
      }),
    );
  },
  mayTell,
});
