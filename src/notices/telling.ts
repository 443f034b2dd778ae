import type { Caller } from '../core/caller.ts';
import type { UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { EventRow } from '../db/tables/index.ts';
import { type EventType, eventTypes } from '../events/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';

/** Who is told of an event: the user to whom it is addressed, by a credential that may reach one session only. */
export interface Viewer {
  readonly userId: UserId;
  /** The session that the credential is kept to; null where it reaches everything of its user. */
  readonly boundTo: VerifiedSessionId | null;
  /** Whether the credential may read names of secrets, and titles of sessions. */
  readonly reads: { readonly secrets: boolean; readonly sessions: boolean };
}

/** An event, and who is to be told of it. */
export interface Asked {
  readonly row: EventRow;
  readonly viewer: Viewer;
}

/** An event that its user may be told of, with the names that they may know. */
export interface Told {
  readonly row: EventRow;
  readonly type: EventType;
  /** Null where the user has no access to the secret any more. */
  readonly secretName: string | null;
  /** Null where the user may not know of the session any more. */
  readonly session: { readonly title: string | null } | null;
}

export interface Telling {
  /**
   * Decides afresh, from verified rows, who may still be told of what, many at once; each answer is at the place of its
   * question, null where the answer is no.
   */
  tell(db: Db, asked: readonly Asked[]): Promise<readonly (Told | null)[]>;
  /** Whether the user to whom this event is addressed may still be told of it. */
  mayTell(db: Db, row: EventRow): Promise<boolean>;
}

interface Deps {
  readonly users: Pick<Users, 'active'>;
  readonly sessions: Pick<Sessions, 'knownTitles'>;
  readonly secrets: Pick<Secrets, 'knownNames'>;
}

export const createTelling = ({ users, sessions, secrets }: Deps): Telling => {
  const namesOf = async (db: Db, asked: readonly Asked[]): Promise<ReadonlyMap<Asked, string | null>> => {
    const about = asked.filter(({ row }) => row.secret_id !== null);
    const names = await secrets.knownNames(
      db,
      about.flatMap(({ row: { secret_id }, viewer: { userId, boundTo } }) =>
        secret_id === null ? [] : [{ userId, secretId: secret_id, boundTo }],
      ),
    );
    return new Map(about.map((one, at) => [one, names[at] ?? null]));
  };

  const tell: Telling['tell'] = async (db, asked) => {
    if (asked.length === 0) return [];
    const active = await users.active(db, [...new Set(asked.map(({ viewer }) => viewer.userId))]);
    const names = await namesOf(db, asked);
    const titles = await sessions.knownTitles(
      db,
      asked.map(({ row, viewer }) => ({ userId: viewer.userId, sessionId: row.session_id })),
    );
    return asked.map((one, at): Told | null => {
      const { row, viewer } = one;
      if (!isEventType(row.type) || row.user_id !== viewer.userId || !active.has(viewer.userId)) return null;
      const told = { row, type: row.type, secretName: names.get(one) ?? null, session: titles[at] ?? null };
      return isWithinBinding(one) && mayKnow(told) ? withNamesFor(viewer, told) : null;
    });
  };

  return {
    tell,
    mayTell: async (db, row) => {
      if (row.user_id === null) return false;
      const [told = null] = await tell(db, [{ row, viewer: wholeViewer(row.user_id) }]);
      return told !== null;
    },
  };
};

/** A credential that is bound to a session is told of that session only, unless it carries `secrets:own`. */
export const viewerOf = ({ userId, boundToSession, session, permissions }: Caller): Viewer => ({
  userId,
  boundTo: boundToSession && !permissions.has('secrets:own') ? session : null,
  reads: { secrets: permissions.has('secrets:list'), sessions: permissions.has('sessions:read') },
});

/** The user by themselves, without a credential that narrows what they see. */
export const wholeViewer = (userId: UserId): Viewer => ({
  userId,
  boundTo: null,
  reads: { secrets: true, sessions: true },
});

/** What is told of, with the names that the credential may read. Whether it is told does not depend on them. */
const withNamesFor = ({ reads }: Viewer, told: Told): Told => ({
  ...told,
  secretName: reads.secrets ? told.secretName : null,
  session: reads.sessions ? told.session : told.session && { title: null },
});

const isEventType = (type: string): type is EventType => Object.hasOwn(eventTypes, type);

const isWithinBinding = ({ row, viewer }: Asked): boolean =>
  viewer.boundTo === null || row.session_id === viewer.boundTo;

/** What tells of the end of access is told to those who have lost it. */
const mayKnow = ({ type, secretName, session }: Told): boolean => {
  const { about, gone } = eventTypes[type];
  if (gone === 'tell') return true;
  return about === 'secret' ? secretName !== null : session !== null;
};
