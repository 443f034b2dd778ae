import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { ClosedIdentityCountRow, ClosedIdentityRow, UserRow } from '../db/tables/index.ts';
import { createIdentityMac, createSeals, type OnNewLookupKey, type Seals, type Unsealed } from '../keys/index.ts';
import { lockAdministration } from './administrators.ts';

/** What a user is recognised by: their id, and the issuer and subject of an external one. */
export interface Identity {
  /** Null where the issuer supplies no id. */
  readonly id: UserId | null;
  readonly issuer: string | null;
  readonly subject: string | null;
}

/** What the register says of an identity; `broken` names the first row that is missing or was changed. */
export type IdentityCheck =
  | { readonly state: 'open' }
  | { readonly state: 'closed'; readonly userId: UserId }
  | { readonly state: 'broken'; readonly table: 'closed_identities' | 'closed_identity_count'; readonly key: string };

/** The number of entries, verified and locked until the transaction ends. */
export type LockedCount = ClosedIdentityCountRow;

/** The answer while the register cannot be relied on. */
export const registerBroken = (): KeyholdError =>
  new KeyholdError(
    'integrity_broken',
    'The register of disabled and erased users was changed outside of Keyhold. Until your operator restores it from a backup, users cannot be disabled, enabled or erased, and new external users cannot log in.',
  );

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
  readonly lookupKey: Uint8Array;
}

export type ClosedIdentities = ReturnType<typeof createClosedIdentities>;

/**
 * The register of disabled and erased identities. It keeps them out when their row in `users` is gone, so it must not be
 * possible to take anything out of it unnoticed: entries are only ever added, numbered without a gap, and a sealed row counts
 * them. Enabling a user adds an entry too. A row that was removed from a plain list could be put back later with its valid
 * seal, in the place of another one.
 */
export const createClosedIdentities = ({ seals, clock, lookupKey }: Deps) => {
  const mac = createIdentityMac(lookupKey);

  const macsOf = ({ id, issuer, subject }: Identity): Pick<ClosedIdentityRow, 'kind' | 'mac'>[] => [
    ...(id === null ? [] : [{ kind: 'id' as const, mac: mac('id', id) }]),
    ...(issuer === null || subject === null
      ? []
      : [{ kind: 'subject' as const, mac: mac('subject', issuer, subject) }]),
  ];

  const entriesFor =
    (state: ClosedIdentityRow['state'], created_at: Date) =>
    (user: UserRow): Entry[] =>
      macsOf(user).map((one) => ({ ...one, user_id: user.id, state, created_at }));

  const add = async (tx: Tx, count: LockedCount, entries: readonly Entry[]): Promise<LockedCount> => {
    const rows = entries.map((one, at) => ({ entry: count.entries + at + 1, ...one }));
    try {
      await seals.insertAll(tx, [{ table: 'closed_identities', rows }]);
    } catch (error) {
      // An entry of this number exists: the count is an older one.
      if (violatedIndex(error) !== undefined) throw registerBroken();
      throw error;
    }
    return await seals.update(tx, 'closed_identity_count', count, { entries: count.entries + rows.length });
  };

  /** Reads every entry, verified. Resolves to the first number at which the register is not as it was written, or null. */
  const readAll = async (tx: Tx, { entries }: LockedCount, see: (row: ClosedIdentityRow) => void) => {
    for (let first = 1; first <= entries; first += batchSize) {
      const numbers = range(first, Math.min(first + batchSize - 1, entries));
      const rows = await seals.load(tx, 'closed_identities', { entry: numbers });
      const byNumber = new Map(rows.map((row) => [row.entry, row]));
      for (const number of numbers) {
        const row = byNumber.get(number);
        if (!row) return number;
        see(row);
      }
    }
    // More of them mean that the count is an older one.
    return (await countEntries(tx)) === entries ? null : entries + 1;
  };

  return {
    /** The count, locked for a change; null when it is missing or was changed. Take it after the lock on the user. */
    lock: (tx: Tx): Promise<LockedCount | null> =>
      seals.loadOne(tx, 'closed_identity_count', theCount, { lock: 'update' }),

    /** Enters that this user is disabled or erased (`closed`), or enabled again (`open`). */
    enter: (tx: Tx, count: LockedCount, user: UserRow, state: ClosedIdentityRow['state']): Promise<LockedCount> =>
      add(tx, count, entriesFor(state, clock.now())(user)),

    /** The user who bore this identity and is disabled or erased, or null: a quick look, which proves no absence. */
    closedUser: async (tx: Tx, identity: Identity): Promise<UserId | null> => {
      const macs = macsOf(identity).map((one) => one.mac);
      const rows = await seals.load(
        tx,
        'closed_identities',
        { kind: ['id', 'subject'] },
        {
          narrow: {
            sql: sql`mac in (${sql.join(macs)})`,
            holds: (row) => macs.some((one) => one.equals(row.mac)),
          },
          orderBy: sql`entry`,
        },
      );
      return closedAmong(newestOf(rows));
    },

    /**
     * What the whole register says of an identity, every entry of it verified and counted. Nobody is entered before the
     * transaction ends.
     */
    check: async (tx: Tx, identity: Identity): Promise<IdentityCheck> => {
      const count = await seals.loadOne(tx, 'closed_identity_count', theCount, { lock: 'share' });
      if (!count) return { state: 'broken', table: 'closed_identity_count', key: String(theCount.id) };
      const macs = macsOf(identity).map((one) => one.mac);
      const rows: ClosedIdentityRow[] = [];
      const missing = await readAll(tx, count, (row) => {
        if (macs.some((one) => one.equals(row.mac))) rows.push(row);
      });
      if (missing !== null) return { state: 'broken', table: 'closed_identities', key: String(missing) };
      const userId = closedAmong(newestOf(rows));
      return userId === null ? { state: 'open' } : { state: 'closed', userId };
    },

    /**
     * Begins the register, when its key is made, with the users who are disabled or erased already and whose seals hold. Of
     * erased ones only the id is known. Throws `state_conflict` where there is a record: its key was taken away.
     */
    begin: async (tx: Tx): Promise<void> => {
      // A service of the previous version may be disabling somebody at this moment.
      await lockAdministration(tx);
      if (await hasRegister(tx))
        throw new KeyholdError(
          'state_conflict',
          'The lookup key is missing from the database although it holds a register of disabled and erased users. Restore table service_keys from a backup.',
        );
      const closed = await seals.load(tx, 'users', { status: ['disabled', 'erased'] }, { orderBy: sql`id` });
      const entries = closed.flatMap(entriesFor('closed', clock.now()));
      let count = await seals.insert(tx, 'closed_identity_count', { ...theCount, entries: 0 });
      for (let from = 0; from < entries.length; from += batchSize)
        count = await add(tx, count, entries.slice(from, from + batchSize));
    },
  };
};

/** Begins the register of closed identities where the lookup key is made. */
export const beginClosedIdentities =
  (clock: Clock): OnNewLookupKey =>
  (tx, { sealKeys, lookupKey }) =>
    createClosedIdentities({ seals: createSeals(sealKeys), clock, lookupKey }).begin(tx);

type Entry = Omit<Unsealed<'closed_identities'>, 'entry'>;

const theCount = { id: 1 } as const;

const batchSize = 1000;

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);

/** The newest entry of each MAC; the rows come in the order of their numbers. */
const newestOf = (rows: readonly ClosedIdentityRow[]): readonly ClosedIdentityRow[] => [
  ...new Map(rows.map((row) => [row.mac.toString('hex'), row])).values(),
];

const closedAmong = (newest: readonly ClosedIdentityRow[]): UserId | null =>
  newest.find((row) => row.state === 'closed')?.user_id ?? null;

const countEntries = async (tx: Tx): Promise<number> => {
  const { rows } = await sql<{ found: number }>`select count(*) as found from public.closed_identities`.execute(tx);
  return Number(rows[0]?.found);
};

const hasRegister = async (tx: Tx): Promise<boolean> => {
  const { rows } = await sql<{ found: boolean }>`select exists (select 1 from public.closed_identities)
    or exists (select 1 from public.closed_identity_count) as found`.execute(tx);
  return rows[0]?.found !== false;
};
