import { sql } from 'kysely';
import { dayMs } from '../core/durations.ts';
import type { UserId } from '../core/ids.ts';
import { widerNetwork } from '../core/network.ts';
import type { Tx } from '../db/database.ts';
import type { LoginRow } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import type { Seals } from '../keys/index.ts';

const daysRemembered = 30;
/** Enough rows to find one that is intact. */
const maxRows = 10;

/** A login that is about to be written. */
type NewLogin = Pick<LoginRow, 'user_id' | 'ip' | 'created_at'>;

/**
 * What is told of a login from a network from which this user has not logged in for 30 days. The very first login of a user
 * is nothing to be told of.
 */
export const createNewPlace = (seals: Pick<Seals, 'load'>) => {
  /** The addresses in this network from which the user logged in since then. */
  const addressesIn = async (tx: Tx, user: UserId, since: Date, place: string): Promise<readonly string[]> => {
    const { rows } = await sql<{ ip: string }>`select distinct ip from public.logins
      where user_id = ${user} and created_at >= ${since} and ip is not null`.execute(tx);
    return rows.map(({ ip }) => ip).filter((ip) => widerNetwork(ip) === place);
  };

  const isKnown = async (tx: Tx, { user_id, created_at }: NewLogin, place: string): Promise<boolean> => {
    const since = new Date(created_at.getTime() - daysRemembered * dayMs);
    const ip = await addressesIn(tx, user_id, since, place);
    if (ip.length === 0) return false;
    const narrow = { sql: sql`created_at >= ${since}`, holds: (row: LoginRow) => row.created_at >= since };
    const rows = await seals.load(tx, 'logins', { user_id, ip }, { narrow, orderBy: sql`id desc`, limit: maxRows });
    return rows.length > 0;
  };

  const isFirst = async (tx: Tx, { user_id }: NewLogin): Promise<boolean> =>
    (await seals.load(tx, 'logins', { user_id }, { orderBy: sql`id desc`, limit: maxRows })).length === 0;

  return async (tx: Tx, login: NewLogin): Promise<readonly NewEvent[]> => {
    const place = login.ip === null ? null : widerNetwork(login.ip);
    if (place === null || (await isKnown(tx, login, place)) || (await isFirst(tx, login))) return [];
    return [{ type: 'login.new_place', to: [login.user_id], details: { network: place } }];
  };
};
