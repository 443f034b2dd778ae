import type { Clock } from '../core/clock.ts';
import { databaseNow } from '../db/checks.ts';
import type { Tx } from '../db/database.ts';
import type { SealedTableName } from '../db/tables/index.ts';
import { type JobKind, jobKind, type StepOutcome } from '../jobs/index.ts';
import {
  type KeyRing,
  liveServices,
  lockKeys,
  promoteSealKey,
  resealBatch,
  resealedTables,
  retireSealKeys,
  type Seals,
} from '../keys/index.ts';
import { aboutHowMany } from './row-counts.ts';

/** How far a rotation of the seal key is. */
type Cursor =
  /** Until every live service verifies with the new key, and then seals with it. */
  | { readonly phase: 'announced' }
  /** Rows are sealed anew, table by table; the second pass finds what services sealed with the old key until then. */
  | {
      readonly phase: 'first' | 'second';
      readonly table: number;
      readonly after: readonly string[] | null;
      readonly failed: number;
    }
  | { readonly phase: 'waiting' };

type Params = { readonly generation: number };

interface Deps {
  readonly clock: Clock;
  readonly keys: KeyRing;
  readonly seals: Seals;
  /** For how long a statement that was sealed before may still be under way, in milliseconds. */
  readonly stragglerMs: number;
}

const batchSize = 200;
const waitSeconds = 2;

const waiting = (cursor: Cursor): StepOutcome<Cursor> => ({ next: 'wait', cursor, seconds: waitSeconds });

const passFrom = (phase: 'first' | 'second'): Cursor => ({ phase, table: 0, after: null, failed: 0 });

/**
 * Replaces the seal key. A new key is announced; once every live service verifies with it, it seals; then rows that verify are
 * sealed anew. When nothing can be sealed with older keys any more, a second look makes sure that nothing is, and they
 * are retired: from then on they verify audit records only. Rows that do not verify are counted, and keep the older keys.
 */
export const createReseal = ({ clock, keys, seals, stragglerMs }: Deps): JobKind => {
  const sealingGeneration = (): number => {
    const { sealKeys, sealGenerations } = keys.held();
    return sealGenerations.find(({ id }) => id === sealKeys.sealing.id)?.generation ?? 0;
  };

  const live = async (tx: Tx) => await liveServices(tx, seals, await databaseNow(tx));

  const promote = async (tx: Tx, generation: number): Promise<StepOutcome<Cursor>> => {
    await lockKeys(tx);
    const services = await live(tx);
    if (services.some(({ known_generation: known }) => known < generation)) return waiting({ phase: 'announced' });
    await promoteSealKey(tx, generation, clock.now());
    return { next: 'step', total: await aboutHowMany(tx, resealedTables), cursor: passFrom('first') };
  };

  /** True once this service seals with the new key: the rows that it seals anew must not need another turn. */
  const isReady = async (generation: number): Promise<boolean> => {
    if (sealingGeneration() >= generation) return true;
    await keys.beat();
    return sealingGeneration() >= generation;
  };

  const pass = async (tx: Tx, cursor: Extract<Cursor, { table: number }>): Promise<StepOutcome<Cursor>> => {
    const table: SealedTableName | undefined = resealedTables[cursor.table];
    if (table === undefined) return await endPass(tx, cursor);
    const { done, broken, last } = await resealBatch(tx, keys.held().sealKeys, table, cursor.after, batchSize);
    const failed = cursor.failed + broken.length;
    const next = last === null ? { table: cursor.table + 1, after: null } : { table: cursor.table, after: last };
    return { next: 'step', done, cursor: { ...cursor, ...next, failed } };
  };

  const endPass = async (
    tx: Tx,
    { phase, failed }: Extract<Cursor, { table: number }>,
  ): Promise<StepOutcome<Cursor>> => {
    if (phase === 'first') return { next: 'step', cursor: { phase: 'waiting' } };
    if (failed > 0) return { next: 'finish', failed };
    await lockKeys(tx);
    await retireSealKeys(tx, clock, keys.held());
    return { next: 'finish' };
  };

  /** Waits until no statement can be under way that was sealed with an older key. */
  const wait = async (tx: Tx, generation: number): Promise<StepOutcome<Cursor>> => {
    const services = await live(tx);
    const { promoted_at: promoted = null } =
      keys.held().sealGenerations.find((one) => one.generation === generation) ?? {};
    const isOver = promoted !== null && clock.now().getTime() - promoted.getTime() >= stragglerMs;
    const allSeal = services.every(({ sealing_generation: sealing }) => sealing >= generation);
    return isOver && allSeal ? { next: 'step', cursor: passFrom('second') } : waiting({ phase: 'waiting' });
  };

  return jobKind<Params, Cursor>({
    step: async (tx, { params: { generation }, cursor }) => {
      const at: Cursor = cursor ?? { phase: 'announced' };
      if (at.phase === 'announced') return await promote(tx, generation);
      if (!(await isReady(generation))) return waiting(at);
      // A later rotation seals everything with its own key, and retires this one's with the rest.
      if (sealingGeneration() > generation) return { next: 'finish' };
      return at.phase === 'waiting' ? await wait(tx, generation) : await pass(tx, at);
    },
  });
};
