import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { loginNeeded, notFound } from '../core/errors.ts';
import type { LoginId } from '../core/ids.ts';
import { commitOrThrow, type Db, mapDbErrors, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { LoginRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import type { AuthQueries } from './queries.ts';

export interface LoginView {
  readonly id: string;
  readonly created_at: Date;
  readonly last_used_at: Date;
  readonly expires_at: Date;
  readonly ip: string | null;
  readonly user_agent: string | null;
  /** True for the login that made the request. */
  readonly current: boolean;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: AuthQueries;
}

/** A user's own logins. */
export const createLoginList = ({ db, clock, seals, audit, mutate, queries }: Deps) => {
  const endLocked = async (tx: Tx, caller: Caller, row: LoginRow): Promise<Outcome<void>> => {
    if (row.ended_at === null) await seals.update(tx, 'logins', row, { ended_at: clock.now() });
    await audit.allow(tx, caller, 'login.end', { target: { type: 'login', id: row.id }, details: {} });
    return { ok: undefined };
  };

  /** Not by the gate of changes: a login can always end itself, even while a reset of the password waits. */
  const endCurrent = (caller: Caller, id: LoginId): Promise<void> =>
    commitOrThrow(db, async (tx) => {
      const row = await queries.lockOwnLogin(tx, caller.userId, id);
      return row ? await endLocked(tx, caller, row) : refusedWith(notFound());
    });

  const endOther = (caller: Caller, id: LoginId): Promise<void> =>
    mutate(caller, async (tx) => {
      const row = await queries.lockOwnLogin(tx, caller.userId, id);
      if (row) return await endLocked(tx, caller, row);
      const target = { type: 'login', id } as const;
      return await audit.refuse(tx, caller, 'login.end', { target, error: notFound(), reason: 'nothing' });
    });

  return {
    /** Ends the login that made the request. Throws `permission_missing` for a token. */
    logout: async (caller: Caller): Promise<void> => {
      const id = currentLogin(caller);
      if (id === null) throw loginNeeded();
      await endCurrent(caller, id);
    },

    /** The logins that are neither ended nor expired, newest first. */
    list: async (caller: Caller): Promise<readonly LoginView[]> => {
      const rows = await mapDbErrors(queries.openLogins(db, caller.userId));
      const now = clock.now().getTime();
      const current = currentLogin(caller);
      return rows.filter((row) => row.expires_at.getTime() > now).map((row) => viewOf(row, current));
    },

    /** Ends one of the caller's logins; ending it again changes nothing. Throws `not_found` for any other. */
    end: (caller: Caller, id: LoginId): Promise<void> =>
      id === currentLogin(caller) ? endCurrent(caller, id) : endOther(caller, id),
  };
};

const currentLogin = ({ credential }: Caller): LoginId | null => (credential.kind === 'login' ? credential.id : null);

const viewOf = (row: LoginRow, current: LoginId | null): LoginView => ({
  id: row.id,
  created_at: row.created_at,
  last_used_at: row.last_used_at,
  expires_at: row.expires_at,
  ip: row.ip,
  user_agent: row.user_agent,
  current: row.id === current,
});
