import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { UserId } from '../core/ids.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { UserCard, Users } from '../users/index.ts';
import type { PurgeOfUsers } from './purge.ts';

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly users: Pick<Users, 'erasing' | 'cards'>;
  readonly sessions: Pick<Sessions, 'erasing'>;
  readonly secrets: Pick<Secrets, 'erasing'>;
  readonly purging: Pick<PurgeOfUsers, 'count'>;
}

const maxListed = 100;

export interface Affected {
  readonly user_id: UserId;
  readonly username: string | null;
}

const affected = (cards: ReadonlyMap<UserId, UserCard>, user_id: UserId): Affected => ({
  user_id,
  username: cards.get(user_id)?.username ?? null,
});

/** What erasing a user would take away, and from whom. */
export const createPreviewErasure = ({ db, audit, users, sessions, secrets, purging }: Deps) => {
  const sharedSecrets = async (id: UserId, own: boolean) => {
    const rows = await secrets.erasing.sharedByUser(db, id, maxListed);
    const cards = await users.cards(db, [...new Set(rows.flatMap((row) => row.shared_with))]);
    return rows.map((row) => ({
      id: row.id,
      name: own ? row.name : null,
      shared_with: row.shared_with.map((user) => affected(cards, user)),
    }));
  };

  const runningSessions = async (id: UserId, own: boolean) => {
    const running = await sessions.erasing.runningWithOthers(db, id, maxListed);
    const cards = await users.cards(db, [...new Set(running.flatMap((one) => one.participants))]);
    const inside = await secrets.erasing.countInSessions(
      db,
      running.map((one) => one.id),
    );
    const secretsOf = (session: string, user: UserId): number =>
      inside.find((one) => one.session_id === session && one.owner_id === user)?.secrets ?? 0;
    return running.map((one) => ({
      id: one.id,
      title: own ? one.title : null,
      participants: one.participants.map((user) => ({ ...affected(cards, user), secrets: secretsOf(one.id, user) })),
    }));
  };

  /**
   * What an erasure would take away now: how much of what, which secrets others lose, which running sessions end for whom, and
   * what stands in its way. Names of secrets and titles of sessions are shown to the user alone. Users can look at their own,
   * administrators at everybody's. Throws `permission_missing` and `not_found`.
   */
  return async (caller: Caller, id: UserId) => {
    const target = { type: 'user', id } as const;
    const found = await mapDbErrors(users.erasing.previewErasing(db, caller, id));
    if ('refused' in found) {
      const reason = found.refused.code;
      await audit.recordAlone(db, caller, { action: 'user.erase_preview', target, outcome: 'refused', reason });
      throw found.refused;
    }
    const { user, blocking } = found.ok;
    const own = caller.userId === id;
    const { counts, shared } = await mapDbErrors(purging.count(db, id));
    const preview = {
      user_id: id,
      username: user.username,
      counts,
      shared_secrets_total: shared,
      shared_secrets: await mapDbErrors(sharedSecrets(id, own)),
      running_sessions: await mapDbErrors(runningSessions(id, own)),
      blocking: blocking === null ? [] : [{ code: blocking.code, detail: blocking.message }],
    };
    const allowed = { action: 'user.erase_preview', target, outcome: 'allowed', details: {} } as const;
    await audit.recordAlone(db, caller, allowed);
    return preview;
  };
};
