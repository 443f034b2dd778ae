import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { Outcome } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { SecretVersionRow } from '../db/tables/index.ts';
import { integrityBroken, type OwnerKeys, type Seals } from '../keys/index.ts';
import type { LockedSecret } from './change.ts';
import type { ChangeDetails } from './change-action.ts';
import type { SecretView } from './view.ts';

export type ValueAction = 'secret.value_set' | 'secret.version_restore';

/** A secret whose value is being replaced, whatever the record calls it. */
export type LockedValue = Pick<LockedSecret<ValueAction>, 'tx' | 'loaded'>;

export interface VersionWriterDeps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
  /** How many versions of a value are kept, the current one included. */
  readonly versionsKept: number;
}

const maxVersion = 2 ** 31 - 1;

/** Writes a value as the newest version of a locked secret, which keeps the old one and destroys what is too old. */
export const createVersionWriter = ({ clock, seals, ownerKeys, versionsKept }: VersionWriterDeps) => {
  /** Puts the current value among the old versions exactly as it is: it belongs to its own version and stays readable. */
  const keepCurrent = async ({ tx, loaded: { row } }: LockedValue): Promise<void> => {
    const kept = seals.insert(tx, 'secret_versions', {
      secret_id: row.id,
      version: row.version,
      encrypted_value: row.encrypted_value,
      key_id: row.key_id,
      created_by: row.owner_id,
      created_at: row.value_set_at,
      destroyed_at: null,
    });
    await kept.catch((error: unknown) => {
      // Somebody else wrote a row of this version.
      throw violatedIndex(error) === undefined ? error : integrityBroken();
    });
  };

  /** Destroys values older than the versions to keep. A broken row is left for the doctor to find. */
  const destroyOld = async ({ tx, loaded }: LockedValue, newest: number): Promise<void> => {
    const last = newest - versionsKept;
    const asked = { secret_id: loaded.row.id, destroyed_at: null };
    const narrow = { sql: sql`version <= ${last}`, holds: (row: SecretVersionRow) => row.version <= last };
    for (const row of await seals.load(tx, 'secret_versions', asked, { narrow, lock: 'update' })) {
      await seals.update(tx, 'secret_versions', row, { encrypted_value: null, destroyed_at: clock.now() });
    }
  };

  return async <A extends ValueAction>(
    locked: LockedSecret<A>,
    value: Buffer,
    details: (version: number) => ChangeDetails<A>,
  ): Promise<Outcome<SecretView>> => {
    const { row } = locked.loaded;
    if (row.version >= maxVersion) {
      return await locked.refuse(new KeyholdError('state_conflict', 'This secret has used up its versions.'));
    }
    const version = row.version + 1;
    const key = await ownerKeys.active(locked.tx, row.owner_id);
    await keepCurrent(locked);
    await destroyOld(locked, version);
    const encrypted_value = key.encrypt({ secretId: row.id, version }, value);
    const written = { encrypted_value, key_id: key.row.id, version, value_set_at: clock.now() };
    return { ok: await locked.write(written, details(version)) };
  };
};
