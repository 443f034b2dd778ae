import { isPresent } from '../../access/index.ts';
import { idsOf, type SecretId, type SessionId, type UserId } from '../../core/ids.ts';
import type { AuditRow, SessionRow, UserRow } from '../../db/tables/index.ts';
import type { Seals } from '../../keys/index.ts';
import type { Secrets, SeenSecret } from '../../secrets/index.ts';
import type { View } from '../read.ts';
import { createAcquaintances } from './acquaintances.ts';

export type SecretNodeRow = SeenSecret['row'];

/**
 * Of given ids, the derived nodes that every viewer of the sight may see, with their verified rows. For one that is
 * hidden the same statements run as for one that does not exist.
 */
export interface Visible {
  secrets(view: View, ids: readonly string[]): Promise<ReadonlyMap<string, SecretNodeRow>>;
  users(view: View, ids: readonly string[]): Promise<ReadonlyMap<string, UserRow>>;
  sessions(view: View, ids: readonly string[]): Promise<ReadonlyMap<string, SessionRow>>;
  uses(view: View, ids: readonly string[]): Promise<ReadonlyMap<string, AuditRow>>;
}

interface Deps {
  readonly seals: Seals;
  readonly secrets: Pick<Secrets, 'seen'>;
}

const byId = <Row extends { readonly id: string }>(rows: readonly Row[]): ReadonlyMap<string, Row> =>
  new Map(rows.map((row) => [row.id, row]));

const pair = (first: string | null, second: string | null): string => `${first} ${second}`;

export const createVisible = ({ seals, secrets }: Deps): Visible => {
  const acquaintances = createAcquaintances({ seals, secrets });

  const seen = (view: View, ids: readonly string[]) => secrets.seen(view.tx, view.sight.viewers, idsOf<SecretId>(ids));

  /** `session user` of the viewers who are present in these sessions, by verified rows. */
  const presences = async ({ tx, sight }: View, ids: readonly string[]): Promise<ReadonlySet<string>> => {
    const session_id = idsOf<SessionId>(ids);
    const user_id = sight.viewers.map((one) => one.userId);
    const rows = await seals.load(tx, 'session_participants', { session_id, user_id, left_at: null });
    return new Set(rows.filter(isPresent).map((row) => pair(row.session_id, row.user_id)));
  };

  const isInReach = ({ sight }: View, sessionId: string | null): boolean =>
    sight.onlySession === null || sight.onlySession === sessionId;

  return {
    secrets: async (view, ids) => {
      if (ids.length === 0) return new Map();
      const found = await seen(view, ids);
      return byId([...found.values()].filter((one) => one.listedBy.every(Boolean)).map((one) => one.row));
    },

    users: async (view, ids) => {
      const asked = idsOf<UserId>(ids);
      if (asked.length === 0) return new Map();
      const rows = await seals.load(view.tx, 'users', { id: asked, status: 'active' });
      const known = await acquaintances(
        view,
        rows.map((row) => row.id),
      );
      return byId(rows.filter((row) => view.sight.viewers.every((one) => known.has(pair(one.userId, row.id)))));
    },

    sessions: async (view, ids) => {
      const { tx, sight } = view;
      const asked = idsOf<SessionId>(ids).filter((id) => isInReach(view, id));
      if (asked.length === 0 || !sight.caller.permissions.has('sessions:read')) return new Map();
      const rows = await seals.load(tx, 'sessions', { id: asked });
      const present = await presences(view, asked);
      return byId(rows.filter((row) => sight.viewers.every((one) => present.has(pair(row.id, one.userId)))));
    },

    uses: async (view, ids) => {
      const { tx, sight } = view;
      const asked = idsOf<string>(ids);
      if (asked.length === 0 || !sight.caller.permissions.has('secrets:list')) return new Map();
      const rows = await seals.load(tx, 'audit_log', { id: asked, action: 'secret.reveal', outcome: 'allowed' });
      const present = await presences(
        view,
        rows.flatMap((row) => row.session_id ?? []),
      );
      const found = await seen(
        view,
        rows.flatMap((row) => row.target_id ?? []),
      );
      const isVisible = (row: AuditRow): boolean =>
        sight.viewers.every((viewer, at) => {
          const secret = found.get(row.target_id as SecretId);
          if (secret?.listedBy[at] && secret.row.owner_id === viewer.userId) return true;
          // The first viewer is the caller, whose token may be bound to a session.
          if (at === 0 && !isInReach(view, row.session_id)) return false;
          return row.actor_id === viewer.userId || present.has(pair(row.session_id, viewer.userId));
        });
      return byId(rows.filter(isVisible));
    },
  };
};
