import type { Caller } from '../core/caller.ts';
import type { SecretId, UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { OwnerKeys } from '../keys/index.ts';
import { type NamesInUse, type PlannedItem, placeKey } from './import-plan.ts';
import type { CreateSecret } from './input.ts';
import type { NewSecrets } from './new-secret.ts';
import { namesInPlace } from './queries.ts';

/** The parts that every import shares: into the caller's own secrets and, by the operator, into another user's. */
export interface ImportWriter {
  /** The names that the owner uses already in the places of these items. */
  namesInUse(
    tx: Tx,
    ownerId: UserId,
    items: readonly CreateSecret[],
    sessions: readonly (VerifiedSessionId | null)[],
  ): Promise<NamesInUse>;
  /** Writes the items that are to be created, with their records; resolves to their ids by index. */
  insertPlanned(tx: Tx, caller: Caller, ownerId: UserId, plan: readonly PlannedItem[]): Promise<Map<number, SecretId>>;
}

interface Deps {
  readonly ownerKeys: OwnerKeys;
  readonly newSecrets: NewSecrets;
}

const batchSize = 200;

export const createImportWriter = ({ ownerKeys, newSecrets }: Deps): ImportWriter => ({
  namesInUse: async (tx, ownerId, items, sessions) => {
    const inUse = new Map<string, Map<string, SecretId | null>>();
    for (const session of new Set(sessions)) {
      const names = items.filter((_, index) => sessions[index] === session).map((item) => item.name);
      // Renaming also needs the names that continue one of these with a number.
      inUse.set(placeKey(session), await namesInPlace(tx, ownerId, session, names, true));
    }
    return inUse;
  },

  insertPlanned: async (tx, caller, ownerId, plan) => {
    const key = await ownerKeys.active(tx, ownerId);
    const ids = new Map<number, SecretId>();
    const isNew = ({ outcome }: PlannedItem): boolean => outcome === 'created' || outcome === 'renamed';
    const planned = plan.filter(isNew);
    // Values are encrypted batch by batch, so that other requests are served between two of them.
    for (let at = 0; at < planned.length; at += batchSize) {
      const batch = planned.slice(at, at + batchSize).map(({ index, input, name, session }) => {
        const row = newSecrets.rowOf(key, { ...input, name }, session);
        ids.set(index, row.id);
        return { caller, row };
      });
      await newSecrets.insert(tx, batch, 'import');
    }
    return ids;
  },
});
