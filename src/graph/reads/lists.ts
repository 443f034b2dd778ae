import { sql } from 'kysely';
import { isPresent } from '../../access/index.ts';
import type { Caller } from '../../core/caller.ts';
import { notFound } from '../../core/errors.ts';
import { idsOf, type SessionId } from '../../core/ids.ts';
import type { Seals } from '../../keys/index.ts';
import type { Sessions } from '../../sessions/index.ts';
import type { Cursors } from '../cursor.ts';
import type { Edges } from '../edges.ts';
import { drawNodes, observationsOf } from '../facts.ts';
import type { NodeView } from '../model.ts';
import type { NodeKind, Nodes } from '../nodes.ts';
import type { ActivityList, ActivityView, ListInput, NodeList } from '../operations.ts';
import type { Read, View } from '../read.ts';
import type { DerivedRelation } from '../vocabulary.ts';

interface Deps {
  readonly read: Read;
  readonly nodes: Nodes;
  readonly edges: Edges;
  readonly cursors: Cursors;
  readonly seals: Seals;
  readonly sessions: Pick<Sessions, 'idOf'>;
}

/** An activity holds one observation, its content; others may have been added to it. */
const maxObservations = 100;

export const createLists = ({ read, nodes, edges, cursors, seals, sessions }: Deps) => {
  const afterOf = (view: View, operation: string, { cursor }: ListInput): string | null =>
    cursor === undefined ? null : cursors.read<string>(view, operation, cursor);

  /** What a derived relation leads to from a user whom the caller sees. Throws `not_found` for any other. */
  const ofUser =
    (operation: string, way: { readonly type: DerivedRelation; readonly far: NodeKind }) =>
    (caller: Caller, userId: string, input: ListInput): Promise<NodeList> =>
      read(caller, input, { operation, facts: 'now', count: (answer) => answer.items.length }, async (view) => {
        const user = (await nodes.load(view, { user: idsOf<string>([userId]) })).get(userId);
        if (!user) throw notFound();
        const list = `${operation} ${userId}`;
        const after = afterOf(view, list, input);
        const found = await edges.farNodes(view, user, way, { limit: input.limit, after });
        const items = found.nodes.map((one) => one.node);
        const last = items.at(-1);
        return { items, next_cursor: found.more && last ? cursors.write(view, list, last.id) : null };
      });

  /** Our id of a session in which the caller is present, or was at its end. Throws `not_found`. */
  const sessionOf = async (view: View, name: string): Promise<SessionId> => {
    const { tx, sight } = view;
    const id = await sessions.idOf(tx, sight.caller, name);
    const key = { session_id: id ?? ('' as SessionId), user_id: sight.caller.userId };
    const row = id === null ? null : await seals.loadOne(tx, 'session_participants', key);
    const isReached = sight.onlySession === null || sight.onlySession === id;
    if (id === null || row === null || !isPresent(row) || !isReached) throw notFound();
    return id;
  };

  const usesOf = async (view: View, ids: readonly string[]): Promise<ReadonlyMap<string, readonly NodeView[]>> => {
    const { rows } = await sql<{ activity_id: string; use_id: string }>`select activity_id, use_id
      from public.memory_uses where activity_id = any(${ids}::uuid[]) order by use_id`.execute(view.tx);
    const found = await nodes.load(view, { use: rows.map((row) => row.use_id) });
    const byActivity = Map.groupBy(rows, (row) => row.activity_id);
    const shown = (id: string) => (byActivity.get(id) ?? []).flatMap((row) => found.get(row.use_id)?.node ?? []);
    return new Map(ids.map((id) => [id, shown(id)]));
  };

  const pageOfActivities = async (view: View, session: SessionId, input: ListInput) => {
    const after = afterOf(view, `activities ${session}`, input);
    const scope = [...view.sight.scopes.values()].find((one) => one.session_id === session);
    const { rows } = await sql<{ id: string }>`select id from public.memory_entities
      where scope_id = ${scope?.id ?? null} and is_activity and (${after}::uuid is null or id < ${after}::uuid)
      order by id desc limit ${sql.lit(input.limit + 1)}`.execute(view.tx);
    return { ids: rows.slice(0, input.limit).map((row) => row.id), more: rows.length > input.limit };
  };

  return {
    sessionsOfUser: ofUser('sessions_of_user', { type: 'has_session', far: 'session' }),
    secretsOfUser: ofUser('secrets_of_user', { type: 'owns', far: 'secret' }),

    /** The activities of a session, newest first, with the uses that the caller may see. */
    activities: (caller: Caller, name: string, input: ListInput): Promise<ActivityList> =>
      read(
        caller,
        input,
        { operation: 'activities', facts: 'now', count: (answer) => answer.items.length },
        async (view) => {
          const session = await sessionOf(view, name);
          const { ids, more } = await pageOfActivities(view, session, input);
          const found = await nodes.load(view, { entity: ids });
          const observations = await observationsOf(view, ids, { limit: maxObservations });
          const uses = await usesOf(view, ids);
          drawNodes(view, found.values());
          const items = ids.flatMap((id): ActivityView[] => {
            const one = found.get(id);
            const entity = one && { ...one.node, observations: observations.get(id)?.items ?? [] };
            return entity ? [{ entity, uses: uses.get(id) ?? [] }] : [];
          });
          const last = ids.at(-1);
          const next_cursor = more && last ? cursors.write(view, `activities ${session}`, last) : null;
          return { items, next_cursor };
        },
      ),
  };
};
