import { randomBytes } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { WrapPurpose } from '../crypto/derive.ts';
import type { Tx } from '../db/database.ts';
import { unavailable } from '../db/postgres-errors.ts';
import type { ServiceKeyRow } from '../db/tables/index.ts';
import type { RootKey } from './root-key.ts';

/** What a service key is for, as its row and its wrapping say. */
export type ServiceKeyPurpose = ServiceKeyRow['purpose'];

/** A key of the service, unwrapped. */
export interface ServiceKey {
  readonly id: string;
  readonly purpose: ServiceKeyPurpose;
  readonly generation: number;
  readonly state: ServiceKeyRow['state'];
  readonly created_at: Date;
  readonly promoted_at: Date | null;
  readonly key: Buffer;
}

type Identity = Pick<ServiceKeyRow, 'id' | 'purpose' | 'generation' | 'state'>;

/**
 * How a service key is wrapped under a root key. Retiring one wraps it for another purpose, so that writing
 * its state makes no retired key count again. The first generation is named as it was before there were others.
 */
export const wrapPurpose = ({ id, purpose, generation, state }: Identity): WrapPurpose => {
  const named = state === 'retired' ? `retired-${purpose}` : purpose;
  return { purpose: generation === 1 ? named : `${named}.${generation}`, rowId: id, ownerId: null };
};

const refuse = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

/** Each key with its copies, one for each root key. */
export const copiesOf = (rows: readonly ServiceKeyRow[]): readonly (readonly ServiceKeyRow[])[] => {
  const byId = new Map<string, ServiceKeyRow[]>();
  for (const row of rows) byId.set(row.id, [...(byId.get(row.id) ?? []), row]);
  return [...byId.values()];
};

const isTime = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime());

/** Whether the times of a key are times. Nothing seals them, and PostgreSQL has some that are none, such as infinity. */
export const hasTimes = ({ created_at, promoted_at }: Pick<ServiceKeyRow, 'created_at' | 'promoted_at'>): boolean =>
  isTime(created_at) && (promoted_at == null || isTime(promoted_at));

/** Opens one key with every root key that has a copy. Throws `state_conflict` for a copy that doesn't open, and where there is none. */
const openCopies = async (copies: readonly ServiceKeyRow[], rootKeys: readonly RootKey[], source: string) => {
  let opened: ServiceKey | null = null;
  for (const root of rootKeys) {
    const row = copies.find((candidate) => candidate.root_key_id === root.id);
    if (!row) continue;
    const key = await root.unwrap(wrapPurpose(row), row.wrapped_key);
    if (!key || !hasTimes(row) || (opened && !key.equals(opened.key)))
      throw refuse(
        `Root key ${root.id} does not open the ${row.purpose} key ${row.id}: the row in service_keys was changed.`,
      );
    const { id, purpose, generation, state, created_at, promoted_at } = row;
    opened = { id, purpose, generation, state, created_at, promoted_at, key };
  }
  if (opened) return opened;
  const needed = copies.map((row) => row.root_key_id).join(' or ');
  const configured = rootKeys.map((root) => root.id).join(', ');
  throw refuse(
    `The root key is the wrong one: this database needs root key ${needed}, configured is ${configured} (${source}).`,
  );
};

/** Opens every key that is stored. */
export const openServiceKeys = async (
  rows: readonly ServiceKeyRow[],
  rootKeys: readonly RootKey[],
  source: string,
): Promise<readonly ServiceKey[]> => {
  const keys: ServiceKey[] = [];
  for (const copies of copiesOf(rows)) keys.push(await openCopies(copies, rootKeys, source));
  return keys;
};

/**
 * Throws `state_conflict` for a key that was retired when this service read it before. A row from before that opens as it did
 * then, so only a service that remembers can tell.
 */
export const refuseUnretired = (before: readonly ServiceKey[], now: readonly ServiceKey[]): void => {
  const retired = new Set(before.filter(({ state }) => state === 'retired').map(({ id }) => id));
  const again = now.find(({ id, state }) => state !== 'retired' && retired.has(id));
  if (again) throw refuse(`The ${again.purpose} key ${again.id} was retired: its row in service_keys was put back.`);
};

/** A new key of the service, not yet written. */
export const newServiceKey = (clock: Clock, of: Pick<ServiceKey, 'purpose' | 'generation' | 'state'>): ServiceKey => ({
  id: newId<string>(),
  ...of,
  created_at: clock.now(),
  promoted_at: null,
  key: randomBytes(32),
});

/** Writes a key's copies under these root keys. */
export const writeServiceKey = async (
  tx: Tx,
  clock: Clock,
  rootKeys: readonly RootKey[],
  { key, ...service }: ServiceKey,
): Promise<void> => {
  if (rootKeys.length === 0) return;
  const rows: ServiceKeyRow[] = [];
  for (const root of rootKeys) {
    const wrapped_key = await root.wrap(wrapPurpose(service), Buffer.from(key), clock.now());
    rows.push({ ...service, root_key_id: root.id, wrapped_key });
  }
  const { numInsertedOrUpdatedRows } = await tx.insertInto('service_keys').values(rows).executeTakeFirstOrThrow();
  if (Number(numInsertedOrUpdatedRows) !== rows.length) throw unavailable(new Error('a service key was not written'));
};

/** Writes the copies that are missing under these root keys. */
export const copyServiceKeys = async (
  tx: Tx,
  clock: Clock,
  rootKeys: readonly RootKey[],
  keys: readonly ServiceKey[],
  rows: readonly ServiceKeyRow[],
): Promise<void> => {
  for (const key of keys) {
    const under = new Set(rows.filter((row) => row.id === key.id).map((row) => row.root_key_id));
    const missing = rootKeys.filter((root) => !under.has(root.id));
    await writeServiceKey(tx, clock, missing, key);
  }
};
