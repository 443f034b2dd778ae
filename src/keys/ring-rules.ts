import { KeyholdError } from '../core/errors.ts';
import type { Tx } from '../db/database.ts';
import type { HeartbeatRow, RootKeyRow } from '../db/tables/index.ts';
import { conflictWith } from './heartbeats.ts';
import type { HeldKeys } from './held-keys.ts';
import { isNotedLately } from './login-keys.ts';
import type { Seals } from './seals.ts';

export const idsOf = (keys: readonly { readonly id: string }[]): readonly string[] => keys.map(({ id }) => id);

export const noFile = (source: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `The root keys come from ${source}, which the service cannot change. Add a new key as the last one and restart every service, then make it the first one and restart them again; then run "keyhold keys rewrap".`,
  );

export const wasEdited = (file: string): KeyholdError =>
  new KeyholdError('state_conflict', `${file} was edited since it was read. Run "keyhold keys reload" first.`);

/** Refuses root keys with which this service cannot run beside every other live one. */
export const refuseConflicts = (rootKeyIds: readonly string[], others: readonly HeartbeatRow[]): void => {
  const conflicts = others.flatMap((other) => conflictWith(rootKeyIds, other) ?? []);
  if (conflicts.length > 0) throw new KeyholdError('state_conflict', `${conflicts.join(' ')} Nothing was changed.`);
};

/** Whether another service holds or prefers a root key that this one does not. */
export const isBehind = (held: HeldKeys, states: readonly RootKeyRow[], others: readonly HeartbeatRow[]): boolean => {
  const mine = new Set(idsOf(held.rootKeys));
  const isNew = states.some(({ id, state }) => state === 'current' && !mine.has(id));
  return isNew || others.some(({ root_key_ids: [primary] }) => primary !== held.rootKeys[0].id);
};

/** Notes that a root key signs, so that it is known when its last access token expires. */
export const noteSigning = async (
  tx: Tx,
  seals: Seals,
  { signing }: HeldKeys,
  states: readonly RootKeyRow[],
  now: Date,
): Promise<void> => {
  const state = states.find(({ id }) => id === signing.rootKeyId);
  if (!state || isNotedLately(state, now)) return;
  const row = await seals.loadOne(tx, 'root_keys', { id: state.id }, { lock: 'update' });
  if (row) await seals.update(tx, 'root_keys', row, { last_signed_at: now });
};
