import { sql } from 'kysely';
import type { Mutate } from '../../access/index.ts';
import type { Audit, AuditAction } from '../../audit/index.ts';
import type { Caller } from '../../core/caller.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { Outcome, Tx } from '../../db/database.ts';
import { sqlState, unavailable } from '../../db/postgres-errors.ts';
import type { Idempotency, IdempotentRequest } from '../../idempotency/index.ts';
import { theGraph } from '../read.ts';
import type { Turns } from './turns.ts';

/** Between finding out what to lock and locking it, something else became the thing to lock. The write starts over. */
export class Moved extends Error {}

/** What a write is recorded as, and whose turns it waits for. */
export interface WriteKind {
  readonly action: AuditAction;
  readonly turns: readonly string[];
}

/** A creation, which may be sent twice. */
export interface Creation<T> {
  readonly request: IdempotentRequest | null;
  /** Creates, and resolves to what the answer is computed from. */
  create(tx: Tx): Promise<readonly string[]>;
  /** The answer as it is now, to the creation and to every repetition, for which access is decided afresh. */
  answer(tx: Tx, ids: readonly string[], repeated: boolean): Promise<T>;
}

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly turns: Turns;
}

export type Writing = ReturnType<typeof createWriting>;

const maxAttempts = 5;

/**
 * A lock that was not granted in time: others got it meanwhile, so that it is worth waiting again. Or a key that somebody took
 * or removed who holds no lock of the graph, such as the erasure of a user: the next attempt sees what they did.
 */
const startsOver = (error: unknown): boolean =>
  error instanceof Moved || ['55P03', '23505', '23503'].includes(sqlState(error) ?? '');

const isRefusal = (error: unknown): error is KeyholdError =>
  error instanceof KeyholdError && error.code !== 'unavailable' && error.code !== 'internal';

/** Every write of the graph runs through one of these: in its turn, by `mutate`, all or nothing, and on the record. */
export const createWriting = ({ audit, mutate, idempotency, turns }: Deps) => {
  /** Runs `work`. What it wrote before it refused is undone, and the refusal is recorded. */
  const attempt = async <T>(
    tx: Tx,
    caller: Caller,
    action: AuditAction,
    work: (tx: Tx) => Promise<T>,
  ): Promise<Outcome<T>> => {
    for (let tried = 1; ; tried += 1) {
      const ended = await undoIfFailed(tx, work);
      if ('ok' in ended) return ended;
      const { error } = ended;
      if (error instanceof KeyholdError) return await audit.refuse(tx, caller, action, { target: theGraph, error });
      if (tried === maxAttempts) throw unavailable(error);
    }
  };

  return {
    /** A change. `work` locks, decides, writes and records; it throws refusals, and must not act outside `tx`. */
    change: <T>(caller: Caller, { action, turns: keys }: WriteKind, work: (tx: Tx) => Promise<T>): Promise<T> =>
      turns.take(keys, () => mutate(caller, (tx) => attempt(tx, caller, action, work))),

    /** A creation: as `change`, once for an idempotency key. */
    create: <T>(caller: Caller, keys: readonly string[], { request, create, answer }: Creation<T>): Promise<T> =>
      turns.take(keys, () =>
        mutate(caller, async (tx): Promise<Outcome<T>> => {
          const created = await idempotency.once(tx, caller, request, () => attempt(tx, caller, 'graph.write', create));
          if ('refused' in created) return created;
          const { ids, repeated } = created.ok;
          // What was created just now can be answered; a repetition may be refused.
          if (!repeated) return { ok: await answer(tx, ids, false) };
          return await attempt(tx, caller, 'graph.write', () => answer(tx, ids, true));
        }),
      ),
  };
};

type Ended<T> = { readonly ok: T } | { readonly error: unknown };

/** Undoes what `work` wrote before it refused, or before it found that it has to start over. Throws any other failure. */
const undoIfFailed = async <T>(tx: Tx, work: (tx: Tx) => Promise<T>): Promise<Ended<T>> => {
  await sql`savepoint before_write`.execute(tx);
  try {
    const ok = await work(tx);
    await sql`release savepoint before_write`.execute(tx);
    return { ok };
  } catch (error) {
    if (!isRefusal(error) && !startsOver(error)) throw error;
    await sql`rollback to savepoint before_write`.execute(tx);
    return { error };
  }
};
