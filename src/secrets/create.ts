import { mayPlace } from '../access/index.ts';
import type { AuditEntry } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { invalid, KeyholdError, sessionNotJoined } from '../core/errors.ts';
import { newId, type SecretId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import { type Db, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { OwnerKeyRow, SecretRow } from '../db/tables/index.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import type { Unchanged } from '../keys/index.ts';
import { orNameTaken, type SecretsContext } from './context.ts';
import { type CreateSecret, checkPlacement, refuseUnlessFuture, valueBytes } from './input.ts';

/** Where a new secret goes: the session it enters, verified and held, or null. */
export type Place = { readonly session: VerifiedSessionId | null };

const outOfReach = (): KeyholdError =>
  new KeyholdError(
    'permission_missing',
    'A token bound to a session keeps secrets in that session only; it lacks secrets:own.',
  );

/** Verifies and holds the session that a creation or transfer names. A missing session never matches anything. */
export const holdPlace = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  scope: SecretRow['scope'],
  name: string | null | undefined,
): Promise<Outcome<Place>> => {
  if (scope !== 'session') return mayPlace(caller, scope, null) ? { ok: { session: null } } : refusedWith(outOfReach());
  const named = name ?? caller.session;
  if (named === null) return refusedWith(invalid('session_id', 'is needed for scope session.'));
  const session = await context.sessions.hold(tx, caller.userId, named);
  if (session === null) return refusedWith(sessionNotJoined());
  return mayPlace(caller, scope, session) ? { ok: { session } } : refusedWith(outOfReach());
};

export type NewSecretRow = Omit<SecretRow, 'seal'>;

/** The row of a new secret of the key's owner, its value encrypted under a key of its own. */
export const newSecretRow = (
  context: SecretsContext,
  key: OwnerKeyRow,
  input: CreateSecret,
  session: VerifiedSessionId | null,
): NewSecretRow => {
  const id = newId<SecretId>();
  const now = context.clock.now();
  const value = valueBytes('value', input.value);
  return {
    id,
    owner_id: key.owner_id,
    name: input.name,
    type: input.type,
    scope: input.scope ?? 'user',
    session_id: session,
    shared_with: input.shared_with ?? [],
    encrypted_value: context.ownerKeys.encrypt(key, { secretId: id, version: 1 }, value),
    description: input.description ?? null,
    tags: input.tags ?? [],
    expires_at: input.expires_at ?? null,
    is_active: true,
    metadata: input.metadata ?? {},
    created_at: now,
    updated_at: now,
    version: 1,
    key_id: key.id,
    exposure: input.exposure ?? 'reveal',
    rotate_after: input.rotate_after ?? null,
    deleted_at: null,
    value_set_at: now,
    revision: 1,
  };
};

/** Why these users cannot be shared with, or null; those who can are held until the transaction ends. */
export const refuseGrantees = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  ids: readonly UserId[],
): Promise<KeyholdError | null> => {
  if (ids.length === 0) return null;
  if (!caller.permissions.has('secrets:share'))
    return new KeyholdError('permission_missing', 'Sharing needs the permission secrets:share.');
  if (ids.includes(caller.userId)) return invalid('shared_with', 'names you, the owner.');
  for (const userId of [...ids].sort()) {
    if (!(await context.users.hold(tx, { userId })))
      return invalid('shared_with', 'names a user who is unknown or disabled.');
  }
  return null;
};

/** The record of a secret that was created, by its owner or by an import. */
const createdEntry = (row: NewSecretRow, reason: 'owner' | 'import'): AuditEntry => ({
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
});

/** Writes new secrets with their records in one statement, if `unchanged` still holds; resolves to whether it did. */
export const insertSecrets = (
  { audit }: Pick<SecretsContext, 'audit'>,
  db: Db,
  made: readonly { readonly caller: Caller; readonly row: NewSecretRow }[],
  reason: 'owner' | 'import',
  unchanged?: Unchanged,
): Promise<boolean> => {
  const records = made.map(({ caller, row }) => ({ actor: caller, entry: createdEntry(row, reason) }));
  return audit.insert(db, [{ table: 'secrets', rows: made.map(({ row }) => row) }], records, unchanged);
};

const insertSecret = async (
  context: SecretsContext,
  tx: Tx,
  caller: Caller,
  input: CreateSecret,
): Promise<Outcome<string[]>> => {
  const refuse = (error: KeyholdError) => context.audit.refuse(tx, caller, 'secret.create', null, error);
  const granteesRefused = await refuseGrantees(context, tx, caller, input.shared_with ?? []);
  if (granteesRefused) return await refuse(granteesRefused);
  const place = await holdPlace(context, tx, caller, input.scope ?? 'user', input.session_id);
  if ('refused' in place) return await refuse(place.refused);
  refuseUnlessFuture('expires_at', input.expires_at, await context.now(tx));
  const key = await context.ownerKeys.active(tx, caller.userId);
  const row = newSecretRow(context, key, input, place.ok.session);
  const taken = await context.nameTaken(tx, row);
  if (taken) return await refuse(taken);
  await insertSecrets(context, tx, [{ caller, row }], 'owner');
  return { ok: [row.id] };
};

/** Creates a secret of the caller's, once for an idempotency key. Resolves to its id. */
export const createSecret = async (
  context: SecretsContext,
  caller: Caller,
  input: CreateSecret,
  request: IdempotentRequest | null,
): Promise<SecretId> => {
  checkPlacement(input);
  valueBytes('value', input.value);
  const { ids } = await orNameTaken(
    context.mutate(caller, (tx) =>
      context.idempotency.once(tx, caller, request, () => insertSecret(context, tx, caller, input)),
    ),
  );
  return (ids[0] ?? '') as SecretId;
};
