import type { Caller } from '../../core/caller.ts';
import { sessionNotJoined } from '../../core/errors.ts';
import type { SessionId, UserId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { Sessions } from '../../sessions/index.ts';
import { isConfined } from '../sight.ts';
import { outsideOwnSession } from './errors.ts';

/** Where a request wants a fact: a session by our id or its external one, null for the caller's own, left out: as the request. */
export type WantedPlace = string | null | undefined;

/** An item of a request, which says where it goes. */
export interface Placed {
  readonly session_id?: WantedPlace;
}

/** Whose a scope is. */
export type ScopeOwner =
  | { readonly user_id: UserId; readonly session_id: null }
  | { readonly user_id: null; readonly session_id: SessionId };

/** Where each of the wanted places is. */
export type Places = ReadonlyMap<WantedPlace, ScopeOwner>;

interface Deps {
  readonly sessions: Pick<Sessions, 'enterAndLock'>;
}

export const ownScope = (userId: UserId): ScopeOwner => ({ user_id: userId, session_id: null });

export type PlacesOf = ReturnType<typeof createPlaces>;

export const createPlaces =
  ({ sessions }: Deps) =>
  /**
   * Finds where facts go. Verifies and locks the sessions among the places. Throws `session_not_joined`, and
   * `permission_missing` where a token that is bound to a session wants to write elsewhere.
   */
  async (tx: Tx, caller: Caller, items: readonly Placed[]): Promise<Places> => {
    const placeOf = async (name: WantedPlace): Promise<ScopeOwner> => {
      if (name === null || (name === undefined && caller.session === null)) return ownScope(caller.userId);
      // The session of the request was locked when its caller was verified again.
      if (name === undefined || name === caller.session)
        return { user_id: null, session_id: caller.session as SessionId };
      const session_id = await sessions.enterAndLock(tx, caller, name);
      if (session_id === null) throw sessionNotJoined();
      return { user_id: null, session_id };
    };
    const places = new Map<WantedPlace, ScopeOwner>();
    // In one order for everybody, so that two writes do not wait for each other.
    for (const name of [...new Set(items.map((item) => item.session_id))].sort()) {
      const place = await placeOf(name);
      if (isConfined(caller) && place.session_id !== caller.session) throw outsideOwnSession();
      places.set(name, place);
    }
    return places;
  };

/** Where one of the wanted places is. */
export const placeIn = (places: Places, wanted: WantedPlace): ScopeOwner => {
  const place = places.get(wanted);
  if (!place) throw new TypeError('a place was not asked for');
  return place;
};

/** The sessions among the places. */
export const sessionsIn = (places: Places): string[] => [
  ...new Set([...places.values()].flatMap((place) => place.session_id ?? [])),
];

/** The turns of writes to these places. An external id and our id of one session have different turns, which only costs time. */
export const turnsOf = (caller: Caller, items: readonly Placed[]): string[] =>
  items.map(({ session_id: name }) => (name === undefined ? turnOf(caller) : (name?.toLowerCase() ?? caller.userId)));

/** The turn of writes to the request's own place. */
export const turnOf = (caller: Caller): string => caller.session ?? caller.userId;
