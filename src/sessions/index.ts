import { isSessionActive } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { sessionNotJoined } from '../core/errors.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import type { UserReference } from '../users/index.ts';
import { type ChangeSession, endSession, eraseFromSessions, updateSession } from './change.ts';
import { createContext, outOfReach, type SessionsDeps } from './context.ts';
import { type CreateSession, createSession } from './create.ts';
import { addParticipant, removeParticipant } from './participants.ts';
import { type ProvidedSession, provideSession } from './provide.ts';
import { pageOfIds } from './queries.ts';
import type { SessionView } from './session.ts';

export type { ChangeSession } from './change.ts';
export type { CreateSession } from './create.ts';

/** Sessions of work: who is in them, and whether they are over. Wherever one is named, our id or the platform's own will do. */
export interface Sessions {
  create(caller: Caller, input: CreateSession, request: IdempotentRequest | null): Promise<SessionView>;
  list(caller: Caller, page: Page): Promise<Paged<SessionView>>;
  /** A session that the caller owns or is present in, also when it has ended. Throws session_not_joined for any other. */
  get(caller: Caller, name: string): Promise<SessionView>;
  update(caller: Caller, name: string, change: ChangeSession): Promise<SessionView>;
  addParticipant(caller: Caller, name: string, who: UserReference): Promise<SessionView>;
  removeParticipant(caller: Caller, name: string, userId: UserId): Promise<void>;
  end(caller: Caller, name: string): Promise<SessionView>;
  /** The session of a name, when it is active and the user is present in it. Null otherwise, whatever the cause. */
  verify(db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
  /** The session that a name means to the user, whatever its state; null for one that they may not look at. */
  named(db: Db, userId: UserId, name: string): Promise<SessionId | null>;
  /** As `verify`, within a change: session and presence are held until the transaction ends. */
  hold(tx: Tx, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
  /** Finds or starts an owner's session for the operator's import; see provide.ts. */
  provide(tx: Tx, caller: Caller, wanted: ProvidedSession): Promise<Outcome<VerifiedSessionId>>;
  /** Takes an erased user out of everything; resolves to how many of their sessions ended. */
  eraseUser(tx: Tx, userId: UserId): Promise<number>;
  /** True when the session is intact and active now, whoever asks. */
  isActive(db: Db, id: SessionId): Promise<boolean>;
  /** Ids of users who are present, by intact rows. */
  present(db: Db, id: SessionId): Promise<readonly UserId[]>;
}

export const createSessions = (deps: SessionsDeps): Sessions => {
  const context = createContext(deps);
  const { db, callerState, queries, resolver } = context;

  const get = async (caller: Caller, name: string): Promise<SessionView> => {
    const row = await mapDbErrors(resolver.resolve(db, caller.userId, name));
    if (row !== null && !outOfReach(caller, row.id)) return await mapDbErrors(context.showOne(db, row));
    const refused = sessionNotJoined();
    await context.audit.recordAlone(db, caller, {
      action: 'session.refused',
      outcome: 'refused',
      reason: refused.code,
    });
    throw refused;
  };

  /** Of the rows of a page, those that the caller may look at by intact rows. */
  const seenOf = async (caller: Caller, rows: readonly SessionRow[]): Promise<SessionRow[]> => {
    const joined = await queries.participantsOf(
      db,
      rows.map((row) => row.id),
    );
    const own = joined.filter((row) => row.user_id === caller.userId);
    const present = new Set(own.map((row) => row.session_id));
    const mine = (row: SessionRow): boolean => row.owner_id === caller.userId || present.has(row.id);
    return rows.filter((row) => !outOfReach(caller, row.id) && mine(row));
  };

  return {
    create: async (caller, input, request) => await get(caller, await createSession(context, caller, input, request)),
    list: async (caller, page) => {
      const ids = await mapDbErrors(pageOfIds(db, caller.userId, page));
      const { items, next_cursor } = pageOf(ids, page.limit, (id) => id);
      const seen = await mapDbErrors(seenOf(caller, await mapDbErrors(queries.byIds(db, items))));
      return { items: await mapDbErrors(context.show(db, seen)), next_cursor };
    },
    get,
    update: (caller, name, change) => updateSession(context, caller, name, change),
    addParticipant: (caller, name, who) => addParticipant(context, caller, name, who),
    removeParticipant: (caller, name, userId) => removeParticipant(context, caller, name, userId),
    end: (caller, name) => endSession(context, caller, name),
    named: async (handle, userId, name) => (await mapDbErrors(resolver.resolve(handle, userId, name)))?.id ?? null,
    verify: (handle, userId, name) => mapDbErrors(resolver.verify(handle, userId, name)),
    hold: async (tx, userId, name) => {
      const id = await resolver.verify(tx, userId, name);
      return id !== null && (await callerState.lockPresence(tx, userId, id)) ? id : null;
    },
    provide: (tx, caller, wanted) => provideSession(context, tx, caller, wanted),
    eraseUser: (tx, userId) => eraseFromSessions(context, tx, userId),
    isActive: async (handle, id) => {
      const row = await queries.byId(handle, id);
      return row !== null && isSessionActive(row, await context.now(handle));
    },
    present: async (handle, id) => {
      const rows = await queries.participantsOf(handle, [id]);
      return rows.map((row) => row.user_id);
    },
  };
};
