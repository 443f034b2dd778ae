import { idsOf, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Db } from '../db/database.ts';
import type { EventType } from '../events/index.ts';
import type { Users } from '../users/index.ts';
import type { Told } from './telling.ts';

interface Named {
  readonly id: string;
  /** Null where nobody has this id any more. */
  readonly username: string | null;
}

/** An event as people see it. It never has a value in it, and names only where they may be known now. */
export interface EventView {
  readonly id: string;
  readonly type: EventType;
  readonly at: Date;
  /** Who did it; null for the service itself and the operator. */
  readonly actor: Named | null;
  /** The agent by which they did it. */
  readonly agent: string | null;
  /** The user whom it concerns, such as the one with whom a secret was shared; null where it concerns no other. */
  readonly user: Named | null;
  readonly secret: { readonly id: string; readonly name: string | null } | null;
  readonly session: { readonly id: string; readonly title: string | null } | null;
  /** The secret's revision after the change, by which events about one secret can be ordered. */
  readonly revision: number | null;
  readonly details: JsonObject;
}

/** Shows events. The caller has decided that they may be told. */
export type ShowEvents = (db: Db, told: readonly Told[]) => Promise<readonly EventView[]>;

export const createShowEvents =
  ({ users }: { readonly users: Pick<Users, 'cards'> }): ShowEvents =>
  async (db, told) => {
    const ids = told.flatMap(({ row }) => [row.actor_id, concernedIn(row.details)]).filter((id) => id !== null);
    const cards = ids.length === 0 ? new Map() : await users.cards(db, [...new Set(ids)]);
    const named = (id: UserId | null): Named | null =>
      id === null ? null : { id, username: cards.get(id)?.username ?? null };
    return told.map(({ row, type, secretName, session }) => ({
      id: row.event_id,
      type,
      at: row.created_at,
      actor: named(row.actor_id),
      agent: row.agent,
      user: named(concernedIn(row.details)),
      secret: row.secret_id === null ? null : { id: row.secret_id, name: secretName },
      session: row.session_id === null ? null : { id: row.session_id, title: session?.title ?? null },
      revision: row.revision,
      details: row.details,
    }));
  };

/** `to` is the new owner, where something is handed over. */
const concernedIn = ({ user_id, to }: JsonObject): UserId | null => idsOf<UserId>([user_id ?? to])[0] ?? null;
