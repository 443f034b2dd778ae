import { isSessionActive, type Mutate, type Standing } from '../access/index.ts';
import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { invalid, KeyholdError, sessionNotJoined } from '../core/errors.ts';
import { isUuid, newId, type SessionId, toId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { databaseNow } from '../db/checks.ts';
import { type Db, type Outcome, reading, refusedWith, type Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables.ts';
import { violatedIndex } from '../db/trouble.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { UserReference, Users } from '../users/index.ts';
import * as queries from './queries.ts';
import { type SessionView, sessionEnded, sessionOwnerOnly, viewOf } from './session.ts';

export { externalIdPattern, type SessionView } from './session.ts';

export interface CreateSession {
  readonly external_id?: string | null;
  readonly title?: string | null;
  readonly participants?: readonly UserId[];
  readonly expires_at?: Date | null;
  readonly metadata?: JsonObject;
}

export interface ChangeSession {
  readonly title?: string | null;
  readonly expires_at?: Date | null;
  readonly metadata?: JsonObject;
}

export interface Sessions {
  create(caller: Caller, input: CreateSession, request: IdempotentRequest | null): Promise<SessionView>;
  list(caller: Caller, page: Page): Promise<Paged<SessionView>>;
  get(caller: Caller, name: string): Promise<SessionView>;
  update(caller: Caller, name: string, change: ChangeSession): Promise<SessionView>;
  /** Adds a user; twice is the same as once, and who left comes back. The session's owner only. */
  addParticipant(caller: Caller, name: string, who: UserReference): Promise<SessionView>;
  /** Takes a user out: the owner anybody, everybody themself. Their keys go with them. */
  removeParticipant(caller: Caller, name: string, userId: UserId): Promise<void>;
  /** Ends the session: at once nobody reaches another's secrets in it. Twice is the same as once. */
  end(caller: Caller, name: string): Promise<SessionView>;
  /**
   * The session of a name (our id, or the platform's own among those the user is present in), when it is active and the
   * user is present in it. Null otherwise, whatever the cause. The only maker of a `VerifiedSessionId`.
   */
  verify(db: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
  /** As `verify`, within a change: session, presence and name are held until the transaction ends. */
  hold(tx: Tx, userId: UserId, name: string): Promise<VerifiedSessionId | null>;
  /** The row of a session that the caller may look at: owned or present in, also when it has ended. Throws session_not_joined. */
  open(db: Db, caller: Caller, name: string): Promise<SessionRow>;
  /** Ends every session of a user and takes them out of those of others; resolves to how many ended. */
  eraseUser(tx: Tx, userId: UserId): Promise<number>;
  /** True when the session is intact and active now, whoever asks. */
  isActive(db: Db, id: SessionId): Promise<boolean>;
  /** Ids of users who are present, by intact rows. */
  present(db: Db, id: SessionId): Promise<readonly UserId[]>;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly standing: Standing;
  readonly users: Users;
}

const externalIdTaken = (): KeyholdError =>
  new KeyholdError('name_taken', 'You have a session with this external_id already.');

/** Lowest first: transactions that hold several users take them in one order and don't wait for each other in a ring. */
const inOrder = (ids: readonly UserId[]): UserId[] => [...new Set(ids)].sort();

export const createSessions = (deps: Deps): Sessions => {
  const { db, clock, seals, audit, mutate, idempotency, standing, users } = deps;

  const now = async (handle: Db): Promise<Date> => later(clock.now(), await databaseNow(handle));

  const mayLook = async (handle: Db, userId: UserId, row: SessionRow): Promise<boolean> => {
    if (!seals.holds('sessions', row)) return false;
    if (row.owner_id === userId) return true;
    const own = await queries.participant(handle, row.id, userId);
    return own !== undefined && own.left_at === null && seals.holds('session_participants', own);
  };

  /** One's own first, then the one in which one is present; two strangers' sessions of one name are nobody's. */
  const byExternalId = async (handle: Db, userId: UserId, name: string): Promise<SessionRow | null> => {
    const rows = (await queries.sessionsByExternalId(handle, name, userId)).filter((row) =>
      seals.holds('sessions', row),
    );
    const own = rows.find((row) => row.owner_id === userId);
    if (own) return own;
    const moment = clock.now();
    const active = rows.filter((row) => isSessionActive(row, moment));
    const candidates = active.length > 0 ? active : rows;
    return candidates.length === 1 ? (candidates[0] ?? null) : null;
  };

  const find = async (handle: Db, userId: UserId, name: string): Promise<SessionRow | null> => {
    if (isUuid(name)) {
      const row = await queries.sessionById(handle, toId<SessionId>(name));
      if (row && (await mayLook(handle, userId, row))) return row;
    }
    const row = await byExternalId(handle, userId, name);
    return row && (await mayLook(handle, userId, row)) ? row : null;
  };

  const presentIn = async (handle: Db, userId: UserId, name: string): Promise<VerifiedSessionId | null> => {
    const row = await find(handle, userId, name);
    if (!row) return null;
    return (await standing.presence(handle, userId, row.id)) === null ? null : (row.id as VerifiedSessionId);
  };

  const show = async (handle: Db, rows: readonly SessionRow[]): Promise<SessionView[]> => {
    const participants = (
      await queries.participantsOf(
        handle,
        rows.map((row) => row.id),
      )
    ).filter((row) => seals.holds('session_participants', row));
    const cards = await users.cards(handle, inOrder(participants.map((row) => row.user_id)));
    const moment = clock.now();
    return rows.map((row) =>
      viewOf(
        row,
        participants.filter((one) => one.session_id === row.id),
        cards,
        moment,
      ),
    );
  };

  const showOne = async (handle: Db, row: SessionRow): Promise<SessionView> => {
    const [view] = await show(handle, [row]);
    if (!view) throw integrityBroken();
    return view;
  };

  const open = async (handle: Db, caller: Caller, name: string): Promise<SessionRow> => {
    const row = await find(handle, caller.userId, name);
    if (row === null || reachRefused(caller, row.id)) throw sessionNotJoined();
    return row;
  };

  const refuse = async <T>(
    tx: Tx,
    caller: Caller,
    action: AuditAction,
    id: SessionId | null,
    error: KeyholdError,
  ): Promise<Outcome<T>> => {
    const target = id === null ? {} : { target: { type: 'session', id } as const };
    await audit.record(tx, caller, { action, ...target, outcome: 'refused', reason: error.code });
    return refusedWith(error);
  };

  const join = (tx: Tx, sessionId: SessionId, userId: UserId, role: 'owner' | 'collaborator') =>
    seals.insert(tx, 'session_participants', {
      session_id: sessionId,
      user_id: userId,
      role,
      joined_at: clock.now(),
      left_at: null,
    });

  const insertSession = async (tx: Tx, caller: Caller, input: CreateSession): Promise<Outcome<string[]>> => {
    if (caller.boundToSession && !caller.permissions.has('secrets:own')) {
      return await refuse(
        tx,
        caller,
        'session.create',
        null,
        new KeyholdError('permission_missing', 'A token bound to a session starts no others.'),
      );
    }
    for (const id of inOrder(input.participants ?? [])) {
      if ((await users.hold(tx, { userId: id })) !== null) continue;
      return await refuse(
        tx,
        caller,
        'session.create',
        null,
        invalid('participants', 'names a user who is unknown or disabled.'),
      );
    }
    if (input.expires_at && input.expires_at.getTime() <= (await now(tx)).getTime())
      return await refuse(tx, caller, 'session.create', null, invalid('expires_at', 'must be in the future.'));
    const moment = clock.now();
    const row = await seals.insert(tx, 'sessions', {
      id: newId<SessionId>(),
      external_id: input.external_id ?? null,
      owner_id: caller.userId,
      title: input.title ?? null,
      status: 'active',
      expires_at: input.expires_at ?? null,
      ended_at: null,
      metadata: input.metadata ?? {},
      created_at: moment,
      updated_at: moment,
    });
    await join(tx, row.id, caller.userId, 'owner');
    for (const id of inOrder(input.participants ?? []))
      if (id !== caller.userId) await join(tx, row.id, id, 'collaborator');
    const participants = inOrder([caller.userId, ...(input.participants ?? [])]);
    await audit.record(tx, caller, {
      action: 'session.create',
      target: { type: 'session', id: row.id },
      outcome: 'allowed',
      details: { participants },
    });
    return { ok: [row.id] };
  };

  const createIn = async (caller: Caller, input: CreateSession, request: IdempotentRequest | null): Promise<string> => {
    try {
      const { ids } = await mutate(caller, (tx) =>
        idempotency.once(tx, caller, request, () => insertSession(tx, caller, input)),
      );
      return ids[0] ?? '';
    } catch (error) {
      if (violatedIndex(error) === 'ux_sessions_owner_external_id')
        throw new KeyholdError('name_taken', externalIdTaken().message, { cause: error });
      throw error;
    }
  };

  /** A credential bound to a session has nothing to do with other sessions, unless it carries `secrets:own`. */
  const reachRefused = (caller: Caller, id: SessionId): boolean =>
    caller.boundToSession && !caller.permissions.has('secrets:own') && caller.session !== id;

  /** A change of an active session by its owner: locked, verified, decided, then written. */
  const asOwner = <T>(
    caller: Caller,
    name: string,
    action: AuditAction,
    work: (tx: Tx, row: SessionRow) => Promise<Outcome<T>>,
  ): Promise<T> =>
    mutate(caller, async (tx) => {
      const found = await find(tx, caller.userId, name);
      const row = found && (await queries.lockSession(tx, found.id));
      if (!row || !seals.holds('sessions', row) || reachRefused(caller, row.id))
        return await refuse(tx, caller, action, found?.id ?? null, sessionNotJoined());
      if (row.owner_id !== caller.userId) return await refuse(tx, caller, action, row.id, sessionOwnerOnly());
      return await work(tx, row);
    });

  const asOwnerOfActive: typeof asOwner = (caller, name, action, work) =>
    asOwner(caller, name, action, async (tx, row) =>
      isSessionActive(row, await now(tx))
        ? await work(tx, row)
        : await refuse(tx, caller, action, row.id, sessionEnded()),
    );

  const bringIn = async (tx: Tx, row: SessionRow, userId: UserId): Promise<void> => {
    const before = await queries.lockParticipant(tx, row.id, userId);
    if (!before) await join(tx, row.id, userId, userId === row.owner_id ? 'owner' : 'collaborator');
    else if (before.left_at !== null)
      await seals.update(tx, 'session_participants', before, { left_at: null, joined_at: clock.now() });
  };

  const takeOut = (caller: Caller, name: string, userId: UserId): Promise<void> =>
    mutate(caller, async (tx) => {
      const action = 'session.participant_remove';
      const found = await find(tx, caller.userId, name);
      const row = found && (await queries.lockSession(tx, found.id));
      if (!row || !seals.holds('sessions', row) || reachRefused(caller, row.id))
        return await refuse(tx, caller, action, found?.id ?? null, sessionNotJoined());
      if (row.owner_id !== caller.userId && userId !== caller.userId)
        return await refuse(tx, caller, action, row.id, sessionOwnerOnly());
      const before = await queries.lockParticipant(tx, row.id, userId);
      if (before && before.left_at === null)
        await seals.update(tx, 'session_participants', before, { left_at: clock.now() });
      await audit.record(tx, caller, {
        action,
        target: { type: 'session', id: row.id },
        outcome: 'allowed',
        details: { user_id: userId },
      });
      return { ok: undefined };
    });

  const update = (caller: Caller, name: string, change: ChangeSession): Promise<SessionView> =>
    asOwnerOfActive(caller, name, 'session.update', async (tx, row) => {
      if (change.expires_at && change.expires_at.getTime() <= (await now(tx)).getTime())
        return await refuse(
          tx,
          caller,
          'session.update',
          row.id,
          invalid('expires_at', 'must be in the future; to end the session now, end it.'),
        );
      const changes = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      const changed = await seals.update(tx, 'sessions', row, { ...changes, updated_at: clock.now() });
      await audit.record(tx, caller, {
        action: 'session.update',
        target: { type: 'session', id: row.id },
        outcome: 'allowed',
        details: { fields: Object.keys(changes) },
      });
      return { ok: await showOne(tx, changed) };
    });

  const end = (caller: Caller, name: string): Promise<SessionView> =>
    asOwner(caller, name, 'session.end', async (tx, row) => {
      const moment = await now(tx);
      if (!isSessionActive(row, moment)) return { ok: await showOne(tx, row) };
      const ended = await seals.update(tx, 'sessions', row, { status: 'ended', ended_at: moment, updated_at: moment });
      await audit.record(tx, caller, {
        action: 'session.end',
        target: { type: 'session', id: row.id },
        outcome: 'allowed',
      });
      return { ok: await showOne(tx, ended) };
    });

  return {
    create: async (caller, input, request) => {
      const id = await createIn(caller, input, request);
      return await showOne(db, await reading(open(db, caller, id)));
    },
    list: async (caller, page) => {
      const rows = await reading(queries.listSessions(db, caller.userId, page));
      const { items, next_cursor } = pageOf(rows, page.limit, (row) => row.id);
      const seen: SessionRow[] = [];
      for (const row of items)
        if (!reachRefused(caller, row.id) && (await mayLook(db, caller.userId, row))) seen.push(row);
      return { items: await reading(show(db, seen)), next_cursor };
    },
    get: async (caller, name) => await reading(open(db, caller, name).then((row) => showOne(db, row))),
    update,
    addParticipant: (caller, name, who) =>
      asOwnerOfActive(caller, name, 'session.participant_add', async (tx, row) => {
        const user = await users.hold(tx, who);
        if (!user)
          return await refuse(
            tx,
            caller,
            'session.participant_add',
            row.id,
            invalid('userId' in who ? 'user_id' : 'username', 'names a user who is unknown or disabled.'),
          );
        await bringIn(tx, row, user.id);
        await audit.record(tx, caller, {
          action: 'session.participant_add',
          target: { type: 'session', id: row.id },
          outcome: 'allowed',
          details: { user_id: user.id },
        });
        return { ok: await showOne(tx, row) };
      }),
    removeParticipant: takeOut,
    end,
    verify: (handle, userId, name) => reading(presentIn(handle, userId, name)),
    hold: async (tx, userId, name) => {
      const id = await presentIn(tx, userId, name);
      return id !== null && (await standing.holdPresence(tx, userId, id)) ? id : null;
    },
    open: (handle, caller, name) => open(handle, caller, name),
    eraseUser: async (tx, userId) => {
      const moment = await now(tx);
      for (const row of await queries.lockPresences(tx, userId)) {
        if (seals.holds('session_participants', row))
          await seals.update(tx, 'session_participants', row, { left_at: moment });
      }
      const owned = (await queries.lockOwnedActive(tx, userId)).filter((row) => seals.holds('sessions', row));
      for (const row of owned) {
        await seals.update(tx, 'sessions', row, {
          status: 'ended',
          ended_at: moment,
          title: null,
          metadata: {},
          updated_at: moment,
        });
      }
      return owned.length;
    },
    isActive: async (handle, id) => {
      const row = await queries.sessionById(handle, id);
      return row !== undefined && seals.holds('sessions', row) && isSessionActive(row, await now(handle));
    },
    present: async (handle, id) =>
      (await queries.participantsOf(handle, [id]))
        .filter((row) => seals.holds('session_participants', row))
        .map((row) => row.user_id),
  };
};
