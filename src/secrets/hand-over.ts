import { sql } from 'kysely';
import type { Actor, Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { idsOf, nilId, type OwnerKeyId, type SecretId, type UserId } from '../core/ids.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { SecretRow, SecretVersionRow } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import { integrityBroken, type OpenOwnerKey, type OwnerKeys, type Seals } from '../keys/index.ts';
import type { Changes, LockedSecret } from './change.ts';
import { freeName } from './import-plan.ts';
import { refuseTakenName } from './names.ts';
import { namesInPlace } from './queries.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly ownerKeys: OwnerKeys;
  readonly changes: Pick<Changes, 'changeIn'>;
}

/** What becomes of a secret that is handed over. */
export interface HandOver {
  readonly to: UserId;
  /** Whether those with whom it is shared keep their access. */
  readonly keepSharing: boolean;
  /** Another name; without one, the secret keeps its name. */
  readonly name?: string | undefined;
}

type Offer<T> = (locked: LockedSecret<'handover.offer'>) => Promise<Outcome<T>>;

/**
 * How much of encrypted values is read for one batch, in characters, after its last secret. It keeps a batch far below the
 * time that a transaction is given, however large the values are.
 */
const maxBatchLength = 4 * 1024 * 1024;

/** Gives secrets another owner. Who may do so is for the handovers domain to check. */
export const createHandOver = ({ clock, seals, audit, ownerKeys, changes }: Deps) => {
  /** The value of each row under the new owner's key; null where one of them does not open. */
  const reencrypted = async <Row extends SecretRow | SecretVersionRow>(
    tx: Tx,
    owner: UserId,
    rows: readonly Row[],
    to: OpenOwnerKey,
  ) => {
    const keys = await ownerKeys.byId(tx, [...new Set(rows.map((row) => row.key_id))]);
    const changed = rows.map((row) => {
      if (row.encrypted_value === null) return { row, changes: { key_id: to.row.id } };
      const place = { secretId: secretIdOf(row), version: row.version };
      const key = keys.get(row.key_id as OwnerKeyId);
      const value = key?.row.owner_id === owner ? key.decrypt(place, row.encrypted_value) : null;
      if (value === null) return null;
      return { row, changes: { key_id: to.row.id, encrypted_value: to.encrypt(place, value) } };
    });
    return changed.every((one) => one !== null) ? changed : null;
  };

  /** Every older version; null where a row of them is broken. */
  const versionsOf = async (tx: Tx, secret_id: SecretId): Promise<SecretVersionRow[] | null> => {
    const rows = await seals.load(tx, 'secret_versions', { secret_id }, { lock: 'update', orderBy: sql`version` });
    const { rows: counted } = await sql<{ count: unknown }>`select count(*) as count from public.secret_versions
      where secret_id = ${secret_id}`.execute(tx);
    return Number(counted[0]?.count) === rows.length ? rows : null;
  };

  /**
   * Gives a locked secret to another user, with its older versions, all of them encrypted under the new owner's key. A secret of a
   * session leaves the session. Refuses a name that the new owner uses already, and what does not open.
   */
  const move = async (
    tx: Tx,
    actor: Actor,
    row: SecretRow,
    { to, keepSharing, name }: HandOver,
  ): Promise<Outcome<SecretRow>> => {
    const named = { ...row, name: name ?? row.name, owner_id: to, session_id: null };
    const taken = row.deleted_at === null ? await refuseTakenName(tx, named) : null;
    if (taken) return refusedWith(taken);
    const key = await ownerKeys.active(tx, to);
    const versions = await versionsOf(tx, row.id);
    const [value] = (await reencrypted(tx, row.owner_id, [row], key)) ?? [];
    const older = versions && (await reencrypted(tx, row.owner_id, versions, key));
    if (!value || !older) return refusedWith(integrityBroken());
    const sharing = sharingAfter(row, to, keepSharing);
    const revision = row.revision + 1;
    const changed = await seals.update(tx, 'secrets', row, {
      ...value.changes,
      ...sharing,
      owner_id: to,
      name: named.name,
      session_id: null,
      revision,
      updated_at: clock.now(),
    });
    await seals.updateAll(tx, 'secret_versions', older);
    await audit.record(tx, actor, {
      action: 'secret.hand_over',
      target: { type: 'secret', id: row.id },
      outcome: 'allowed',
      details: { revision, from: row.owner_id, to, shared_with: sharing.shared_with },
      tells: toldOf(row, changed),
    });
    return { ok: changed };
  };

  return {
    /** Asks the rule whether the caller may give this secret away, locks it, and does the work. */
    offerIn: <T>(tx: Tx, caller: Caller, id: SecretId, work: Offer<T>): Promise<Outcome<T>> =>
      changes.changeIn(tx, caller, { id, action: 'manage', as: 'handover.offer' }, async (locked) => {
        const { row } = locked.loaded;
        if (row.deleted_at !== null) return await locked.refuse(conflict('This secret is deleted. Recover it first.'));
        if (row.scope === 'session') return await locked.refuse(conflict(inSession));
        return await work(locked);
      }),

    /** The secret of this owner, locked; null where there is none. */
    lockOwned: async (tx: Tx, owner_id: UserId, id: SecretId): Promise<SecretRow | null> =>
      await seals.loadOne(tx, 'secrets', { id, owner_id }, { lock: 'update' }),

    move,

    /**
     * Gives away at most `limit` of a user's secrets, and fewer where their values are large, in the order of their ids after
     * `after`. A name that the new owner uses already gets a number. What is broken stays, and is counted.
     */
    moveAll: async (
      tx: Tx,
      actor: Actor,
      owner_id: UserId,
      how: HandOver,
      { after, limit }: { readonly after: string | null; readonly limit: number },
    ): Promise<{ readonly moved: readonly SecretId[]; readonly failed: number; readonly after: string | null }> => {
      const { ids, more } = await nextOf(tx, owner_id, after, limit);
      const rows =
        ids.length === 0
          ? []
          : await seals.load(tx, 'secrets', { id: ids, owner_id }, { lock: 'update', orderBy: sql`id` });
      const moved: SecretId[] = [];
      for (const row of rows) {
        const name = await nameFor(tx, row, how.to);
        if ('ok' in (await move(tx, actor, row, { ...how, name }))) moved.push(row.id);
      }
      return { moved, failed: ids.length - moved.length, after: more ? (ids.at(-1) ?? null) : null };
    },

    /** How many secrets a user owns, deleted and broken ones included. */
    count: async (tx: Tx, owner: UserId): Promise<number> => {
      const { rows } = await sql<{ count: unknown }>`select count(*) as count from public.secrets
        where owner_id = ${owner}`.execute(tx);
      return Number(rows[0]?.count ?? 0);
    },
  };
};

/** The next secrets of a user, locked: as many as are not too large together, and one at least. */
const nextOf = async (tx: Tx, owner: UserId, after: string | null, limit: number) => {
  const { rows } = await sql<{ id: unknown; length: unknown }>`select id, octet_length(encrypted_value)
      + (select coalesce(sum(octet_length(v.encrypted_value)), 0) from public.secret_versions as v
        where v.secret_id = s.id) as length
    from public.secrets as s where owner_id = ${owner} and id > ${after ?? nilId}
    order by id limit ${sql.lit(limit)} for update of s`.execute(tx);
  let length = 0;
  const fitting = rows.findIndex((row) => {
    length += Number(row.length);
    return length >= maxBatchLength;
  });
  const chosen = fitting === -1 ? rows : rows.slice(0, fitting + 1);
  const more = chosen.length < rows.length || rows.length === limit;
  return { ids: idsOf<SecretId>(chosen.map((row) => row.id)), more };
};

/** The secret's name, or another one where its new owner uses that already. */
const nameFor = async (tx: Tx, { name, deleted_at }: SecretRow, to: UserId): Promise<string> => {
  if (deleted_at !== null || !(await namesInPlace(tx, to, null, [name])).has(name)) return name;
  return freeName(name, await namesInPlace(tx, to, null, [name], true));
};

const secretIdOf = (row: SecretRow | SecretVersionRow): SecretId => ('secret_id' in row ? row.secret_id : row.id);

const conflict = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

const inSession = 'This secret belongs to a session. Transfer it to scope user first, then hand it over.';

/** The new owner is in no list of their own, and the former one has nothing unless it is shared with them again. */
const sharingAfter = (row: SecretRow, to: UserId, keep: boolean): Pick<SecretRow, 'scope' | 'shared_with'> => {
  const shared_with = keep ? row.shared_with.filter((id) => id !== to) : [];
  return { scope: shared_with.length === 0 ? 'user' : 'shared', shared_with };
};

const toldOf = (before: SecretRow, after: SecretRow): NewEvent[] => {
  const secret = { id: after.id, revision: after.revision };
  const lost = before.shared_with.filter((id) => id !== after.owner_id && !after.shared_with.includes(id));
  const details = { from: before.owner_id, to: after.owner_id };
  const handed = {
    type: 'secret.handed_over',
    to: [after.owner_id, before.owner_id, ...after.shared_with],
    secret,
    details,
  } as const;
  return lost.length === 0 ? [handed] : [handed, { type: 'secret.unshared', to: lost, secret }];
};
