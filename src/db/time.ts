import { type Clock, later } from '../core/clock.ts';
import { databaseNow } from './checks.ts';
import type { Db } from './database.ts';

/** Reads the time that decides about expiry. Throws `unavailable` when the database gives no valid time. */
export type Now = (db: Db) => Promise<Date>;

/** The time that decides: the later of the service's and the database's clock, so that setting one back extends nothing. */
export const createNow =
  (clock: Clock): Now =>
  async (db) =>
    later(clock.now(), await databaseNow(db));
