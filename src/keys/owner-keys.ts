import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { RootKeys } from '../config/root-keys.ts';
import type { Clock } from '../core/clock.ts';
import { newId, type OwnerKeyId, type SecretId, type UserId } from '../core/ids.ts';
import { secretKey } from '../crypto/derive.ts';
import { decryptFernet, encryptFernet } from '../crypto/fernet-token.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow } from '../db/tables/index.ts';
import { integrityBroken, type Seals, type Unsealed } from './seals.ts';
import { unwrapKey, wrapKey } from './wrapping.ts';

/** Which version of which secret a value belongs to. */
export interface ValuePlace {
  readonly secretId: SecretId;
  readonly version: number;
}

export interface OwnerKeys {
  /** A new user's first owner key, to be written together with the user. */
  newKey(ownerId: UserId): Unsealed<'owner_keys'>;
  /** The key that encrypts this user's new values. Throws `integrity_broken` when it was tampered with. */
  active(db: Db, ownerId: UserId): Promise<OwnerKeyRow>;
  /** The active key as it was last read, or null. It may no longer be active, so write only if its version is unchanged. */
  recent(ownerId: UserId): OwnerKeyRow | null;
  /** The owner keys with these ids whose seals hold. */
  byId(db: Db, ids: readonly OwnerKeyId[]): Promise<ReadonlyMap<OwnerKeyId, OwnerKeyRow>>;
  encrypt(key: OwnerKeyRow, place: ValuePlace, value: Buffer): string;
  /** The value, or null when the token is not this secret's, this version's and this owner's. */
  decrypt(key: OwnerKeyRow, place: ValuePlace, token: string): Buffer | null;
}

const cachedKeys = 10_000;

interface Deps {
  readonly clock: Clock;
  readonly rootKeys: RootKeys;
  readonly seals: Seals;
}

/** Versions enter a key as uint32. */
const isVersion = (version: number): boolean => Number.isInteger(version) && version > 0 && version < 2 ** 31;

const purposeOf = (row: Pick<OwnerKeyRow, 'id' | 'owner_id'>) =>
  ({ purpose: 'owner', rowId: row.id, ownerId: row.owner_id }) as const;

export const createOwnerKeys = ({ clock, rootKeys, seals }: Deps): OwnerKeys => {
  // Unwrapping costs an HKDF and a Fernet token; the wrapped text is part of the cache key, so a changed row misses.
  const opened = new LRUCache<string, Buffer>({ max: cachedKeys });

  const actives = new LRUCache<UserId, OwnerKeyRow>({ max: cachedKeys });

  const open = (row: OwnerKeyRow): Buffer | null => {
    const cacheKey = `${row.id}.${row.owner_id}.${row.wrapped_key}`;
    const cached = opened.get(cacheKey);
    if (cached) return cached;
    const root = rootKeys.keys.find((candidate) => candidate.id === row.root_key_id);
    const key = root ? unwrapKey(root, purposeOf(row), row.wrapped_key) : null;
    if (key) opened.set(cacheKey, key);
    return key;
  };

  // Cached because deriving one costs an HKDF. They give away no more than the owner keys that are cached above.
  const derived = new LRUCache<string, { readonly from: Buffer; readonly key: Buffer }>({ max: cachedKeys });

  const fernetKey = (row: OwnerKeyRow, { secretId, version }: ValuePlace): Buffer | null => {
    const ownerKey = isVersion(version) ? open(row) : null;
    if (!ownerKey) return null;
    const name = `${row.id}.${secretId}.${version}`;
    const known = derived.get(name);
    if (known?.from === ownerKey) return known.key;
    const key = secretKey(ownerKey, row.id, secretId, version);
    derived.set(name, { from: ownerKey, key });
    return key;
  };

  return {
    newKey: (ownerId) => {
      const root = rootKeys.keys[0];
      const row = { id: newId<OwnerKeyId>(), owner_id: ownerId };
      const created_at = clock.now();
      const wrapped_key = wrapKey(root, purposeOf(row), randomBytes(32), created_at);
      return { ...row, wrapped_key, root_key_id: root.id, state: 'active', created_at };
    },

    active: async (db, ownerId) => {
      const row = await seals.loadOne(db, 'owner_keys', { owner_id: ownerId, state: 'active' });
      if (!row) throw integrityBroken();
      actives.set(ownerId, row);
      return row;
    },

    recent: (ownerId) => actives.get(ownerId) ?? null,

    byId: async (db, ids) => {
      if (ids.length === 0) return new Map();
      const rows = await seals.load(db, 'owner_keys', { id: [...new Set(ids)] });
      return new Map(rows.map((row) => [row.id, row]));
    },

    encrypt: (row, place, value) => {
      const key = fernetKey(row, place);
      if (!key) throw integrityBroken();
      return encryptFernet({ key, plaintext: value, now: clock.now(), iv: randomBytes(16) });
    },

    decrypt: (row, place, token) => {
      const key = fernetKey(row, place);
      if (!key) return null;
      try {
        return decryptFernet({ key, token });
      } catch {
        return null;
      }
    },
  };
};
