import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { idsOf, type OwnerKeyId, type SecretId, type UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { SecretRow, SecretVersionRow } from '../db/tables/index.ts';
import { type JobKind, jobKind, type StepOutcome } from '../jobs/index.ts';
import type { OpenOwnerKey, OwnerKeys, Seals } from '../keys/index.ts';
import { createReplaceKeys } from './replace-keys.ts';
import { aboutHowMany } from './row-counts.ts';

/** How far a re-encryption is. */
type Cursor =
  /** Owners get a new key each; the last owner who did. */
  | { readonly phase: 'keys'; readonly after: string | null }
  /** Values move to the new keys, one retiring key after the other. */
  | {
      readonly phase: 'first' | 'second';
      readonly key: string | null;
      readonly secret: string | null;
    }
  | { readonly phase: 'waiting'; readonly since: string }
  /** Retiring keys on which nothing depends are destroyed; the last one that was looked at. */
  | { readonly phase: 'retire'; readonly after: string | null; readonly failed: number };

/** One owner, or all of them; those whose key is younger than `before` have a new one already. */
type Params = { readonly owner_id: string | null; readonly before: string };

type Values = Extract<Cursor, { secret: string | null }>;
type Retire = Extract<Cursor, { phase: 'retire' }>;

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
  /** For how long a statement that relies on a retiring key may still be under way, in milliseconds. */
  readonly stragglerMs: number;
}

const batchSize = 100;
const waitSeconds = 2;

const valuesFrom = (phase: 'first' | 'second'): Values => ({ phase, key: null, secret: null });

const nextRetiring = async (tx: Tx, owner: string | null, after: string | null): Promise<OwnerKeyId | null> => {
  const { rows } = await sql<{ id: unknown }>`select id from public.owner_keys where state = 'retiring'
    ${owner === null ? sql`` : sql`and owner_id = ${owner}`} ${after === null ? sql`` : sql`and id > ${after}`}
    order by id limit 1`.execute(tx);
  return idsOf<OwnerKeyId>(rows.map(({ id }) => id))[0] ?? null;
};

const secretsUnder = async (tx: Tx, key: OwnerKeyId, after: string | null): Promise<SecretId[]> => {
  const further = after === null ? sql`` : sql`and id > ${after}`;
  const { rows } = await sql<{ id: unknown }>`select id from public.secrets where key_id = ${key} ${further}
    union select secret_id from public.secret_versions where key_id = ${key}
      ${after === null ? sql`` : sql`and secret_id > ${after}`}
    order by id limit ${sql.lit(batchSize)}`.execute(tx);
  return idsOf<SecretId>(rows.map(({ id }) => id));
};

/** The key that retires and the one that replaces it, both open. */
interface Pair {
  readonly from: OpenOwnerKey;
  readonly to: OpenOwnerKey;
}

/** Moves what one secret keeps under the old key. Rows that do not open stay. */
const moved = <Row extends SecretRow | SecretVersionRow>(
  rows: readonly Row[],
  secretId: (row: Row) => SecretId,
  from: OpenOwnerKey,
  to: OpenOwnerKey,
) =>
  rows.flatMap((row) => {
    // A destroyed version has no value; only the key that it names has to go.
    if (row.encrypted_value === null) return [{ row, changes: { key_id: to.row.id } }];
    const place = { secretId: secretId(row), version: row.version };
    const value = from.decrypt(place, row.encrypted_value);
    return value === null ? [] : [{ row, changes: { key_id: to.row.id, encrypted_value: to.encrypt(place, value) } }];
  });

/**
 * Gives owners new keys and encrypts their values and old versions with them. Reads and writes go on meanwhile: a retiring key
 * still opens, and nothing of a secret changes but which key it needs. Values that do not open are counted, and keep
 * their key. A key on which nothing depends any more is destroyed.
 */
export const createReencrypt = ({ clock, seals, ownerKeys, stragglerMs }: Deps): JobKind => {
  const { replaceKeys } = createReplaceKeys({ seals, ownerKeys });

  const activeOf = async (tx: Tx, owner: UserId): Promise<OpenOwnerKey | null> => {
    const row = await seals.loadOne(tx, 'owner_keys', { owner_id: owner, state: 'active' });
    return row && (await ownerKeys.open(row));
  };

  /** Everything that these secrets keep under the key; resolves to how many rows moved. */
  const moveBatch = async (tx: Tx, ids: readonly SecretId[], { from, to }: Pair): Promise<number> => {
    const key_id = from.row.id;
    const order = { lock: 'update', orderBy: sql`id` } as const;
    // Locked even where only an old version needs the key: whoever restores that version has locked its secret.
    const locked = await seals.load(tx, 'secrets', { id: ids, owner_id: from.row.owner_id }, order);
    const secrets = locked.filter((row) => row.key_id === key_id);
    const inOrder = { lock: 'update', orderBy: sql`secret_id, version` } as const;
    const versions = await seals.load(tx, 'secret_versions', { secret_id: ids, key_id }, inOrder);
    const changed = moved(secrets, (row) => row.id, from, to);
    const changedVersions = moved(versions, (row) => row.secret_id, from, to);
    await seals.updateAll(tx, 'secrets', changed);
    await seals.updateAll(tx, 'secret_versions', changedVersions);
    return changed.length + changedVersions.length;
  };

  /**
   * Locks the owner before anything of theirs, as everywhere: an erasure, which has locked the user, destroys the keys to which
   * the rows of this step refer. False for a user who is erased.
   */
  const holdOwner = async (tx: Tx, id: UserId): Promise<boolean> =>
    (await seals.loadOne(tx, 'users', { id, status: ['active', 'disabled'] }, { lock: 'share' })) !== null;

  const openRetiring = async (tx: Tx, id: OwnerKeyId): Promise<OpenOwnerKey | null> => {
    const row = await seals.loadOne(tx, 'owner_keys', { id, state: 'retiring' });
    return row && (await ownerKeys.open(row));
  };

  /** The keys between which an owner's values move; null where either does not open, or the owner is erased. */
  const pairOf = async (tx: Tx, retiring: OwnerKeyId): Promise<Pair | null> => {
    const from = await openRetiring(tx, retiring);
    if (from === null || !(await holdOwner(tx, from.row.owner_id))) return null;
    const to = await activeOf(tx, from.row.owner_id);
    return to && { from, to };
  };

  const values = async (tx: Tx, owner: string | null, at: Values): Promise<StepOutcome<Cursor>> => {
    const key = at.secret === null ? await nextRetiring(tx, owner, at.key) : (at.key as OwnerKeyId | null);
    if (key === null) return endValues(at);
    const ids = await secretsUnder(tx, key, at.secret);
    const last = ids.at(-1);
    const over: Values = { ...at, key, secret: null };
    if (last === undefined) return { next: 'step', cursor: over };
    const pair = await pairOf(tx, key);
    const done = pair ? await moveBatch(tx, ids, pair) : 0;
    const cursor: Values = ids.length < batchSize ? over : { ...at, key, secret: last };
    return { next: 'step', done, cursor };
  };

  const endValues = ({ phase }: Values): StepOutcome<Cursor> =>
    phase === 'first'
      ? { next: 'step', cursor: { phase: 'waiting', since: clock.now().toISOString() } }
      : { next: 'step', cursor: { phase: 'retire', after: null, failed: 0 } };

  /** Whether a statement that began at `since` may still be under way. */
  const isRecent = (since: Date): boolean => clock.now().getTime() - since.getTime() < stragglerMs;

  /** When the owner's earlier keys were all replaced; another re-encryption may have replaced one a moment ago. */
  const replacedAt = async (tx: Tx, owner: UserId): Promise<Date | null> =>
    (await seals.loadOne(tx, 'owner_keys', { owner_id: owner, state: 'active' }))?.created_at ?? null;

  /** Destroys the key if nothing depends on it; both under its lock, which new dependents would need. Resolves to how many do. */
  const destroyUnused = async (tx: Tx, id: OwnerKeyId): Promise<number> => {
    const row = await seals.loadOne(tx, 'owner_keys', { id, state: 'retiring' }, { lock: 'update' });
    const left = await countDependents(tx, id);
    if (row && left === 0) await seals.remove(tx, 'owner_keys', [row]);
    return left;
  };

  /** Destroys the next key if nothing depends on it. */
  const retire = async (tx: Tx, owner: string | null, { after, failed }: Retire): Promise<StepOutcome<Cursor>> => {
    const id = await nextRetiring(tx, owner, after);
    if (id === null) return { next: 'finish', failed };
    const next: Cursor = { phase: 'retire', after: id, failed };
    const row = await seals.loadOne(tx, 'owner_keys', { id, state: 'retiring' });
    if (row === null) return { next: 'step', cursor: { ...next, failed: failed + 1 } };
    if (!(await holdOwner(tx, row.owner_id))) return { next: 'step', cursor: next };
    const replaced = await replacedAt(tx, row.owner_id);
    if (replaced && isRecent(replaced))
      return { next: 'step', cursor: { phase: 'waiting', since: replaced.toISOString() } };
    return { next: 'step', cursor: { ...next, failed: failed + (await destroyUnused(tx, id)) } };
  };

  return jobKind<Params, Cursor>({
    step: async (tx, { params: { owner_id: owner, before }, cursor }) => {
      const at: Cursor = cursor ?? { phase: 'keys', after: null };
      switch (at.phase) {
        case 'keys': {
          const last = await replaceKeys(tx, owner as UserId | null, new Date(before), at.after);
          const total = cursor === null ? { total: await countValues(tx, owner) } : {};
          return {
            ...total,
            next: 'step',
            cursor: last === null ? valuesFrom('first') : { phase: 'keys', after: last },
          };
        }
        case 'waiting':
          return isRecent(new Date(at.since))
            ? { next: 'wait', cursor: at, seconds: waitSeconds }
            : { next: 'step', cursor: valuesFrom('second') };
        case 'retire':
          return await retire(tx, owner, at);
        default:
          return await values(tx, owner, at);
      }
    },
  });
};

/** About how many values and versions an owner has, or all of them. */
const countValues = async (tx: Tx, owner: string | null): Promise<number> => {
  if (owner === null) return await aboutHowMany(tx, ['secrets', 'secret_versions']);
  const { rows } = await sql<{ count: number }>`
    with own as (select id from public.secrets where owner_id = ${owner})
    select (select count(*) from own)
      + (select count(*) from public.secret_versions where secret_id in (select id from own)) as count`.execute(tx);
  return Number(rows[0]?.count ?? 0);
};

/** How many values and versions need an owner key. */
const countDependents = async (tx: Tx, id: OwnerKeyId): Promise<number> => {
  const { rows } = await sql<{ count: number }>`select
    (select count(*) from public.secrets where key_id = ${id})
    + (select count(*) from public.secret_versions where key_id = ${id}) as count`.execute(tx);
  return Number(rows[0]?.count ?? 0);
};
