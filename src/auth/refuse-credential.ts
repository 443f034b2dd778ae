import { type InvalidReason, invalidCredential } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { RequestOrigin } from '../core/caller.ts';
import type { UserId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';

/** A login or token that was presented and is not valid. */
interface Refused {
  readonly action: 'login.refused' | 'token.refused';
  readonly userId: UserId | null;
  readonly invalid: InvalidReason;
}

export type RefuseCredential = (origin: RequestOrigin, refused: Refused) => Promise<never>;

/** Throws `unauthenticated`. The refusal is recorded first where the credential was once somebody's; made-up ones are not. */
export const createRefuseCredential =
  ({ db, audit }: { readonly db: Db; readonly audit: Audit }): RefuseCredential =>
  async (origin, { action, userId, invalid }) => {
    if (userId !== null)
      await audit.recordAlone(db, { origin, userId }, { action, outcome: 'refused', reason: invalid });
    throw invalidCredential();
  };
