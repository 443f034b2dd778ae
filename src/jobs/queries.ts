import { sql } from 'kysely';
import { idsOf, type JobId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { Db, Tx } from '../db/database.ts';
import type { JobRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

const unfinished: ('queued' | 'running')[] = ['queued', 'running'];
const maxUnfinished = 100;

/** All SQL of jobs, bound to the seals that verify what it reads. */
export type JobQueries = ReturnType<typeof createQueries>;

export const createQueries = (seals: Seals) => ({
  byId: (db: Db, id: JobId): Promise<JobRow | null> => seals.loadOne(db, 'jobs', { id }),

  byIds: async (db: Db, ids: readonly JobId[]): Promise<JobRow[]> =>
    ids.length === 0 ? [] : await seals.load(db, 'jobs', { id: ids }, { orderBy: sql`id desc` }),

  lock: (tx: Tx, id: JobId): Promise<JobRow | null> => seals.loadOne(tx, 'jobs', { id }, { lock: 'update' }),

  /** Jobs that are neither done nor ended, oldest first; of one kind where it is named. */
  unfinished: (db: Db, kind?: string): Promise<JobRow[]> =>
    seals.load(db, 'jobs', kind === undefined ? { state: unfinished } : { state: unfinished, kind }, {
      orderBy: sql`id`,
      limit: maxUnfinished,
    }),

  /** Ids of one row more than the page, newest first. They only choose the rows of the page. */
  pageOfIds: async (db: Db, page: Page): Promise<JobId[]> => {
    let query = db
      .selectFrom('jobs')
      .select('id')
      .orderBy('id', 'desc')
      .limit(page.limit + 1);
    if (page.cursor !== null) query = query.where('id', '<', page.cursor as JobId);
    return idsOf((await query.execute()).map((row) => row.id));
  },
});
