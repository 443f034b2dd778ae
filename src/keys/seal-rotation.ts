import type { Clock } from '../core/clock.ts';
import type { Tx } from '../db/database.ts';
import { unavailable } from '../db/postgres-errors.ts';
import type { HeldKeys } from './held-keys.ts';
import { readServiceKeys } from './prove.ts';
import type { RootKey } from './root-key.ts';
import { newServiceKey, openServiceKeys, type ServiceKey, writeServiceKey } from './service-keys.ts';

const sealKeysIn = async (tx: Tx, rootKeys: readonly RootKey[], source: string): Promise<readonly ServiceKey[]> =>
  (await openServiceKeys(await readServiceKeys(tx), rootKeys, source)).filter(({ purpose }) => purpose === 'seal');

/**
 * Makes a new seal key that verifies but does not seal yet, in a transaction that holds `lockKeys`. One that was announced before
 * and not promoted is used again.
 */
export const announceSealKey = async (
  tx: Tx,
  clock: Clock,
  { rootKeys, configured }: HeldKeys,
): Promise<Pick<ServiceKey, 'id' | 'generation'>> => {
  const keys = await sealKeysIn(tx, rootKeys, configured.source);
  const announced = keys.find(({ state }) => state === 'announced');
  if (announced) return announced;
  const generation = Math.max(...keys.map((key) => key.generation)) + 1;
  const key = newServiceKey(clock, { purpose: 'seal', generation, state: 'announced' });
  await writeServiceKey(tx, clock, rootKeys, key);
  return key;
};

/** Has the key of this generation seal from now on, in a transaction that holds `lockKeys`. */
export const promoteSealKey = async (tx: Tx, generation: number, now: Date): Promise<void> => {
  await tx
    .updateTable('service_keys')
    .set({ state: 'active', promoted_at: now })
    .where('purpose', '=', 'seal')
    .where('generation', '=', generation)
    .where('state', '=', 'announced')
    .execute();
};

/**
 * Retires the seal keys before the one that seals, in a transaction that holds `lockKeys`: they are wrapped anew as retired ones,
 * and verify audit records only. Copies under root keys that this service does not hold are removed; services that hold these
 * make them again.
 */
export const retireSealKeys = async (
  tx: Tx,
  clock: Clock,
  { rootKeys, configured, sealKeys }: HeldKeys,
): Promise<readonly string[]> => {
  const keys = await sealKeysIn(tx, rootKeys, configured.source);
  const newest = keys.find(({ id }) => id === sealKeys.sealing.id);
  if (!newest) throw unavailable(new Error('the seal key that seals is not stored'));
  const older = keys.filter(({ state, generation }) => state === 'active' && generation < newest.generation);
  for (const key of older) {
    await tx.deleteFrom('service_keys').where('id', '=', key.id).execute();
    await writeServiceKey(tx, clock, rootKeys, { ...key, state: 'retired' });
  }
  return older.map(({ id }) => id);
};

/** Removes a root key's copies of the service's keys, in a transaction that holds `lockKeys`. */
export const removeCopies = async (tx: Tx, rootKeyId: string): Promise<void> => {
  await tx.deleteFrom('service_keys').where('root_key_id', '=', rootKeyId).execute();
};
