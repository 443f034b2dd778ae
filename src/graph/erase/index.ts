import { sql } from 'kysely';
import type { Mutate } from '../../access/index.ts';
import type { Audit } from '../../audit/index.ts';
import type { Caller } from '../../core/caller.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { UserId } from '../../core/ids.ts';
import type { Purge } from '../../core/purge.ts';
import type { Db, Tx } from '../../db/database.ts';
import type { MemoryReceipt } from '../operations.ts';
import { theGraph } from '../read.ts';
import { isConfined } from '../sight.ts';
import { type Counts, noCounts, steps } from './steps.ts';

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
}

/** Rows that one statement of a request works on, which stays far below the time that a statement may take. */
const maxRows = 5000;

/**
 * Has the deletions that follow a deleted entity by foreign keys use indexes. PostgreSQL keeps the plan of such a deletion
 * for the connection, and one that was made while a table was small reads the whole table for each entity.
 */
const planByIndexes = async (tx: Tx): Promise<void> => {
  await sql`set local enable_seqscan = off`.execute(tx);
  await sql`discard plans`.execute(tx);
};

/** Locks every scope in which the user has facts, as each write does, by ascending id. */
const lockScopes = async (tx: Tx, userId: UserId): Promise<void> => {
  await sql`select id from public.memory_scopes where user_id = ${userId}
    or id in (select scope_id from public.memory_entities where author_id = ${userId})
    or id in (select scope_id from public.memory_observations where author_id = ${userId})
    or id in (select scope_id from public.memory_relations where author_id = ${userId})
    order by id for update`.execute(tx);
};

export const createForgetting = ({ audit, mutate }: Deps) => ({
  /**
   * Forgets the caller's own scope and what they or their agents recorded in any session, all in one transaction. What
   * others remembered in their own scopes and in sessions stays. Throws `permission_missing` for a token that is bound to a
   * session and lacks graph:own.
   */
  forgetMe: (caller: Caller): Promise<MemoryReceipt> =>
    mutate(caller, async (tx) => {
      if (isConfined(caller)) {
        const error = new KeyholdError(
          'permission_missing',
          'This token is bound to a session. Forgetting everything needs a login or the permission graph:own.',
        );
        return await audit.refuse(tx, caller, 'graph.forget', { target: theGraph, error });
      }
      const { userId } = caller;
      await lockScopes(tx, userId);
      await planByIndexes(tx);
      const counts = noCounts();
      for (const step of steps) while ((await step(tx, counts, userId, maxRows)) === maxRows);
      await sql`delete from public.memory_scopes where user_id = ${userId}`.execute(tx);
      const { entities, observations, relations } = counts;
      const details = { entities: entities + counts.anonymised, observations, relations };
      await audit.allow(tx, caller, 'graph.forget', { target: theGraph, details });
      return { ok: counts };
    }),
});

/** What an erased user leaves in the memory graph. */
export const memoryErasing = {
  /** Deletes what an erased user remembered, and what others remembered of them as a node. */
  purge: (async (tx, userId, { after, limit }) => {
    const at = Number(after ?? 0);
    const step = steps[at];
    if (step === undefined) return await purgeNode(tx, userId);
    if (at === 0) await lockScopes(tx, userId);
    await planByIndexes(tx);
    const counts = noCounts();
    const rows = await step(tx, counts, userId, limit);
    return { rows, counts: { memories: memoriesOf(counts) }, after: String(rows < limit ? at + 1 : at) };
  }) as Purge<Tx, UserId>,

  /** How many facts of the user an erasure would delete. */
  count: async (db: Db, userId: UserId): Promise<number> => {
    const { rows } = await sql<{ facts: number }>`with s as (select id from public.memory_scopes
        where user_id = ${userId})
      select (select count(*) from public.memory_entities where author_id = ${userId}
          or scope_id = (select id from s))
        + (select count(*) from public.memory_observations where author_id = ${userId}
          or scope_id = (select id from s))
        + (select count(*) from public.memory_relations where author_id = ${userId}
          or scope_id = (select id from s)) as facts`.execute(db);
    return rows[0]?.facts ?? 0;
  },
};

const memoriesOf = ({ entities, observations, relations, anonymised }: Counts): number =>
  entities + observations + relations + anonymised;

const purgeNode = async (tx: Tx, userId: UserId) => {
  await sql`delete from public.memory_entities where id = ${userId} and scope_id is null`.execute(tx);
  await sql`delete from public.memory_scopes where user_id = ${userId}`.execute(tx);
  return { rows: 0, counts: {}, after: null };
};
