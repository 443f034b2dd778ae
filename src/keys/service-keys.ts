import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { RootKey, RootKeys } from '../config/root-keys.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { SealKey } from '../crypto/seal.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import { unavailable } from '../db/postgres-errors.ts';
import type { ServiceKeyRow } from '../db/tables/index.ts';
import { unwrapKey, wrapKey } from './wrapping.ts';

/** What a service key is for, as its row and its wrapping say. */
export type ServiceKeyPurpose = ServiceKeyRow['purpose'];

type SealKeys = readonly [SealKey, ...SealKey[]];

/** The service's own keys, opened. */
export interface ServiceKeys {
  /** The newest first; it seals, and all of them verify. */
  readonly sealKeys: SealKeys;
  /** The key of MACs that must outlive the seal keys. It is made once and never replaced. */
  readonly lookupKey: Uint8Array;
}

/** Starts whatever is kept under the lookup key, in the transaction that makes the key. */
export type OnNewLookupKey = (tx: Tx, keys: ServiceKeys) => Promise<void>;

/** How a service key is wrapped under a root key. */
export const wrapPurpose = (purpose: ServiceKeyPurpose, id: string) => ({ purpose, rowId: id, ownerId: null }) as const;

/**
 * Proves every configured root key against the database and opens the service's keys. A first start makes them. A root key
 * that is new here gets its own wrapped copy of each. Throws `state_conflict` with the id of the missing or wrong key.
 * `onNewLookupKey` runs where the lookup key is made: on an empty database, and on one of a version that had none. If it
 * throws, no key is made.
 */
export const openServiceKeys = (
  db: Db,
  clock: Clock,
  rootKeys: RootKeys,
  onNewLookupKey: OnNewLookupKey,
): Promise<ServiceKeys> =>
  inTransaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(${lockId})`.execute(tx);
    const rows = await tx.selectFrom('service_keys').selectAll().orderBy('created_at', 'desc').execute();
    // Checked first, so that the message about a wrong root key says how much depends on the right one.
    await refuseMissingRootKeys(tx, rootKeys);
    const keysFor = keysIn(tx, clock, rootKeys, rows);
    const sealKeys = await sealKeysOf(keysFor('seal'), tx);
    const lookupKeys = keysFor('lookup');
    if (lookupKeys.exist) return { sealKeys, lookupKey: onlyOne(await lookupKeys.open()) };
    const keys = { sealKeys, lookupKey: (await lookupKeys.make()).key };
    await onNewLookupKey(tx, keys);
    return keys;
  });

const lockId = 7_403_117_205;

const refuse = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

/** The keys of one purpose: whether the database holds any, and how they are opened or made. */
interface StoredKeys {
  readonly exist: boolean;
  open(): Promise<SealKeys>;
  make(): Promise<SealKey>;
}

const keysIn =
  (tx: Tx, clock: Clock, rootKeys: RootKeys, rows: readonly ServiceKeyRow[]) =>
  (purpose: ServiceKeyPurpose): StoredKeys => {
    const stored = rows.filter((row) => row.purpose === purpose);
    const ids = [...new Set(stored.map((row) => row.id))];

    const openOne = async (id: string): Promise<SealKey> => {
      const copies = stored.filter((row) => row.id === id);
      const key = openCopies(copies, rootKeys);
      const wrappedUnder = copies.map((row) => row.root_key_id);
      const missing = rootKeys.keys.filter((root) => !wrappedUnder.includes(root.id));
      await insertWrapped(tx, clock, missing, purpose, key);
      return key;
    };

    return {
      exist: ids.length > 0,
      open: async () => {
        const keys: SealKey[] = [];
        for (const id of ids) keys.push(await openOne(id));
        const [first, ...rest] = keys;
        if (!first) throw refuse(`The database holds no ${purpose} key.`);
        return [first, ...rest];
      },
      make: async () => {
        const key = { id: newId<string>(), key: randomBytes(32) };
        await insertWrapped(tx, clock, rootKeys.keys, purpose, key);
        return key;
      },
    };
  };

/** A first start makes the seal key. Where users exist already, its absence means that rows were taken away. */
const sealKeysOf = async (stored: StoredKeys, tx: Tx): Promise<SealKeys> => {
  if (stored.exist) return await stored.open();
  const users = await tx.selectFrom('users').select('id').limit(1).execute();
  if (users.length > 0)
    throw refuse(
      'The seal keys are missing from the database although it holds users. Restore table service_keys from a backup.',
    );
  return [await stored.make()];
};

const onlyOne = ([first, ...rest]: SealKeys): Uint8Array => {
  if (rest.length === 0) return first.key;
  throw refuse('The database holds several lookup keys. Restore table service_keys from a backup.');
};

/** Opens one key with every configured root key that has a copy; a copy that doesn't open is a wrong key. */
const openCopies = (copies: readonly ServiceKeyRow[], rootKeys: RootKeys): SealKey => {
  let opened: SealKey | null = null;
  for (const root of rootKeys.keys) {
    const row = copies.find((candidate) => candidate.root_key_id === root.id);
    if (!row) continue;
    const key = unwrapKey(root, wrapPurpose(row.purpose, row.id), row.wrapped_key);
    if (!key || (opened && !key.equals(opened.key)))
      throw refuse(
        `Root key ${root.id} does not open the ${row.purpose} key ${row.id}: the row in service_keys was changed.`,
      );
    opened = { id: row.id, key };
  }
  if (opened) return opened;
  const needed = copies.map((row) => row.root_key_id).join(' or ');
  const configured = rootKeys.keys.map((root) => root.id).join(', ');
  throw refuse(
    `The root key is the wrong one: this database needs root key ${needed}, configured is ${configured} (${rootKeys.source}).`,
  );
};

const insertWrapped = async (
  tx: Tx,
  clock: Clock,
  rootKeys: readonly RootKey[],
  purpose: ServiceKeyPurpose,
  { id, key }: SealKey,
): Promise<void> => {
  if (rootKeys.length === 0) return;
  const created_at = clock.now();
  const rows: ServiceKeyRow[] = rootKeys.map((root) => ({
    id,
    root_key_id: root.id,
    purpose,
    wrapped_key: wrapKey(root, wrapPurpose(purpose, id), Buffer.from(key), created_at),
    created_at,
  }));
  const { numInsertedOrUpdatedRows } = await tx.insertInto('service_keys').values(rows).executeTakeFirstOrThrow();
  if (Number(numInsertedOrUpdatedRows) !== rows.length) throw unavailable(new Error('a service key was not written'));
};

/** Refuses to serve while somebody's owner key needs a root key that is not configured. */
const refuseMissingRootKeys = async (tx: Tx, rootKeys: RootKeys): Promise<void> => {
  const { rows } = await sql<{ root_key_id: string; count: number }>`
    select root_key_id, count(*) as count from public.owner_keys
    where state <> 'destroyed' group by root_key_id`.execute(tx);
  const missing = rows.filter((row) => !rootKeys.keys.some((root) => root.id === row.root_key_id));
  if (missing.length === 0) return;
  const list = missing.map((row) => `${row.root_key_id} (${row.count} owner keys)`).join(', ');
  throw refuse(
    `Root keys are missing from ${rootKeys.source}: ${list}. Add them, or restore the backup of the root key.`,
  );
};
