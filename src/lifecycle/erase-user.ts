import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { UserId } from '../core/ids.ts';
import { refusedWith } from '../db/database.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';

/**
 * Erases a user for good, in one transaction: secrets and versions, owner keys, logins, tokens, their presence everywhere
 * and everything about the person. The id stays, as a stone, so that records keep pointing at nobody else.
 */
export type Erase = (caller: Caller, id: UserId) => Promise<void>;

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly secrets: Secrets;
}

export const createErase =
  ({ audit, mutate, users, sessions, secrets }: Deps): Erase =>
  (caller, id) =>
    mutate(caller, async (tx) => {
      const target = { type: 'user', id } as const;
      const may = await users.mayErase(tx, caller, id);
      if (may !== null) {
        await audit.record(tx, caller, { action: 'user.erase', target, outcome: 'refused', reason: may.code });
        return refusedWith(may);
      }
      const { erased, unshared } = await secrets.eraseUser(tx, id);
      const ended = await sessions.eraseUser(tx, id);
      await users.erase(tx, id);
      const details = { secrets: erased, shares: unshared, sessions: ended };
      await audit.record(tx, caller, { action: 'user.erase', target, outcome: 'allowed', details });
      return { ok: undefined };
    });
