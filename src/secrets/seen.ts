import type { Subject } from '../access/index.ts';
import type { SecretId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { Load } from './load.ts';

/** A secret that somebody may list, with who: one of `listedBy` for each subject, in their order. */
export interface SeenSecret {
  readonly row: Omit<SecretRow, 'encrypted_value'>;
  readonly listedBy: readonly boolean[];
}

interface Deps {
  readonly load: Pick<Load, 'evaluateAll'>;
}

/**
 * Asks the rule who of several subjects may list these secrets, on verified rows of one moment. Nothing is recorded: the
 * caller records the read of which this is a part. A secret that none of them may list is left out, and so is a broken one.
 */
export const createSeen =
  ({ load }: Deps) =>
  async (
    db: Db,
    subjects: readonly Subject[],
    ids: readonly SecretId[],
  ): Promise<ReadonlyMap<SecretId, SeenSecret>> => {
    const questions = ids.flatMap((id) => subjects.map((caller) => ({ caller, action: 'list' as const, id })));
    const evaluations = await load.evaluateAll(db, questions);
    const seen = new Map<SecretId, SeenSecret>();
    for (const [at, id] of ids.entries()) {
      const own = evaluations.slice(at * subjects.length, (at + 1) * subjects.length);
      const allowed = own.find((one) => one.kind === 'allowed');
      if (allowed?.kind !== 'allowed') continue;
      seen.set(id, { row: allowed.loaded.row, listedBy: own.map((one) => one.kind === 'allowed') });
    }
    return seen;
  };
