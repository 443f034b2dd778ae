import { sql } from 'kysely';
import type { Caller } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import { mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { SecretVersionRow } from '../db/tables/index.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken } from '../keys/index.ts';
import type { ChangeDetails, ChangeOptions, LockedSecret, SecretsContext } from './context.ts';
import { valueBytes } from './input.ts';
import { type SecretView, viewOf } from './view.ts';

export interface VersionView {
  readonly version: number;
  readonly created_by: string;
  readonly created_at: Date;
  readonly destroyed_at: Date | null;
  readonly current: boolean;
}

type ValueAction = 'secret.value_set' | 'secret.version_restore';

/** A secret whose value is being replaced, whatever the record calls it. */
type LockedValue = Pick<LockedSecret<ValueAction>, 'tx' | 'loaded'>;

const lastVersion = 2 ** 31 - 1;

const conflict = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

/** Puts the current value among the old versions, exactly as it lies there: it is of its own version and stays readable. */
const keepCurrent = async (context: SecretsContext, { tx, loaded: { row } }: LockedValue): Promise<void> => {
  await context.seals.insert(tx, 'secret_versions', {
    secret_id: row.id,
    version: row.version,
    encrypted_value: row.encrypted_value,
    key_id: row.key_id,
    created_by: row.owner_id,
    created_at: row.value_set_at,
    destroyed_at: null,
  });
};

/** Destroys what is older than the versions to keep. A row that isn't ours is left for the doctor to find. */
const dropOld = async (context: SecretsContext, { tx, loaded }: LockedValue, newest: number): Promise<void> => {
  const last = newest - context.versionsKept;
  const old = await context.seals.load(
    tx,
    'secret_versions',
    { secret_id: loaded.row.id, destroyed_at: null },
    { narrow: { sql: sql`version <= ${last}`, holds: (row) => row.version <= last }, lock: 'update' },
  );
  for (const version of old) {
    await context.seals.update(tx, 'secret_versions', version, {
      encrypted_value: null,
      destroyed_at: context.clock.now(),
    });
  }
};

const writeVersion = async <A extends ValueAction>(
  context: SecretsContext,
  locked: LockedSecret<A>,
  value: Buffer,
  details: (version: number) => ChangeDetails<A>,
): Promise<Outcome<SecretView>> => {
  const { row } = locked.loaded;
  if (row.version >= lastVersion)
    return await locked.refuse(new KeyholdError('state_conflict', 'This secret has used up its versions.'));
  const version = row.version + 1;
  const key = await context.ownerKeys.active(locked.tx, row.owner_id);
  await keepCurrent(context, locked);
  await dropOld(context, locked, version);
  const encrypted_value = context.ownerKeys.encrypt(key, { secretId: row.id, version }, value);
  const changes = { encrypted_value, key_id: key.id, version, value_set_at: context.clock.now() };
  return { ok: await locked.write(changes, details(version)) };
};

/** Sets a new value, as a new version. */
export const setValue = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  value: string,
  revision: Pick<ChangeOptions, 'revision'>,
): Promise<SecretView> => {
  const bytes = valueBytes('value', value);
  return context.change(caller, { id, action: 'write', as: 'secret.value_set', ...revision, value: true }, (locked) =>
    writeVersion(context, locked, bytes, (version) => ({ version })),
  );
};

/** Which secret a value is set of inside a running transaction. */
export interface ValueTarget {
  readonly id: SecretId;
  /** The name that it was found by: another secret's value is not set by mistake. */
  readonly name: string;
}

/** Sets a new value inside a running transaction; resolves to the refusal, or null. */
export const setValueIn = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  { id, name }: ValueTarget,
  value: string,
): Promise<KeyholdError | null> => {
  const bytes = valueBytes('value', value);
  const change = { id, action: 'write', as: 'secret.value_set', value: true } as const;
  const outcome = await context.changeIn(tx, caller, change, async (locked) => {
    if (locked.loaded.row.name !== name) return await locked.refuse(integrityBroken());
    return await writeVersion(context, locked, bytes, (version) => ({ version }));
  });
  return 'refused' in outcome ? outcome.refused : null;
};

/** Every version there is or was, newest first; without values, and the owner's alone. */
export const listVersions = async (context: SecretsContext, caller: Caller, id: SecretId): Promise<VersionView[]> => {
  const { loaded } = await context.look(caller, 'manage', 'secret.versions_list', id);
  const rows = await mapDbErrors(
    context.seals.load(context.db, 'secret_versions', { secret_id: id }, { orderBy: sql`version desc` }),
  );
  const { row } = loaded;
  const current = {
    version: row.version,
    created_by: row.owner_id,
    created_at: row.value_set_at,
    destroyed_at: null,
    current: true,
  };
  const old = rows.filter((one) => one.version < row.version);
  return [
    current,
    ...old.map((one) => ({
      version: one.version,
      created_by: one.created_by,
      created_at: one.created_at,
      destroyed_at: one.destroyed_at,
      current: false,
    })),
  ];
};

const openOld = async (
  context: SecretsContext,
  locked: LockedValue,
  version: SecretVersionRow,
): Promise<Buffer | null> => {
  if (version.encrypted_value === null) return null;
  const key = (await context.ownerKeys.byId(locked.tx, [version.key_id])).get(version.key_id);
  if (!key || key.owner_id !== locked.loaded.row.owner_id) return null;
  return context.ownerKeys.decrypt(
    key,
    { secretId: version.secret_id, version: version.version },
    version.encrypted_value,
  );
};

const restoreLocked = async (
  context: SecretsContext,
  locked: LockedSecret<'secret.version_restore'>,
  version: number,
): Promise<Outcome<SecretView>> => {
  const { row } = locked.loaded;
  if (row.deleted_at !== null) return await locked.refuse(conflict('This secret is deleted. Recover it first.'));
  if (version === row.version) return await locked.refuse(conflict('This version is the current one.'));
  const asked = { secret_id: row.id, version };
  const { row: found, broken } = await context.seals.find(locked.tx, 'secret_versions', asked);
  if (broken && version < row.version) return await locked.refuse(integrityBroken());
  if (!found || version > row.version) return await locked.refuse(notFound());
  if (found.destroyed_at !== null) return await locked.refuse(conflict('The value of this version was destroyed.'));
  const value = await openOld(context, locked, found);
  if (!value) return await locked.valueBroken('secret_versions');
  return await writeVersion(context, locked, value, (next) => ({ version: next, restored: version }));
};

/** Writes the value of an old version anew, as the newest version: versions only grow. Once for an idempotency key. */
export const restoreVersion = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  version: number,
  request: IdempotentRequest | null,
): Promise<SecretView> =>
  context.change(caller, { id, action: 'manage', as: 'secret.version_restore', value: true }, async (locked) => {
    let view = viewOf(locked.loaded.row, 'owner', caller.userId, locked.loaded.now);
    const made = await context.idempotency.once(locked.tx, caller, request, async () => {
      const outcome = await restoreLocked(context, locked, version);
      if ('refused' in outcome) return outcome;
      view = outcome.ok;
      return { ok: [id] };
    });
    return 'refused' in made ? made : { ok: view };
  });
