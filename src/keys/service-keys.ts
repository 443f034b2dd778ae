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

const refuse = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

const lockId = 7_403_117_205;

const purposeOf = (id: string) => ({ purpose: 'seal', rowId: id, ownerId: null }) as const;

type SealKeys = readonly [SealKey, ...SealKey[]];

const insertWrapped = async (tx: Tx, clock: Clock, rootKeys: readonly RootKey[], key: SealKey): Promise<void> => {
  const created_at = clock.now();
  const rows: ServiceKeyRow[] = rootKeys.map((root) => ({
    id: key.id,
    root_key_id: root.id,
    purpose: 'seal',
    wrapped_key: wrapKey(root, purposeOf(key.id), Buffer.from(key.key), created_at),
    created_at,
  }));
  if (rows.length === 0) return;
  const { numInsertedOrUpdatedRows } = await tx.insertInto('service_keys').values(rows).executeTakeFirstOrThrow();
  if (Number(numInsertedOrUpdatedRows) !== rows.length) throw unavailable(new Error('a service key was not written'));
};

/** A first start makes the seal key; where people exist already, its absence means that rows were taken away. */
const createSealKey = async (tx: Tx, clock: Clock, rootKeys: RootKeys): Promise<SealKeys> => {
  const users = await tx.selectFrom('users').select('id').limit(1).execute();
  if (users.length > 0)
    throw refuse(
      'The seal keys are missing from the database although it holds users. Restore table service_keys from a backup.',
    );
  const key = { id: newId<string>(), key: randomBytes(32) };
  await insertWrapped(tx, clock, rootKeys.keys, key);
  return [key];
};

/** Opens one seal key with every configured root key that has a copy; a copy that doesn't open is a wrong key. */
const openSealKey = (rows: readonly ServiceKeyRow[], rootKeys: RootKeys): SealKey | null => {
  const id = rows[0]?.id ?? '';
  let key: Buffer | null = null;
  for (const root of rootKeys.keys) {
    const row = rows.find((candidate) => candidate.root_key_id === root.id);
    if (!row) continue;
    const opened = unwrapKey(root, purposeOf(id), row.wrapped_key);
    if (!opened || (key && !key.equals(opened)))
      throw refuse(`Root key ${root.id} does not open the seal key ${id}: the row in service_keys was changed.`);
    key = opened;
  }
  return key && { id, key };
};

const openSealKeys = async (
  tx: Tx,
  clock: Clock,
  rootKeys: RootKeys,
  rows: readonly ServiceKeyRow[],
): Promise<SealKeys> => {
  const keys: SealKey[] = [];
  for (const id of new Set(rows.map((row) => row.id))) {
    const copies = rows.filter((row) => row.id === id);
    const key = openSealKey(copies, rootKeys);
    const known = copies.map((row) => row.root_key_id);
    if (!key) {
      const configured = rootKeys.keys.map((root) => root.id).join(', ');
      throw refuse(
        `The root key is the wrong one: this database needs root key ${known.join(' or ')}, configured is ${configured} (${rootKeys.source}).`,
      );
    }
    keys.push(key);
    await insertWrapped(
      tx,
      clock,
      rootKeys.keys.filter((root) => !known.includes(root.id)),
      key,
    );
  }
  const [first, ...rest] = keys;
  if (!first) throw refuse('No seal key was found.');
  return [first, ...rest];
};

/** Refuses to serve while somebody's owner key needs a root key that is not configured. */
const refuseMissingRootKeys = async (tx: Tx, rootKeys: RootKeys): Promise<void> => {
  const { rows } = await sql<{ root_key_id: string; count: number }>`
    select root_key_id, count(*) as count from public.owner_keys group by root_key_id`.execute(tx);
  const missing = rows.filter((row) => !rootKeys.keys.some((root) => root.id === row.root_key_id));
  if (missing.length === 0) return;
  const list = missing.map((row) => `${row.root_key_id} (${row.count} owner keys)`).join(', ');
  throw refuse(
    `Root keys are missing from ${rootKeys.source}: ${list}. Add them, or restore the backup of the root key.`,
  );
};

/**
 * Proves every configured root key against the database and opens the seal keys, making the first one on an empty
 * database. A root key that is new here gets its own wrapped copy. Throws with the id of the missing or wrong key.
 */
export const openServiceKeys = (db: Db, clock: Clock, rootKeys: RootKeys): Promise<SealKeys> =>
  inTransaction(db, async (tx) => {
    await sql`select pg_advisory_xact_lock(${lockId})`.execute(tx);
    const rows = await tx
      .selectFrom('service_keys')
      .selectAll()
      .where('purpose', '=', 'seal')
      .orderBy('created_at', 'desc')
      .execute();
    // First, so that a wrong root key is told together with how much depends on the right one.
    await refuseMissingRootKeys(tx, rootKeys);
    return rows.length === 0 ? await createSealKey(tx, clock, rootKeys) : await openSealKeys(tx, clock, rootKeys, rows);
  });
