import { createHmac } from 'node:crypto';
import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { network } from '../core/network.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import { unavailable } from '../db/postgres-errors.ts';
import { usernameKey } from './user.ts';

const windowMs = 15 * 60_000;
const limits = { account: 10, own: 10, address: 50 } as const;

export interface Throttle {
  /**
   * Makes an attempt at a password: `check` says whether it is right, `work` does what follows. The attempt is counted
   * before it is made, so that a hundred at once are a hundred. It counts for nothing only when it could not be made at
   * all, or was right; what `work` comes to after a wrong one doesn't take the count back. A right one lets the account
   * start afresh. Throws `rate_limited` when the address or the account has failed too often in the last 15 minutes.
   */
  attempt<T>(whose: PasswordOwner, ip: string | null, check: () => Promise<Checked<T>>): Promise<T>;
}

/** Whose password it is: an account's, at the door, or the caller's own. The one never counts for the other. */
export type PasswordOwner = { readonly account: string } | { readonly own: UserId };

/** A password that was looked at, and what is to be done about it. */
export interface Checked<T> {
  readonly right: boolean;
  work(): Promise<T>;
}

const tooMany = (startedAt: Date, now: Date): KeyholdError => {
  const left = Math.max(1, Math.ceil((startedAt.getTime() + windowMs - now.getTime()) / 1000));
  return new KeyholdError('rate_limited', `Too many failed logins. Try again in ${left} seconds.`, {
    retryAfterSeconds: left,
  });
};

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly digestKey: Buffer;
}

export const createThrottle = ({ db, clock, digestKey }: Deps): Throttle => {
  const subject = (kind: keyof typeof limits, text: string): Buffer =>
    createHmac('sha256', digestKey).update(`${kind}\0${text}`).digest();

  const account = (whose: PasswordOwner) =>
    'own' in whose
      ? { subject: subject('own', whose.own), limit: limits.own }
      : { subject: subject('account', usernameKey(whose.account)), limit: limits.account };
  const addresses = (ip: string | null) =>
    ip === null ? [] : [{ subject: subject('address', network(ip)), limit: limits.address }];
  /** The address first: one that is refused closes no account. */
  const subjects = (whose: PasswordOwner, ip: string | null) => [...addresses(ip), account(whose)];

  /** Counts one more failure. Throws `unavailable` when it was not written: an attempt that isn't counted is not made. */
  const count = async (key: Buffer, now: Date): Promise<{ failures: number; window_started_at: Date }> => {
    const oldest = new Date(now.getTime() - windowMs);
    const { rows } = await sql<{ failures: number; window_started_at: Date }>`
      insert into public.login_failures as f (subject, failures, window_started_at) values (${key}, 1, ${now})
      on conflict (subject) do update set
        failures = case when f.window_started_at <= ${oldest} then 1 else least(f.failures + 1, 1000000) end,
        window_started_at = case when f.window_started_at <= ${oldest} then ${now} else f.window_started_at end
      returning failures, window_started_at`.execute(db);
    const [row] = rows;
    if (!row) throw unavailable(new Error('a failed login was not counted'));
    return row;
  };

  const forget = async (now: Date): Promise<void> => {
    await db
      .deleteFrom('login_failures')
      .where('window_started_at', '<=', new Date(now.getTime() - windowMs))
      .execute();
  };

  const begin = async (whose: PasswordOwner, ip: string | null): Promise<void> => {
    const now = clock.now();
    for (const { subject: key, limit } of subjects(whose, ip)) {
      const row = await mapDbErrors(count(key, now));
      if (row.failures > limit) throw tooMany(row.window_started_at, now);
    }
  };

  const giveBack = async (keys: readonly Buffer[]): Promise<void> => {
    if (keys.length === 0) return;
    await db
      .updateTable('login_failures')
      .set((eb) => ({ failures: eb('failures', '-', 1) }))
      .where('subject', 'in', keys)
      .where('failures', '>', 0)
      .execute();
  };

  const succeeded = async (whose: PasswordOwner, ip: string | null): Promise<void> => {
    await db.deleteFrom('login_failures').where('subject', '=', account(whose).subject).execute();
    await giveBack(addresses(ip).map(({ subject: key }) => key));
    await forget(clock.now());
  };

  const withdrawn = (whose: PasswordOwner, ip: string | null): Promise<void> =>
    giveBack(subjects(whose, ip).map(({ subject: key }) => key));

  /** What became of the attempt stands; that its count is wrong for 15 minutes at most is no reason to deny it. */
  const quietly = (work: Promise<void>): Promise<void> => work.catch(() => undefined);

  return {
    attempt: async (whose, ip, check) => {
      await begin(whose, ip);
      const made = check();
      await made.catch(() => quietly(withdrawn(whose, ip)));
      const { right, work } = await made;
      if (right) await quietly(succeeded(whose, ip));
      return await work();
    },
  };
};
