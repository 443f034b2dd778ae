import { type CallerState, isSessionActive, type Mutate } from '../access/index.ts';
import type { Audit, AuditAction, AuditDetails } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { type KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { SessionId } from '../core/ids.ts';
import { databaseNow } from '../db/checks.ts';
import type { Db, Outcome, Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { Users } from '../users/index.ts';
import { createQueries, type SessionQueries } from './queries.ts';
import { createSessionResolver, type SessionResolver } from './resolve.ts';
import { type SessionView, sessionEnded, sessionOwnerOnly, viewOf } from './session.ts';

export interface SessionsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly callerState: CallerState;
  readonly users: Users;
}

type Work<T> = (tx: Tx, row: SessionRow) => Promise<Outcome<T>>;

/** What the parts of this domain have in common. */
export interface SessionsContext extends SessionsDeps {
  readonly queries: SessionQueries;
  readonly resolver: SessionResolver;
  now(db: Db): Promise<Date>;
  show(db: Db, rows: readonly SessionRow[]): Promise<SessionView[]>;
  showOne(db: Db, row: SessionRow): Promise<SessionView>;
  /** Records that a session was changed. */
  allow<A extends AuditAction>(
    tx: Tx,
    caller: Caller,
    action: A,
    id: SessionId,
    details: AuditDetails[A],
  ): Promise<void>;
  /** Refuses, on the record. */
  refuse(
    tx: Tx,
    caller: Caller,
    action: AuditAction,
    id: SessionId | null,
    error: KeyholdError,
  ): Promise<{ refused: KeyholdError }>;
  /** The way of every change of a session: confirm the caller, find, lock, verify that it may be looked at, then `work`. */
  locked<T>(caller: Caller, name: string, action: AuditAction, work: Work<T>): Promise<T>;
  /** As `locked`, also for somebody who was in the session once. */
  lockedIfEverJoined<T>(caller: Caller, name: string, action: AuditAction, work: Work<T>): Promise<T>;
  /** As `locked`, for the session's owner only. */
  asOwner<T>(caller: Caller, name: string, action: AuditAction, work: Work<T>): Promise<T>;
  /** As `asOwner`, while the session is active. */
  asOwnerOfActive<T>(caller: Caller, name: string, action: AuditAction, work: Work<T>): Promise<T>;
}

/** A credential bound to a session has nothing to do with other sessions, unless it carries `secrets:own`. */
export const outOfReach = (caller: Caller, id: SessionId): boolean =>
  caller.boundToSession && !caller.permissions.has('secrets:own') && caller.session !== id;

export const createContext = (deps: SessionsDeps): SessionsContext => {
  const { clock, seals, audit, mutate, users } = deps;
  const queries = createQueries(seals);
  const resolver = createSessionResolver({ clock, queries });

  const now: SessionsContext['now'] = async (db) => later(clock.now(), await databaseNow(db));

  const show: SessionsContext['show'] = async (db, rows) => {
    const participants = await queries.participantsOf(
      db,
      rows.map((row) => row.id),
    );
    const cards = await users.cards(db, [...new Set(participants.map((row) => row.user_id))]);
    const moment = clock.now();
    const of = (row: SessionRow) => participants.filter((one) => one.session_id === row.id);
    return rows.map((row) => viewOf(row, of(row), cards, moment));
  };

  const refuse: SessionsContext['refuse'] = (tx, caller, action, id, error) =>
    audit.refuse(tx, caller, action, id === null ? null : { type: 'session', id }, error);

  const lockedBy =
    (find: SessionResolver['resolve']): SessionsContext['locked'] =>
    (caller, name, action, work) =>
      mutate(
        caller,
        async (tx) => {
          const found = await find(tx, caller.userId, name);
          const row = found && (await queries.lock(tx, found.id));
          const mine = row && !outOfReach(caller, row.id) && (await find(tx, caller.userId, row.id));
          return mine ? await work(tx, row) : await refuse(tx, caller, action, found?.id ?? null, sessionNotJoined());
        },
        async (tx) => caller.session !== null && (await queries.lock(tx, caller.session)),
      );

  const locked = lockedBy(resolver.resolve);

  const asOwner: SessionsContext['asOwner'] = (caller, name, action, work) =>
    locked(caller, name, action, async (tx, row) => {
      if (row.owner_id === caller.userId) return await work(tx, row);
      return await refuse(tx, caller, action, row.id, sessionOwnerOnly());
    });

  return {
    ...deps,
    queries,
    resolver,
    now,
    show,
    showOne: async (db, row) => {
      const [view] = await show(db, [row]);
      if (!view) throw integrityBroken();
      return view;
    },
    allow: (tx, caller, action, id, details) =>
      audit.allow(tx, caller, action, { target: { type: 'session', id }, details }),
    refuse,
    locked,
    lockedIfEverJoined: lockedBy(resolver.resolveEverJoined),
    asOwner,
    asOwnerOfActive: (caller, name, action, work) =>
      asOwner(caller, name, action, async (tx, row) => {
        if (isSessionActive(row, await now(tx))) return await work(tx, row);
        return await refuse(tx, caller, action, row.id, sessionEnded());
      }),
  };
};
