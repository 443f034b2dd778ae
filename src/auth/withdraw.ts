import { sql } from 'kysely';
import type { Clock } from '../core/clock.ts';
import type { LoginId, TokenId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { scanRows } from '../db/scan.ts';
import type { Seals } from '../keys/index.ts';
import { createQueries } from './queries.ts';

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

/**
 * Ends logins and tokens without asking who may do so, for a database that was restored. Each function for one of them
 * resolves to false where there is no such intact row, which then lets nobody in.
 */
export const createCredentialWithdrawals = ({ seals, clock }: Deps) => {
  const queries = createQueries(seals);
  return {
    endLogin: async (tx: Tx, id: LoginId): Promise<boolean> => {
      const row = await queries.lockLogin(tx, id);
      if (row !== null && row.ended_at === null) await seals.update(tx, 'logins', row, { ended_at: clock.now() });
      return row !== null;
    },
    /** Brings a login to where this many refreshes brought it, so that no refresh token of before is accepted again. */
    advanceLogin: async (tx: Tx, id: LoginId, refreshes: number): Promise<boolean> => {
      const row = await queries.lockLogin(tx, id);
      if (row !== null)
        await seals.update(tx, 'logins', row, { refresh_generation: row.refresh_generation + refreshes });
      return row !== null;
    },
    revokeToken: async (tx: Tx, id: TokenId): Promise<boolean> => {
      const row = await seals.loadOne(tx, 'tokens', { id }, { lock: 'update' });
      if (row !== null && row.revoked_at === null) await seals.update(tx, 'tokens', row, { revoked_at: clock.now() });
      return row !== null;
    },
    /** Ends every login. Resolves to how many. */
    endAllLogins: async (tx: Tx): Promise<number> => {
      await sql`lock table public.logins in exclusive mode`.execute(tx);
      let count = 0;
      for await (const rows of scanRows(tx, 'logins'))
        for (const row of seals.verify('logins', rows, { ended_at: null })) {
          await seals.update(tx, 'logins', row, { ended_at: clock.now() });
          count += 1;
        }
      return count;
    },
    /** Revokes every token. Resolves to how many. */
    revokeAllTokens: async (tx: Tx): Promise<number> => {
      await sql`lock table public.tokens in exclusive mode`.execute(tx);
      let count = 0;
      for await (const rows of scanRows(tx, 'tokens'))
        for (const row of seals.verify('tokens', rows, { revoked_at: null })) {
          await seals.update(tx, 'tokens', row, { revoked_at: clock.now() });
          count += 1;
        }
      return count;
    },
  };
};
