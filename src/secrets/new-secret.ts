import type { Audit, AuditEntry } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { newId, type SecretId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { NewEvent } from '../events/index.ts';
import type { OpenOwnerKey, Unchanged, Unsealed } from '../keys/index.ts';
import type { Audience } from './audience.ts';
import { type CreateSecret, valueBytes } from './input.ts';

export type NewSecretRow = Unsealed<'secrets'>;

/** A secret to be written, and on whose behalf. */
export interface NewSecret {
  readonly caller: Caller;
  readonly row: NewSecretRow;
}

/** Makes and writes the rows of new secrets, whichever way they come. */
export interface NewSecrets {
  /** The row of a new secret of the key's owner, its value encrypted under a key of its own. */
  rowOf(key: OpenOwnerKey, input: CreateSecret, session: VerifiedSessionId | null): NewSecretRow;
  /** Writes new secrets with their records in one statement, if `unchanged` still holds; resolves to whether it did. */
  insert(db: Db, secrets: readonly NewSecret[], reason: 'owner' | 'import', unchanged?: Unchanged): Promise<boolean>;
}

interface Deps {
  readonly clock: Clock;
  readonly audit: Audit;
  readonly audience: Pick<Audience, 'created'>;
}

export const createNewSecrets = ({ clock, audit, audience }: Deps): NewSecrets => ({
  rowOf: (key, input, session) => {
    const id = newId<SecretId>();
    const now = clock.now();
    const value = valueBytes('value', input.value);
    return {
      id,
      owner_id: key.row.owner_id,
      name: input.name,
      type: input.type,
      scope: input.scope ?? 'user',
      session_id: session,
      shared_with: input.shared_with ?? [],
      encrypted_value: key.encrypt({ secretId: id, version: 1 }, value),
      description: input.description ?? null,
      tags: input.tags ?? [],
      expires_at: input.expires_at ?? null,
      is_active: true,
      metadata: input.metadata ?? {},
      created_at: now,
      updated_at: now,
      version: 1,
      key_id: key.row.id,
      exposure: input.exposure ?? 'reveal',
      rotate_after: input.rotate_after ?? null,
      deleted_at: null,
      value_set_at: now,
      revision: 1,
    };
  },

  insert: async (db, secrets, reason, unchanged) => {
    const told = await audience.created(
      db,
      secrets.map(({ row }) => row),
    );
    const records = secrets.map(({ caller, row }, at) => ({
      actor: caller,
      entry: createdEntry(row, reason, told.slice(at, at + 1)),
    }));
    return await audit.insert(db, [{ table: 'secrets', rows: secrets.map(({ row }) => row) }], records, unchanged);
  },
});

const createdEntry = (row: NewSecretRow, reason: 'owner' | 'import', tells: readonly NewEvent[]): AuditEntry => ({
  action: 'secret.create',
  target: { type: 'secret', id: row.id },
  outcome: 'allowed',
  reason,
  details: {
    revision: 1,
    version: 1,
    scope: row.scope,
    ...(row.session_id ? { session_id: row.session_id } : {}),
    shared_with: row.shared_with,
  },
  tells,
});
