import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Changes, ExpectedRevision } from './change.ts';
import type { ChangeDetails } from './change-action.ts';
import type { SecretsDue } from './due.ts';
import { type ChangeSecret, refuseUnlessFuture } from './input.ts';
import type { Loaded } from './load.ts';
import { refuseTakenName } from './names.ts';
import type { Destination, Placement } from './placement.ts';
import { activate, deactivate } from './secret.ts';
import type { SecretView } from './view.ts';

interface Deps {
  readonly changes: Changes;
  readonly seals: Seals;
  readonly placement: Placement;
  readonly due: Pick<SecretsDue, 'noteNewDates'>;
}

/** Changes of everything about a secret but its value and its sharing; its owner only. */
export const createEdits = ({ changes: { change }, seals, placement, due }: Deps) => {
  const switchTo =
    (state: () => Pick<SecretRow, 'is_active'>, as: 'secret.activate' | 'secret.deactivate') =>
    (caller: Caller, id: SecretId, expected: ExpectedRevision): Promise<SecretView> =>
      change(caller, { id, action: 'manage', as, ...expected }, async (locked) => ({
        ok: await locked.write(state(), {}),
      }));

  const deleteSoftly = (caller: Caller, id: SecretId, expected: ExpectedRevision): Promise<void> =>
    change(caller, { id, action: 'manage', as: 'secret.delete', ...expected }, async (locked) => {
      if (locked.loaded.row.deleted_at === null) await locked.write({ deleted_at: locked.loaded.now }, {});
      return { ok: undefined };
    });

  const purge = (caller: Caller, id: SecretId, expected: ExpectedRevision): Promise<void> =>
    change(caller, { id, action: 'manage', as: 'secret.purge', ...expected }, async (locked) => {
      await seals.remove(locked.tx, 'secrets', [locked.loaded.row]);
      await locked.record({});
      return { ok: undefined };
    });

  return {
    /** Changes the metadata. Throws name_taken, and invalid_request for an expiry that is not in the future. */
    update: (caller: Caller, id: SecretId, input: ChangeSecret, expected: ExpectedRevision): Promise<SecretView> =>
      change(caller, { id, action: 'write', as: 'secret.update', ...expected }, async (locked) => {
        const { row, now } = locked.loaded;
        if (movesExpiry(row, input)) refuseUnlessFuture('expires_at', input.expires_at, now);
        const taken = input.name === undefined ? null : await refuseTakenName(locked.tx, { ...row, name: input.name });
        if (taken) return await locked.refuse(taken);
        const changed = definedFields(input);
        const view = await locked.write(changed, detailsOf(changed));
        await due.noteNewDates(locked.tx, row, { ...row, ...changed }, now);
        return { ok: view };
      }),

    activate: switchTo(activate, 'secret.activate'),
    deactivate: switchTo(deactivate, 'secret.deactivate'),

    /**
     * Deletes softly: nobody can reveal the secret from now on, and its owner can recover it. Deleting twice is the same as
     * once. With `isPurge`, erases value and versions for good.
     */
    remove: (caller: Caller, id: SecretId, isPurge: boolean, expected: ExpectedRevision): Promise<void> =>
      (isPurge ? purge : deleteSoftly)(caller, id, expected),

    /** Restores a deleted secret as it was. Throws name_taken where another one took its name since. */
    recover: (caller: Caller, id: SecretId, expected: ExpectedRevision): Promise<SecretView> =>
      change(caller, { id, action: 'manage', as: 'secret.recover', ...expected }, async (locked) => {
        const { row } = locked.loaded;
        const taken = row.deleted_at === null ? null : await refuseTakenName(locked.tx, row);
        if (taken) return await locked.refuse(taken);
        return { ok: await locked.write({ deleted_at: null }, {}) };
      }),

    /** Moves a secret to its owner alone or into a session. The value stays; grantees lose access. */
    transfer: (caller: Caller, id: SecretId, to: Destination, expected: ExpectedRevision): Promise<SecretView> =>
      change(caller, { id, action: 'manage', as: 'secret.transfer', ...expected }, async (locked) => {
        const { row } = locked.loaded;
        const refusal = refuseTransfer(locked.loaded, to);
        if (refusal) return await locked.refuse(refusal);
        const place = await placement.lockPlace(locked.tx, caller, to);
        if ('refused' in place) return await locked.refuse(place.refused);
        const session_id = place.ok.session;
        const taken = await refuseTakenName(locked.tx, { ...row, session_id });
        if (taken) return await locked.refuse(taken);
        const details = { scope: to.scope, from: row.scope, ...(session_id ? { session_id } : {}) };
        return { ok: await locked.write({ scope: to.scope, session_id, shared_with: [] }, details) };
      }),
  };
};

/** The fields that were given; one left out stays as it is. */
const definedFields = (input: ChangeSecret): Partial<SecretRow> =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));

const detailsOf = (changed: Partial<SecretRow>): ChangeDetails<'secret.update'> => ({
  fields: Object.keys(changed),
  ...(changed.exposure === undefined ? {} : { exposure: changed.exposure }),
  ...(changed.expires_at === undefined ? {} : { expires_at: changed.expires_at?.toISOString() ?? null }),
});

/** An expiry that is sent back unchanged may lie in the past. */
const movesExpiry = (row: SecretRow, { expires_at }: ChangeSecret): boolean =>
  expires_at !== undefined && expires_at?.getTime() !== row.expires_at?.getTime();

/** Why nobody could move the secret there, or null. */
const refuseTransfer = ({ row }: Loaded, { scope, session }: Destination): KeyholdError | null => {
  if (scope === 'shared') return invalid('scope', 'cannot be set to shared here. Use POST …/share.');
  if (scope === 'user' && session !== null) return invalid('session_id', 'is allowed only with scope session.');
  if (row.deleted_at === null) return null;
  return new KeyholdError('state_conflict', 'This secret is deleted. Recover it first.');
};
