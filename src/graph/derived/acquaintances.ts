import { sql } from 'kysely';
import { isPresent, isSessionActive, presentCondition } from '../../access/index.ts';
import { idsOf, type SecretId, type SessionId, type UserId } from '../../core/ids.ts';
import type { Seals } from '../../keys/index.ts';
import type { Secrets } from '../../secrets/index.ts';
import type { View } from '../read.ts';

/** How many sessions or secrets that two users may share are verified. One is enough, unless the database was tampered with. */
const maxWitnesses = 3;

/** Two users, and what may make them visible to each other. */
interface Candidate {
  readonly viewer: UserId;
  readonly user: UserId;
  readonly ids: readonly string[];
}

interface Deps {
  readonly seals: Seals;
  readonly secrets: Pick<Secrets, 'seen'>;
}

const pair = (viewer: string, user: string): string => `${viewer} ${user}`;

/**
 * Which of these users the viewers may see: themselves, those who are present with them in an active session, and the other
 * side of a shared secret that they may list. Resolves to `viewer user` pairs.
 */
export const createAcquaintances = ({ seals, secrets }: Deps) => {
  const sessionMates = async ({ tx, sight }: View, ids: readonly UserId[]): Promise<readonly Candidate[]> => {
    const viewers = sight.viewers.map((one) => one.userId);
    const within =
      sight.onlySession === null
        ? sql`true`
        : sql`(p.user_id <> ${sight.caller.userId} or p.session_id = ${sight.onlySession})`;
    const { rows } = await sql<Candidate>`select p.user_id as viewer, q.user_id as "user",
        (array_agg(p.session_id order by p.session_id desc))[1:${sql.lit(maxWitnesses)}] as ids
      from public.session_participants as p
      join public.session_participants as q on q.session_id = p.session_id and ${presentCondition('q')}
      join public.sessions as s on s.id = p.session_id and s.status = 'active'
        and (s.expires_at is null or s.expires_at > ${sight.now}::timestamptz)
        and (s.idle_after is null or s.last_active_at is null
          or s.last_active_at + make_interval(secs => s.idle_after) > ${sight.now}::timestamptz)
      where p.user_id = any(${viewers}::uuid[]) and ${presentCondition('p')} and ${within}
        and q.user_id = any(${ids}::uuid[]) group by p.user_id, q.user_id`.execute(tx);
    return rows;
  };

  const verifiedMates = async (view: View, candidates: readonly Candidate[]): Promise<string[]> => {
    const { tx, sight } = view;
    const id = [...new Set(idsOf<SessionId>(candidates.flatMap((one) => one.ids)))];
    if (id.length === 0) return [];
    const user_id = [...new Set(candidates.flatMap((one) => [one.viewer, one.user]))];
    const sessions = await seals.load(tx, 'sessions', { id });
    const rows = await seals.load(tx, 'session_participants', { session_id: id, user_id, left_at: null });
    const active = new Set(sessions.filter((row) => isSessionActive(row, sight.now)).map((row) => row.id));
    const present = new Set(rows.filter(isPresent).map((row) => pair(row.session_id, row.user_id)));
    const met = ({ viewer, user, ids }: Candidate): boolean =>
      ids.some(
        (session) =>
          active.has(session as SessionId) && present.has(pair(session, viewer)) && present.has(pair(session, user)),
      );
    return candidates.filter(met).map(({ viewer, user }) => pair(viewer, user));
  };

  /** Secrets that one of the two owns and shares with the other. */
  const sharers = async ({ tx, sight }: View, ids: readonly UserId[]): Promise<readonly Candidate[]> => {
    const viewers = sight.viewers.map((one) => one.userId);
    const { rows } = await sql<Candidate>`select viewer, "user",
        (array_agg(id order by id desc))[1:${sql.lit(maxWitnesses)}] as ids from (
        select v.id::text as viewer, s.owner_id::text as "user", s.id from unnest(${viewers}::uuid[]) as v (id)
          join public.secrets as s on s.scope = 'shared' and s.shared_with @> jsonb_build_array(v.id::text)
          where s.owner_id = any(${ids}::uuid[]) and s.deleted_at is null and s.is_active
            and (s.expires_at is null or s.expires_at > ${sight.now}::timestamptz)
        union all select s.owner_id::text, g.id, s.id from public.secrets as s
          cross join lateral jsonb_array_elements_text(s.shared_with) as g (id)
          where s.owner_id = any(${viewers}::uuid[]) and s.scope = 'shared' and g.id = any(${ids}::text[])) as found
      group by viewer, "user"`.execute(tx);
    return rows;
  };

  const verifiedSharers = async (view: View, candidates: readonly Candidate[]): Promise<string[]> => {
    const { tx, sight } = view;
    const ids = [...new Set(idsOf<SecretId>(candidates.flatMap((one) => one.ids)))];
    const found = await secrets.seen(tx, sight.viewers, ids);
    const share = ({ viewer, user, ids: own }: Candidate): boolean => {
      const at = sight.viewers.findIndex((one) => one.userId === viewer);
      return own.some((id) => {
        const secret = found.get(id as SecretId);
        if (!secret?.listedBy[at]) return false;
        const { owner_id, shared_with } = secret.row;
        const isShared = (owner: UserId, grantee: UserId): boolean =>
          owner_id === owner && shared_with.includes(grantee);
        return isShared(viewer, user) || isShared(user, viewer);
      });
    };
    return candidates.filter(share).map(({ viewer, user }) => pair(viewer, user));
  };

  return async (view: View, ids: readonly UserId[]): Promise<ReadonlySet<string>> => {
    const { viewers } = view.sight;
    const selves = viewers.map((one) => pair(one.userId, one.userId));
    const met = await verifiedMates(view, await sessionMates(view, ids));
    const mayList = viewers.some((one) => one.permissions.has('secrets:list'));
    const shared = mayList ? await verifiedSharers(view, await sharers(view, ids)) : [];
    return new Set([...selves, ...met, ...shared]);
  };
};
