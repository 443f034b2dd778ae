import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { ChangeOptions, SecretsContext } from './context.ts';
import { holdPlace } from './create.ts';
import { type ChangeSecret, refuseUnlessFuture } from './input.ts';
import type { Loaded } from './load.ts';
import { activate, deactivate } from './secret.ts';
import type { SecretView } from './view.ts';

type Revision = Pick<ChangeOptions, 'revision'>;

const given = (change: ChangeSecret): Partial<SecretRow> =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));

/** Changes what is known about a secret; the value has a way of its own. */
export const updateSecret = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  change: ChangeSecret,
  revision: Revision,
): Promise<SecretView> =>
  context.change(caller, { id, action: 'write', as: 'secret.update', ...revision }, async (locked) => {
    const { row, now } = locked.loaded;
    const changes = given(change);
    if (change.expires_at !== undefined && change.expires_at?.getTime() !== row.expires_at?.getTime())
      refuseUnlessFuture('expires_at', change.expires_at, now);
    const taken = change.name === undefined ? null : await context.nameTaken(locked.tx, { ...row, name: change.name });
    if (taken) return await locked.refuse(taken);
    return { ok: await locked.write(changes, { fields: Object.keys(changes) }) };
  });

const switchTo =
  (state: () => Pick<SecretRow, 'is_active'>, as: 'secret.activate' | 'secret.deactivate') =>
  (context: SecretsContext, caller: Caller, id: SecretId, revision: Revision): Promise<SecretView> =>
    context.change(caller, { id, action: 'manage', as, ...revision }, async (locked) => ({
      ok: await locked.write(state(), {}),
    }));

export const activateSecret = switchTo(activate, 'secret.activate');
export const deactivateSecret = switchTo(deactivate, 'secret.deactivate');

/** Deletes softly: nobody reveals it from now on, and the owner can recover it. Deleting twice is the same as once. */
export const deleteSoftly = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  revision: Revision,
): Promise<void> =>
  context.change(caller, { id, action: 'manage', as: 'secret.delete', ...revision }, async (locked) => {
    if (locked.loaded.row.deleted_at === null) await locked.write({ deleted_at: locked.loaded.now }, {});
    return { ok: undefined };
  });

/** Erases value and versions for good. */
export const purge = (context: SecretsContext, caller: Caller, id: SecretId, revision: Revision): Promise<void> =>
  context.change(caller, { id, action: 'manage', as: 'secret.purge', ...revision }, async (locked) => {
    await context.seals.remove(locked.tx, 'secrets', [locked.loaded.row]);
    await locked.record({});
    return { ok: undefined };
  });

/** Brings a deleted secret back as it was, unless its name was taken since. */
export const recoverSecret = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  revision: Revision,
): Promise<SecretView> =>
  context.change(caller, { id, action: 'manage', as: 'secret.recover', ...revision }, async (locked) => {
    const taken = locked.loaded.row.deleted_at === null ? null : await context.nameTaken(locked.tx, locked.loaded.row);
    if (taken) return await locked.refuse(taken);
    return { ok: await locked.write({ deleted_at: null }, {}) };
  });

/** Where a secret is to go: a scope, and for scope session the session's name. */
export interface Destination {
  readonly scope: SecretRow['scope'];
  readonly session: string | null;
}

/** Why a secret cannot be moved so, whoever asks, or null. */
const refuseMove = (loaded: Loaded, { scope, session }: Destination): KeyholdError | null => {
  if (scope === 'shared') return invalid('scope', 'shared is reached by sharing: POST …/share.');
  if (scope === 'user' && session !== null) return invalid('session_id', 'goes with scope session only.');
  if (loaded.row.deleted_at === null) return null;
  return new KeyholdError('state_conflict', 'This secret is deleted. Recover it first.');
};

/** Moves a secret to its owner alone or into a session. The value stays; whoever it was shared with loses it. */
export const transferSecret = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  to: Destination,
  revision: Revision,
): Promise<SecretView> =>
  context.change(caller, { id, action: 'manage', as: 'secret.transfer', ...revision }, async (locked) => {
    const refusal = refuseMove(locked.loaded, to);
    if (refusal) return await locked.refuse(refusal);
    const place = await holdPlace(context, locked.tx, caller, to.scope, to.session);
    if ('refused' in place) return await locked.refuse(place.refused);
    const { row } = locked.loaded;
    const session_id = place.ok.session;
    const taken = await context.nameTaken(locked.tx, { ...row, session_id });
    if (taken) return await locked.refuse(taken);
    const details = { scope: to.scope, from: row.scope, ...(session_id ? { session_id } : {}) };
    return { ok: await locked.write({ scope: to.scope, session_id, shared_with: [] }, details) };
  });
