import { type Audit, createAudit } from '../audit/index.ts';
import type { RootKeys } from '../config/root-keys.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { Tx } from '../db/database.ts';
import { createSeals, inspectServiceKeys, type SealKeys, type Seals } from '../keys/index.ts';

/** A database that was restored, in the transaction that changes it. */
export interface Restored {
  readonly tx: Tx;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly sealKeys: SealKeys;
  readonly lookupKey: Uint8Array;
  readonly audit: Audit;
}

/** Opens the keys of a database whose schema is this version's. Throws `state_conflict` where the root keys do not open them. */
export const openRestored = async (
  tx: Tx,
  { clock, rootKeys }: { readonly clock: Clock; readonly rootKeys: RootKeys },
): Promise<Restored> => {
  const { sealKeys, lookupKeys, problems } = await inspectServiceKeys(tx, rootKeys.keys);
  const [lookup] = lookupKeys;
  if (sealKeys === null || lookup === undefined || problems.length > 0)
    throw new KeyholdError('state_conflict', problems.join(' '));
  const seals = createSeals(() => sealKeys);
  const audit = createAudit({ clock, seals, onRecord: () => undefined });
  return { tx, clock, seals, sealKeys, lookupKey: lookup.key, audit };
};
