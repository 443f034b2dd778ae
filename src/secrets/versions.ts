import { sql } from 'kysely';
import type { Caller } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { SecretId, VerifiedSessionId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { SecretRow, SecretVersionRow } from '../db/tables/index.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken } from '../keys/index.ts';
import type { Changes, ExpectedRevision, LockedSecret } from './change.ts';
import { valueBytes } from './input.ts';
import type { LookAt } from './look.ts';
import { createVersionWriter, type LockedValue, type VersionWriterDeps } from './version-writer.ts';
import { type SecretView, viewOf } from './view.ts';

export interface VersionView {
  readonly version: number;
  readonly created_by: string;
  readonly created_at: Date;
  readonly destroyed_at: Date | null;
  readonly current: boolean;
}

/** A value for a secret that an import found by its name. */
export interface NewValue {
  readonly id: SecretId;
  /** The name and place that the secret was found by: no other secret's value is set by mistake. */
  readonly name: string;
  readonly session: VerifiedSessionId | null;
  readonly value: string;
}

interface Deps extends VersionWriterDeps {
  readonly db: Db;
  readonly idempotency: Idempotency;
  readonly changes: Changes;
  readonly lookAt: LookAt;
}

export const createVersions = (deps: Deps) => {
  const { db, seals, ownerKeys, idempotency, changes, lookAt } = deps;
  const writeVersion = createVersionWriter(deps);

  const decryptOld = async (locked: LockedValue, row: SecretVersionRow): Promise<Buffer | null> => {
    if (row.encrypted_value === null) return null;
    const key = (await ownerKeys.byId(locked.tx, [row.key_id])).get(row.key_id);
    if (!key || key.row.owner_id !== locked.loaded.row.owner_id) return null;
    return key.decrypt({ secretId: row.secret_id, version: row.version }, row.encrypted_value);
  };

  const restoreLocked = async (
    locked: LockedSecret<'secret.version_restore'>,
    version: number,
  ): Promise<Outcome<SecretView>> => {
    const { row } = locked.loaded;
    const refusal = refuseRestore(row, version);
    if (refusal) return await locked.refuse(refusal);
    const { row: old, broken } = await seals.find(locked.tx, 'secret_versions', { secret_id: row.id, version });
    if (!old) return await locked.refuse(broken ? integrityBroken() : notFound());
    if (old.destroyed_at !== null) return await locked.refuse(conflict('The value of this version was destroyed.'));
    const value = await decryptOld(locked, old);
    if (!value) return await locked.valueBroken('secret_versions');
    return await writeVersion(locked, value, (next) => ({ version: next, restored: version }));
  };

  return {
    /** Sets a new value as a new version. */
    setValue: (caller: Caller, id: SecretId, value: string, expected: ExpectedRevision): Promise<SecretView> => {
      const bytes = valueBytes('value', value);
      const change = { id, action: 'write', as: 'secret.value_set', value: true, ...expected } as const;
      return changes.change(caller, change, (locked) => writeVersion(locked, bytes, (version) => ({ version })));
    },

    /** Sets a new value inside a running transaction; resolves to the refusal, or null. */
    setValueIn: async (
      tx: Tx,
      caller: Caller,
      { id, name, session, value }: NewValue,
    ): Promise<KeyholdError | null> => {
      const bytes = valueBytes('value', value);
      const change = { id, action: 'write', as: 'secret.value_set', value: true } as const;
      const outcome = await changes.changeIn(tx, caller, change, async (locked) => {
        const { row } = locked.loaded;
        const isAsked = row.name === name && row.session_id === session && row.deleted_at === null;
        if (!isAsked || row.owner_id !== caller.userId) return await locked.refuse(integrityBroken());
        return await writeVersion(locked, bytes, (version) => ({ version }));
      });
      return 'refused' in outcome ? outcome.refused : null;
    },

    /** Every version that exists or existed, newest first, without values. The owner only. */
    versions: async (caller: Caller, id: SecretId): Promise<VersionView[]> => {
      const { row } = (await lookAt(caller, 'manage', 'secret.versions_list', id)).loaded;
      const order = { orderBy: sql`version desc` };
      const rows = await mapDbErrors(seals.load(db, 'secret_versions', { secret_id: id }, order));
      const { version, owner_id: created_by, value_set_at: created_at } = row;
      const old = rows.filter((one) => one.version < version).map(versionView);
      return [{ version, created_by, created_at, destroyed_at: null, current: true }, ...old];
    },

    /** Writes the value of an old version as the newest one: versions only grow. Once for an idempotency key. */
    restore: (
      caller: Caller,
      id: SecretId,
      version: number,
      request: IdempotentRequest | null,
    ): Promise<SecretView> => {
      const change = { id, action: 'manage', as: 'secret.version_restore', value: true } as const;
      return changes.change(caller, change, async (locked) => {
        let view = viewOf(locked.loaded.row, 'owner', caller.userId, locked.loaded.now);
        const made = await idempotency.once(locked.tx, caller, request, async () => {
          const outcome = await restoreLocked(locked, version);
          if ('refused' in outcome) return outcome;
          view = outcome.ok;
          return { ok: [id] };
        });
        return 'refused' in made ? made : { ok: view };
      });
    },
  };
};

export type Versions = ReturnType<typeof createVersions>;

const conflict = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

/** Why this version of the secret cannot be restored whatever it holds, or null. */
const refuseRestore = (row: SecretRow, version: number): KeyholdError | null => {
  if (row.deleted_at !== null) return conflict('This secret is deleted. Recover it first.');
  if (version === row.version) return conflict('This version is the current one.');
  return version > row.version ? notFound() : null;
};

const versionView = ({ version, created_by, created_at, destroyed_at }: SecretVersionRow): VersionView => ({
  version,
  created_by,
  created_at,
  destroyed_at,
  current: false,
});
