import { createHmac } from 'node:crypto';
import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { network } from '../core/network.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import { unavailable } from '../db/postgres-errors.ts';
import { usernameKey } from './user.ts';

/** The password that is tried: an account's at login, or the caller's own. Attempts at one do not count for the other. */
export type PasswordOwner = { readonly account: string } | { readonly own: UserId };

/** A password that was verified, and what to do next. */
export interface Checked<T> {
  readonly right: boolean;
  work(): Promise<T>;
}

const windowMs = 15 * 60_000;
const maxFailures = { account: 10, own: 10, address: 50 } as const;

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly digestKey: Buffer;
}

export type Throttle = ReturnType<typeof createThrottle>;

/** Limits how often somebody can guess a password. */
export const createThrottle = ({ db, clock, digestKey }: Deps) => {
  const subjectOf = (kind: keyof typeof maxFailures, text: string): Buffer =>
    createHmac('sha256', digestKey).update(`${kind}\0${text}`).digest();

  const limitOf = (owner: PasswordOwner): Limit =>
    'own' in owner
      ? { subject: subjectOf('own', owner.own), max: maxFailures.own }
      : { subject: subjectOf('account', usernameKey(owner.account)), max: maxFailures.account };

  const addressLimits = (ip: string | null): readonly Limit[] =>
    ip === null ? [] : [{ subject: subjectOf('address', network(ip)), max: maxFailures.address }];

  /** The address comes first: an address that is refused locks no account. */
  const limitsOf = (owner: PasswordOwner, ip: string | null): readonly Limit[] => [
    ...addressLimits(ip),
    limitOf(owner),
  ];

  /** Counts one more failure. Throws `unavailable` when it was not written: an attempt that isn't counted is not made. */
  const count = async (subject: Buffer, now: Date): Promise<{ failures: number; window_started_at: Date }> => {
    const oldest = new Date(now.getTime() - windowMs);
    const { rows } = await sql<{ failures: number; window_started_at: Date }>`
      insert into public.login_failures as f (subject, failures, window_started_at) values (${subject}, 1, ${now})
      on conflict (subject) do update set
        failures = case when f.window_started_at <= ${oldest} then 1 else least(f.failures + 1, 1000000) end,
        window_started_at = case when f.window_started_at <= ${oldest} then ${now} else f.window_started_at end
      returning failures, window_started_at`.execute(db);
    const [row] = rows;
    if (!row || !isCount(row)) throw unavailable(new Error('a failed login was not counted'));
    return row;
  };

  const begin = async (owner: PasswordOwner, ip: string | null): Promise<void> => {
    const now = clock.now();
    for (const { subject, max } of limitsOf(owner, ip)) {
      const row = await mapDbErrors(count(subject, now));
      if (row.failures > max) throw tooMany(row.window_started_at, now);
    }
  };

  const takeBack = async (limits: readonly Limit[]): Promise<void> => {
    if (limits.length === 0) return;
    const subjects = limits.map(({ subject }) => subject);
    await db
      .updateTable('login_failures')
      .set((eb) => ({ failures: eb('failures', '-', 1) }))
      .where('subject', 'in', subjects)
      .where('failures', '>', 0)
      .execute();
  };

  const deleteOld = async (now: Date): Promise<void> => {
    await db
      .deleteFrom('login_failures')
      .where('window_started_at', '<=', new Date(now.getTime() - windowMs))
      .execute();
  };

  const succeeded = async (owner: PasswordOwner, ip: string | null): Promise<void> => {
    await db.deleteFrom('login_failures').where('subject', '=', limitOf(owner).subject).execute();
    await takeBack(addressLimits(ip));
    await deleteOld(clock.now());
  };

  return {
    /**
     * Makes an attempt at a password: `check` verifies it, then `work` runs, whether it was right or wrong. The attempt is
     * counted before it is made, so that simultaneous attempts all count. It is not counted if the check itself failed or the
     * password was right. A wrong password stays counted whatever `work` does. A right password resets the count of its
     * owner. Throws `rate_limited` when address or owner have more failures than allowed within 15 minutes.
     */
    attempt: async <T>(owner: PasswordOwner, ip: string | null, check: () => Promise<Checked<T>>): Promise<T> => {
      await begin(owner, ip);
      const checked = check();
      await checked.catch(() => ignoringErrors(takeBack(limitsOf(owner, ip))));
      const { right, work } = await checked;
      if (right) await ignoringErrors(succeeded(owner, ip));
      return await work();
    },
  };
};

/** What failures are counted for, and how many are allowed. */
interface Limit {
  readonly subject: Buffer;
  readonly max: number;
}

/** The row has no seal, so a database may answer anything; a count that compares with nothing would limit nothing. */
const isCount = (row: { failures: unknown; window_started_at: unknown }): boolean =>
  Number.isSafeInteger(row.failures) &&
  row.window_started_at instanceof Date &&
  !Number.isNaN(row.window_started_at.getTime());

const tooMany = (startedAt: Date, now: Date): KeyholdError => {
  const left = Math.max(1, Math.ceil((startedAt.getTime() + windowMs - now.getTime()) / 1000));
  return new KeyholdError('rate_limited', `Too many failed attempts. Try again in ${left} seconds.`, {
    retryAfterSeconds: left,
  });
};

/** A count that is wrong for 15 minutes is no reason to fail the attempt. */
const ignoringErrors = (work: Promise<void>): Promise<void> => work.catch(() => undefined);
