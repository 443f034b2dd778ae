import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import { type Db, inSnapshot, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { Reading } from './operations.ts';
import type { Sight, Sights } from './sight.ts';

/** One reading of the graph: a snapshot, who sees what in it, and which scopes the answer draws on. */
export interface View {
  readonly tx: Db;
  readonly sight: Sight;
  /** The moment at which facts must hold; null for facts of every time. */
  readonly moment: Date | null;
  /** Notes that the answer holds facts of these scopes, whose presence is verified before it is sent. */
  draw(scopeIds: Iterable<string | null>): void;
}

/** What is recorded of a read. */
export interface ReadKind<T> {
  readonly operation: string;
  /** `ever` where ended facts are shown unless the request says `as_of`. */
  readonly facts: 'now' | 'ever';
  /** How many things the answer holds. */
  readonly count: (answer: T) => number;
}

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly sights: Sights;
}

export type Read = ReturnType<typeof createRead>;

/**
 * Runs a read in one snapshot. The rows that let the caller see the scopes of the answer are verified before it is recorded
 * and sent. If one of them was forged, the answer is computed again without its scope.
 */
export const createRead = ({ db, audit, sights }: Deps) => {
  const attempt = async <T>(
    tx: Tx,
    caller: Caller,
    { reading, facts }: { readonly reading: Reading; readonly facts: 'now' | 'ever' },
    work: (view: View) => Promise<T>,
  ): Promise<{ readonly answer: T; readonly sight: Sight }> => {
    const excluded = new Set<string>();
    for (;;) {
      const sight = await sights.open(tx, caller, reading, excluded);
      const used = new Set<string>();
      const view: View = {
        tx,
        sight,
        moment: reading.asOf ?? (facts === 'now' ? sight.now : null),
        draw: (ids) => {
          for (const id of ids) if (id !== null) used.add(id);
        },
      };
      const answer = await work(view);
      const forged = await sights.forged(tx, sight, used);
      if (forged.length === 0) return { answer, sight };
      for (const id of forged) excluded.add(id);
    }
  };

  return async <T>(
    caller: Caller,
    reading: Reading,
    kind: ReadKind<T>,
    work: (view: View) => Promise<T>,
  ): Promise<T> => {
    const { operation, facts, count } = kind;
    const outcome = await inSnapshot(db, async (tx): Promise<Outcome<T>> => {
      try {
        const { answer, sight } = await attempt(tx, caller, { reading, facts }, work);
        const details = { operation, mode: sight.mode, count: count(answer) };
        await audit.allow(tx, caller, 'graph.read', { target: theGraph, details });
        return { ok: answer };
      } catch (error) {
        if (!(error instanceof KeyholdError) || !isRefusal(error)) throw error;
        await audit.record(tx, caller, {
          action: 'graph.read',
          target: theGraph,
          outcome: 'refused',
          reason: error.code,
        });
        return refusedWith(error);
      }
    });
    if ('refused' in outcome) throw outcome.refused;
    return outcome.ok;
  };
};

export const theGraph = { type: 'graph', id: null } as const;

/** Failures of the database are no refusals, and the transaction could not record one. */
const isRefusal = (error: KeyholdError): boolean => error.code !== 'unavailable' && error.code !== 'internal';
