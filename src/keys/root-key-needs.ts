import { sql } from 'kysely';
import type { Tx } from '../db/database.ts';
import type { HeartbeatRow, RootKeyRow } from '../db/tables/index.ts';
import { lastTokenExpires } from './login-keys.ts';
import { countOwnerKeys } from './prove.ts';

/** What needs a root key. */
export interface RootKeyDependents {
  readonly owner_keys: number;
  /** Logins whose refresh token was made under it and that are neither ended nor expired. */
  readonly logins: number;
}

const liveLogins = async (tx: Tx, now: Date) => {
  const { rows } = await sql<{ id: string | null; count: number }>`
    select root_key_id as id, count(*) as count from public.logins
    where ended_at is null and expires_at > ${now} group by root_key_id`.execute(tx);
  return rows;
};

/** Whether a root key is one of those that were there when root keys were first noted. */
export const isOldest = (states: readonly RootKeyRow[], id: string): boolean => {
  const oldest = Math.min(...states.map(({ added_at }) => added_at.getTime()));
  return states.some((one) => one.id === id && one.added_at.getTime() === oldest);
};

/**
 * Counts what needs each root key. A login that was last refreshed before logins named their key may need any of those that
 * were there when root keys were first noted.
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
      .filter((row) => row.id === id || (row.id === null && isOldest(states, id)))
      .reduce((sum, { count }) => sum + Number(count), 0);
  return new Map([...ids].map((id) => [id, { owner_keys: ownerKeys.get(id) ?? 0, logins: countLogins(id) }]));
};

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

/** Why a root key cannot be retired at `now`. */
export const neededFor = (
  state: RootKeyRow,
  { owner_keys, logins }: RootKeyDependents,
  services: readonly HeartbeatRow[],
  now: Date,
): readonly string[] => {
  const primary = services.filter(({ root_key_ids: [first] }) => first === state.id);
  const expires = lastTokenExpires(state);
  return [
    ...(primary.length > 0 ? [`It is the primary root key of ${plural(primary.length, 'service', 'services')}.`] : []),
    ...(owner_keys > 0
      ? [
          `It wraps ${plural(owner_keys, 'owner key', 'owner keys')}.${primary.length > 0 ? '' : ' Run "keyhold keys rewrap".'}`,
        ]
      : []),
    ...(logins > 0
      ? [`${plural(logins, 'login needs', 'logins need')} it until refreshed. Wait, or retire it with --end-logins.`]
      : []),
    ...(expires !== null && expires > now
      ? [`Access tokens that it signed may be valid until ${expires.toISOString()}.`]
      : []),
  ];
};
