import { type RawBuilder, sql } from 'kysely';
import { presentCondition } from '../../access/index.ts';
import type { NodeKind } from '../nodes.ts';
import type { View } from '../read.ts';
import { isInScopes } from '../sight.ts';
import type { DerivedRelation } from '../vocabulary.ts';

/**
 * One kind of derived relation, followed in one direction. `far` selects the far ends of the node `n.id` as `id`. It only
 * chooses: the far ends are verified before an edge is shown. It should choose few that turn out to be hidden.
 */
export interface Source {
  readonly type: DerivedRelation;
  readonly near: NodeKind;
  readonly direction: 'in' | 'out';
  readonly far: NodeKind;
  readonly chosen: (view: View, newest: Newest) => RawBuilder<unknown>;
}

/** Narrows rows to the newest of the page, by the column of their ids. The whole of what was chosen is narrowed anyway. */
export type Newest = (column: string) => RawBuilder<unknown>;

/** Rows of their own and of secrets that they own are all visible to a user, so that these bounds count nothing hidden. */
const maxRecords = 5000;
const maxOwnSecrets = 100;
const maxUsesOfSecret = 100;

const me = ({ sight }: View): string => sight.caller.userId;

/** The condition that the caller is present in a session. */
const iAmPresent = (view: View, session: string): RawBuilder<unknown> =>
  sql`exists (select 1 from public.session_participants as m where m.session_id = ${sql.ref(session)}
    and m.user_id = ${me(view)} and ${presentCondition('m')})`;

const isReveal = (alias: string): RawBuilder<unknown> =>
  sql`${sql.ref(`${alias}.action`)} = 'secret.reveal' and ${sql.ref(`${alias}.outcome`)} = 'allowed'`;

const secretsOfUser = (view: View) => sql`select s.id from public.secrets as s
  where s.owner_id = n.id and (s.owner_id = ${me(view)}
    or (s.scope = 'session' and s.session_id = ${view.sight.session}::text)
    or (s.scope = 'shared' and s.shared_with @> ${JSON.stringify([me(view)])}::jsonb))`;

const sessionsOwned = (view: View) => sql`select s.id from public.sessions as s
  where s.owner_id = n.id and ${iAmPresent(view, 's.id')}`;

const sessionsOfUser = (view: View) => sql`select p.session_id as id from public.session_participants as p
  where p.user_id = n.id and ${presentCondition('p')} and ${iAmPresent(view, 'p.session_id')}`;

const participants = () => sql`select p.user_id as id from public.session_participants as p
  where p.session_id = n.id and ${presentCondition('p')}`;

/** The condition on a share of the secret `s`: it is visible to the secret's owner and to the grantee, and to nobody else. */
const seesShare = ({ sight }: View, grantee: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql.join(
    sight.viewers.map(({ userId }) => sql`(s.owner_id = ${userId}::uuid or ${grantee} = ${userId}::text)`),
    sql` and `,
  );

const sharedWithUser = (view: View) => sql`select s.id from public.secrets as s
  where s.scope = 'shared' and s.shared_with @> jsonb_build_array(n.id::text) and ${seesShare(view, sql`n.id::text`)}`;

/** A text column as an id; null where somebody put there what is none, which a cast would fail on. */
export const uuidOf = (column: string): RawBuilder<unknown> => {
  const ref = sql.ref(column);
  return sql`(case when ${ref} ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then ${ref}::uuid end)`;
};

const grantees = (view: View) => sql`select ${uuidOf('g.id')} as id from public.secrets as s
  cross join lateral jsonb_array_elements_text(s.shared_with) as g (id)
  where s.id = n.id and s.scope = 'shared' and ${seesShare(view, sql`g.id`)}`;

const secretsInSession = (view: View) => sql`select s.id from public.secrets as s
  where s.scope = 'session' and s.session_id = n.id::text
    and (s.owner_id = ${me(view)} or n.id = ${view.sight.session}::uuid)`;

/** The caller's own newest uses. */
export const ownUses = (
  view: View,
) => sql`select r.id, r.actor_id, r.target_id from (select id, actor_id, target_id, action,
    outcome from public.audit_log where actor_id = ${me(view)} order by id desc limit ${sql.lit(maxRecords)}) as r
  where ${isReveal('r')}`;

/** The newest uses of the caller's newest secrets. */
export const usesOfOwnSecrets = (
  view: View,
) => sql`select r.id, r.actor_id, r.target_id from (select id from public.secrets
    where owner_id = ${me(view)} order by id desc limit ${sql.lit(maxOwnSecrets)}) as s
  cross join lateral (select u.id, u.actor_id, u.target_id from public.audit_log as u
    where u.target_id = s.id and ${isReveal('u')} order by u.id desc limit ${sql.lit(maxUsesOfSecret)}) as r`;

/** Uses that activities of the visible scopes contain. */
export const usesInActivities = (
  view: View,
) => sql`select r.id, r.actor_id, r.target_id from public.memory_entities as e
  join public.memory_uses as c on c.activity_id = e.id join public.audit_log as r on r.id = c.use_id
  where e.is_activity and ${isInScopes(view.sight, 'e.scope_id')}`;

const usesBy = (view: View) => sql`select id from (${ownUses(view)} union ${usesOfOwnSecrets(view)}
  union ${usesInActivities(view)}) as u where u.actor_id = n.id`;

/** All uses of a secret for its owner; for others their own, and those that activities tell of. */
const usesOf: Source['chosen'] = (view, newest) => sql`(select r.id from public.audit_log as r
    where r.target_id = n.id and ${isReveal('r')} and exists (select 1 from public.secrets as s
      where s.id = n.id and s.owner_id = ${me(view)}) ${newest('r.id')})
  union select id from (${ownUses(view)} union ${usesInActivities(view)}) as u where u.target_id = n.id`;

const activitiesBy = (view: View) => sql`select e.id from public.memory_entities as e
  where e.author_id = n.id and e.is_activity and ${isInScopes(view.sight, 'e.scope_id')}`;

const activitiesIn = (view: View) => sql`select e.id from public.memory_scopes as m
  join public.memory_entities as e on e.scope_id = m.id
  where m.session_id = n.id and e.is_activity and ${isInScopes(view.sight, 'm.id')}`;

const source = (
  type: DerivedRelation,
  [near, direction, far]: readonly [NodeKind, 'in' | 'out', NodeKind],
  chosen: Source['chosen'],
): Source => ({ type, near, direction, far, chosen });

/** Every derived relation, in both directions. */
export const sources: readonly Source[] = [
  source('owns', ['user', 'out', 'secret'], secretsOfUser),
  source('owns', ['user', 'out', 'session'], sessionsOwned),
  source(
    'owns',
    ['secret', 'in', 'user'],
    () => sql`select s.owner_id as id from public.secrets as s where s.id = n.id`,
  ),
  source(
    'owns',
    ['session', 'in', 'user'],
    () => sql`select s.owner_id as id from public.sessions as s where s.id = n.id`,
  ),
  source('has_session', ['user', 'out', 'session'], sessionsOfUser),
  source('has_session', ['session', 'in', 'user'], participants),
  source('has_participant', ['session', 'out', 'user'], participants),
  source('has_participant', ['user', 'in', 'session'], sessionsOfUser),
  source('has_secret', ['session', 'out', 'secret'], secretsInSession),
  source(
    'has_secret',
    ['secret', 'in', 'session'],
    () => sql`select p.id from public.secrets as s join public.sessions as p on p.id = ${uuidOf('s.session_id')}
      where s.id = n.id and s.scope = 'session'`,
  ),
  source('shared_with', ['secret', 'out', 'user'], grantees),
  source('shared_with', ['user', 'in', 'secret'], sharedWithUser),
  source(
    'used_secret',
    ['use', 'out', 'secret'],
    () => sql`select r.target_id as id from public.audit_log as r where r.id = n.id`,
  ),
  source('used_secret', ['secret', 'in', 'use'], usesOf),
  source(
    'performed_by',
    ['use', 'out', 'user'],
    () => sql`select r.actor_id as id from public.audit_log as r where r.id = n.id`,
  ),
  source('performed_by', ['user', 'in', 'use'], usesBy),
  source(
    'performed_by',
    ['entity', 'out', 'user'],
    () => sql`select e.author_id as id from public.memory_entities as e
    where e.id = n.id and e.is_activity`,
  ),
  source('performed_by', ['user', 'in', 'entity'], activitiesBy),
  source('has_activity', ['session', 'out', 'entity'], activitiesIn),
  source(
    'has_activity',
    ['entity', 'in', 'session'],
    () => sql`select m.session_id as id from public.memory_entities as e
    join public.memory_scopes as m on m.id = e.scope_id where e.id = n.id and e.is_activity`,
  ),
  source(
    'contains',
    ['entity', 'out', 'use'],
    () => sql`select c.use_id as id from public.memory_uses as c
    where c.activity_id = n.id`,
  ),
  source(
    'contains',
    ['use', 'in', 'entity'],
    (view) => sql`select c.activity_id as id from public.memory_uses as c
    join public.memory_entities as e on e.id = c.activity_id
    where c.use_id = n.id and ${isInScopes(view.sight, 'e.scope_id')}`,
  ),
];
