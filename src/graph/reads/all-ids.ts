import { type RawBuilder, sql } from 'kysely';
import { presentCondition } from '../../access/index.ts';
import { idsOf } from '../../core/ids.ts';
import { replanEachTime } from '../../db/pool.ts';
import { ownUses, usesInActivities, usesOfOwnSecrets, uuidOf } from '../derived/sources.ts';
import type { NodeKind } from '../nodes.ts';
import type { View } from '../read.ts';
import { inScopes } from '../sight.ts';

const entities = ({ sight }: View): RawBuilder<unknown> =>
  sql`select id from public.memory_entities where ${inScopes(sight, 'scope_id')}`;

const mySessions = ({ sight }: View): RawBuilder<unknown> =>
  sql`select m.session_id as id from public.session_participants as m
    where m.user_id = ${sight.caller.userId} and ${presentCondition('m')}`;

/** The condition that others than its owner may list a secret. */
const usable = ({ sight }: View): RawBuilder<unknown> =>
  sql`deleted_at is null and is_active and (expires_at is null or expires_at > ${sight.now}::timestamptz)`;

const secrets = (view: View): RawBuilder<unknown> => {
  const { sight } = view;
  const { userId } = sight.caller;
  return sql`select id from public.secrets where owner_id = ${userId}
    union select id from public.secrets where scope = 'session' and session_id = ${sight.session}::text and ${usable(view)}
    union select id from public.secrets where scope = 'shared'
      and shared_with @> ${JSON.stringify([userId])}::jsonb and ${usable(view)}`;
};

/** Those who are in sessions with the caller, and the other side of what is shared. */
const users = (view: View): RawBuilder<unknown> => {
  const { userId } = view.sight.caller;
  return sql`select ${userId}::uuid as id
    union select p.user_id from public.session_participants as p
      join public.sessions as s on s.id = p.session_id and s.status = 'active'
      where p.session_id in (${mySessions(view)}) and ${presentCondition('p')}
    union select owner_id from public.secrets where scope = 'shared'
      and shared_with @> ${JSON.stringify([userId])}::jsonb and ${usable(view)}
    union select ${uuidOf('g.id')} from public.secrets as s
      cross join lateral jsonb_array_elements_text(s.shared_with) as g (id)
      where s.owner_id = ${userId} and s.scope = 'shared'`;
};

const uses = (view: View): RawBuilder<unknown> =>
  sql`select id from (${ownUses(view)} union ${usesOfOwnSecrets(view)} union ${usesInActivities(view)}) as u`;

const chosen: Readonly<Record<NodeKind, (view: View) => RawBuilder<unknown>>> = {
  entity: entities,
  user: users,
  session: mySessions,
  secret: secrets,
  use: uses,
};

/** Selects `id` of the nodes of a kind that the caller may see. Nobody has verified them: they only choose. */
export const selectIds = (view: View, kind: NodeKind): RawBuilder<unknown> => chosen[kind](view);

/**
 * Ids of nodes of a kind that the caller may see, newest first, `limit` at most after one of them. They only choose: what is
 * shown is verified by loading it.
 */
export const idsOfKind = async (
  view: View,
  kind: NodeKind,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<string[]> => {
  const { rows } = await sql<{ id: unknown }>`${sql.raw(replanEachTime)}
    select id from (${selectIds(view, kind)}) as c where c.id is not null
      and (${after}::uuid is null or c.id < ${after}::uuid) order by c.id desc limit ${sql.lit(limit)}`.execute(
    view.tx,
  );
  return idsOf<string>(rows.map((row) => row.id));
};
