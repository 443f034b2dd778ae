import { sql } from 'kysely';
import type { Tx } from '../db/database.ts';
import type { LoginRow, RootKeyRow } from '../db/tables/index.ts';
import { countOwnerKeys, type Seals } from '../keys/index.ts';

/** What needs a root key. */
export interface RootKeyDependents {
  readonly owner_keys: number;
  /** Logins whose refresh token was made under it and that are neither ended nor expired. */
  readonly logins: number;
}

const liveLogins = async (tx: Tx, now: Date) => {
  const { rows } = await sql<{ id: string | null; created: Date; count: number }>`
    select root_key_id as id, max(created_at) as created, count(*) as count from public.logins
    where ended_at is null and expires_at > ${now} group by root_key_id`.execute(tx);
  return rows;
};

/**
 * Counts what needs each root key. A login that was last refreshed before logins named their key may need any that was known
 * then.
 */
export const rootKeyDependents = async (
  tx: Tx,
  states: readonly RootKeyRow[],
  now: Date,
): Promise<ReadonlyMap<string, RootKeyDependents>> => {
  const ownerKeys = await countOwnerKeys(tx);
  const logins = await liveLogins(tx, now);
  const ids = new Set([...states.map(({ id }) => id), ...ownerKeys.keys()]);
  const countLogins = (id: string): number =>
    logins
      .filter((row) => row.id === id || (row.id === null && isOlder(states, id, row.created)))
      .reduce((sum, { count }) => sum + Number(count), 0);
  return new Map([...ids].map((id) => [id, { owner_keys: ownerKeys.get(id) ?? 0, logins: countLogins(id) }]));
};

/** Whether a root key was known here when the newest of some logins was created. */
const isOlder = (states: readonly RootKeyRow[], id: string, created: Date): boolean => {
  const state = states.find((one) => one.id === id);
  return state === undefined || state.added_at.getTime() <= created.getTime();
};

const endedAtOnce = 200;

/**
 * Ends the next logins that need a root key, and resolves to how many. Broken rows among them are not logins, and are left out.
 */
export const endLoginsUnder = async (tx: Tx, seals: Seals, rootKeyId: string, now: Date): Promise<number> => {
  const narrow = {
    sql: sql`(root_key_id = ${rootKeyId} or root_key_id is null) and expires_at > ${now}`,
    holds: (row: LoginRow) => row.root_key_id === rootKeyId || row.root_key_id === null,
  };
  const options = { lock: 'update', narrow, orderBy: sql`id`, limit: endedAtOnce } as const;
  const rows = await seals.load(tx, 'logins', { ended_at: null }, options);
  await seals.updateAll(
    tx,
    'logins',
    rows.map((row) => ({ row, changes: { ended_at: now } })),
  );
  return rows.length;
};
