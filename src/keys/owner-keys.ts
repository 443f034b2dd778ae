import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../core/clock.ts';
import { newId, type OwnerKeyId, type SecretId, type UserId } from '../core/ids.ts';
import { secretKey } from '../crypto/derive.ts';
import { decryptFernet, encryptFernet } from '../crypto/fernet-token.ts';
import type { Db, Tx } from '../db/database.ts';
import { unavailable } from '../db/postgres-errors.ts';
import type { OwnerKeyRow } from '../db/tables/index.ts';
import type { RootKey } from './root-key.ts';
import { integrityBroken, type Seals, type Unsealed } from './seals.ts';

/** Which version of which secret a value belongs to. */
export interface ValuePlace {
  readonly secretId: SecretId;
  readonly version: number;
}

/** An owner key that was unwrapped. */
export interface OpenOwnerKey {
  readonly row: OwnerKeyRow;
  /** The value as a Fernet token that opens as this secret's, this version's and this owner's only. */
  encrypt(place: ValuePlace, value: Buffer): string;
  /** The value, or null when the token is not this secret's, this version's and this owner's. */
  decrypt(place: ValuePlace, token: string): Buffer | null;
}

/** Wraps owner keys under the primary root key. */
export interface Wrapping {
  /** A new key of this user. */
  newKey(ownerId: UserId): Promise<Unsealed<'owner_keys'>>;
  /** The same key, wrapped anew; null when no root key opens the row. */
  rewrapped(row: OwnerKeyRow): Promise<Pick<OwnerKeyRow, 'wrapped_key' | 'root_key_id'> | null>;
}

export interface OwnerKeys {
  /**
   * What wraps until the transaction ends. The row of the primary root key is locked, so that the key is not retired before what
   * it wraps is counted. Throws `unavailable` where it is retired already.
   */
  wrapping(tx: Tx): Promise<Wrapping>;
  /** The key that encrypts this user's new values. Throws `integrity_broken` when it was tampered with. */
  active(db: Db, ownerId: UserId): Promise<OpenOwnerKey>;
  /** The active key as it was last read, or null. It may no longer be active, so write only if its version is unchanged. */
  recent(ownerId: UserId): OpenOwnerKey | null;
  /** The owner keys with these ids whose seals hold and that a root key opens. */
  byId(db: Db, ids: readonly OwnerKeyId[]): Promise<ReadonlyMap<OwnerKeyId, OpenOwnerKey>>;
  /** Unwraps a verified row; null when no root key opens it. */
  open(row: OwnerKeyRow): Promise<OpenOwnerKey | null>;
}

const cachedKeys = 10_000;

/** The root keys as they are now, the primary first. */
export type CurrentRootKeys = () => readonly [RootKey, ...RootKey[]];

interface Deps {
  readonly clock: Clock;
  readonly rootKeys: CurrentRootKeys;
  readonly seals: Seals;
}

/** Versions enter a key as uint32. */
const isVersion = (version: number): boolean => Number.isInteger(version) && version > 0 && version < 2 ** 31;

const purposeOf = (row: Pick<OwnerKeyRow, 'id' | 'owner_id'>) =>
  ({ purpose: 'owner', rowId: row.id, ownerId: row.owner_id }) as const;

const unwrap = async (rootKeys: readonly RootKey[], row: OwnerKeyRow): Promise<Buffer | null> => {
  const root = rootKeys.find((candidate) => candidate.id === row.root_key_id);
  return root ? await root.unwrap(purposeOf(row), row.wrapped_key) : null;
};

/** True when one of the root keys opens this owner key. */
export const opensOwnerKey = async (rootKeys: readonly RootKey[], row: OwnerKeyRow): Promise<boolean> =>
  (await unwrap(rootKeys, row)) !== null;

export const createOwnerKeys = ({ clock, rootKeys, seals }: Deps): OwnerKeys => {
  // Unwrapping costs an HKDF and a Fernet token; the wrapped text is part of the cache key, so a changed row misses.
  const opened = new LRUCache<string, Buffer>({ max: cachedKeys });

  const actives = new LRUCache<UserId, OpenOwnerKey>({ max: cachedKeys });

  const keyOf = async (row: OwnerKeyRow): Promise<Buffer | null> => {
    const cacheKey = `${row.id}.${row.owner_id}.${row.root_key_id}.${row.wrapped_key}`;
    const cached = opened.get(cacheKey);
    if (cached) return cached;
    const key = await unwrap(rootKeys(), row);
    if (key) opened.set(cacheKey, key);
    return key;
  };

  // Cached because deriving one costs an HKDF. They give away no more than the owner keys that are cached above.
  const derived = new LRUCache<string, { readonly from: Buffer; readonly key: Buffer }>({ max: cachedKeys });

  const fernetKey = (row: OwnerKeyRow, ownerKey: Buffer, { secretId, version }: ValuePlace): Buffer | null => {
    if (!isVersion(version)) return null;
    const name = `${row.id}.${secretId}.${version}`;
    const known = derived.get(name);
    if (known?.from === ownerKey) return known.key;
    const key = secretKey(ownerKey, row.id, secretId, version);
    derived.set(name, { from: ownerKey, key });
    return key;
  };

  const encrypt = (row: OwnerKeyRow, ownerKey: Buffer, place: ValuePlace, value: Buffer): string => {
    const key = fernetKey(row, ownerKey, place);
    if (!key) throw integrityBroken();
    return encryptFernet({ key, plaintext: value, now: clock.now(), iv: randomBytes(16) });
  };

  const decrypt = (row: OwnerKeyRow, ownerKey: Buffer, place: ValuePlace, token: string): Buffer | null => {
    const key = fernetKey(row, ownerKey, place);
    if (!key) return null;
    try {
      return decryptFernet({ key, token });
    } catch {
      return null;
    }
  };

  const open: OwnerKeys['open'] = async (row) => {
    const key = await keyOf(row);
    if (!key) return null;
    return {
      row,
      encrypt: (place, value) => encrypt(row, key, place, value),
      decrypt: (place, token) => decrypt(row, key, place, token),
    };
  };

  const wrappingUnder = (primary: RootKey): Wrapping => {
    const wrapped = async (of: Pick<OwnerKeyRow, 'id' | 'owner_id'>, key: Buffer, now: Date) => ({
      wrapped_key: await primary.wrap(purposeOf(of), key, now),
      root_key_id: primary.id,
    });
    return {
      newKey: async (ownerId) => {
        const row = { id: newId<OwnerKeyId>(), owner_id: ownerId };
        const created_at = clock.now();
        return { ...row, ...(await wrapped(row, randomBytes(32), created_at)), state: 'active', created_at };
      },
      rewrapped: async (row) => {
        const key = await unwrap(rootKeys(), row);
        return key && (await wrapped(row, key, clock.now()));
      },
    };
  };

  return {
    wrapping: async (tx) => {
      const [primary] = rootKeys();
      const current = await seals.loadOne(tx, 'root_keys', { id: primary.id, state: 'current' }, { lock: 'share' });
      if (current === null) throw unavailable(new Error('the primary root key is not current any more'));
      return wrappingUnder(primary);
    },

    active: async (db, ownerId) => {
      const row = await seals.loadOne(db, 'owner_keys', { owner_id: ownerId, state: 'active' });
      const key = row && (await open(row));
      if (!key) throw integrityBroken();
      actives.set(ownerId, key);
      return key;
    },

    recent: (ownerId) => actives.get(ownerId) ?? null,

    byId: async (db, ids) => {
      if (ids.length === 0) return new Map();
      const rows = await seals.load(db, 'owner_keys', { id: [...new Set(ids)] });
      const keys = await Promise.all(rows.map(open));
      return new Map(keys.flatMap((key) => (key === null ? [] : [[key.row.id, key]])));
    },

    open,
  };
};
