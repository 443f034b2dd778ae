import { type RawBuilder, sql } from 'kysely';
import { isPresent, isSessionActive, presentCondition, type Subject } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { invalid, KeyholdError, sessionNotJoined } from '../core/errors.ts';
import type { SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import { readTogether } from '../db/json-rows.ts';
import type { MemoryScopeRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Mode, Reading } from './operations.ts';

/** Who sees what in one request, read within its snapshot. */
export interface Sight {
  readonly caller: Caller;
  readonly mode: Mode;
  /** The session in which the request is made. */
  readonly session: VerifiedSessionId | null;
  /** The later of the two clocks. */
  readonly now: Date;
  /** Everybody who must be allowed to see what is answered: the caller first, in mode `audience` all who are present. */
  readonly viewers: readonly Subject[];
  /** The scopes whose facts the mode shows, by id: the caller's own first, then sessions, newest first. */
  readonly scopes: ReadonlyMap<string, MemoryScopeRow>;
  /** The only session of which a credential that is bound to it sees anything; null for every other credential. */
  readonly onlySession: SessionId | null;
}

/** True for a credential that reads and writes the facts of its own session only. */
export const isConfined = (caller: Caller): boolean => caller.boundToSession && !caller.permissions.has('graph:own');

const everything = new Set(permissions);

/** Somebody else who is present in the session, and reads what is posted there. */
const reader = (userId: UserId, session: VerifiedSessionId): Subject => ({
  userId,
  session,
  permissions: everything,
  boundToSession: false,
  waiting: false,
});

const chooseMode = (caller: Caller, mode: Mode | undefined, presentUsers: number): Mode => {
  if (caller.session === null && mode !== undefined && mode !== 'all')
    throw invalid('mode', `${mode} is for requests in a session. Name one with the header X-Session-Id, or use all.`);
  if (mode === 'all' && isConfined(caller))
    throw new KeyholdError(
      'permission_missing',
      'This token is bound to a session and lacks graph:own. It reads with mode session or audience only.',
    );
  if (mode !== undefined) return mode;
  if (caller.session === null) return 'all';
  return presentUsers > 1 ? 'audience' : 'session';
};

/** The sessions in which all these users are present. */
const sharedSessions = (users: readonly UserId[]): RawBuilder<unknown> =>
  sql`select p.session_id from public.session_participants as p
    where p.user_id = any(${users}::uuid[]) and ${presentCondition('p')}
    group by p.session_id having count(*) = ${sql.lit(users.length)}`;

/** The condition on the rows of memory_scopes whose facts are shown. It only chooses; presence is verified later. */
const scopeCondition = (caller: Caller, mode: Mode, users: readonly UserId[]): RawBuilder<unknown> => {
  const { session, userId } = caller;
  if (isConfined(caller)) return sql`session_id = ${session}`;
  const own = users.length === 1 ? sql`user_id = ${userId}` : sql`false`;
  return mode === 'session'
    ? sql`(user_id = ${userId} or session_id = ${session})`
    : sql`(${own} or session_id in (${sharedSessions(users)}))`;
};

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
}

export type Sights = ReturnType<typeof createSights>;

export const createSights = ({ clock, seals }: Deps) => {
  /** Those who are present in the caller's session, by verified rows. Throws `session_not_joined` if the caller is not. */
  const presentIn = async (db: Db, caller: Caller) => {
    const { session, userId } = caller;
    const { dbNow, rows } = await readTogether(db, sql``, {
      sessions: { of: 'sessions', select: sql`select * from public.sessions where id = ${session}::uuid` },
      participants: {
        of: 'session_participants',
        select: sql`select * from public.session_participants where session_id = ${session}::uuid
          and ${presentCondition()} order by user_id`,
      },
    });
    const now = later(clock.now(), dbNow);
    if (session === null) return { now, present: [userId] };
    const [row] = seals.verify('sessions', rows.sessions, { id: session });
    const found = seals.verify('session_participants', rows.participants, { session_id: session, left_at: null });
    const present = found.filter(isPresent).map((one) => one.user_id);
    if (!row || !isSessionActive(row, now) || !present.includes(userId)) throw sessionNotJoined();
    return { now, present };
  };

  /** Computes the sight of a request. `excluded` are scopes whose presence turned out to be forged. */
  const open = async (db: Db, caller: Caller, reading: Reading, excluded: ReadonlySet<string>): Promise<Sight> => {
    const { now, present } = await presentIn(db, caller);
    const mode = chooseMode(caller, reading.mode, present.length);
    const others = mode === 'audience' ? present.filter((id) => id !== caller.userId) : [];
    const users = [caller.userId, ...others];
    const { rows } = await sql<MemoryScopeRow>`select id, user_id, session_id from public.memory_scopes
      where ${scopeCondition(caller, mode, users)} order by user_id nulls last, session_id desc`.execute(db);
    const { session } = caller;
    const viewers = [caller, ...(session === null ? [] : others.map((id) => reader(id, session)))];
    return {
      caller,
      mode,
      session,
      now,
      viewers,
      scopes: new Map(rows.filter((row) => !excluded.has(row.id)).map((row) => [row.id, row])),
      onlySession: isConfined(caller) ? session : null,
    };
  };

  return {
    open,

    /** Of these scopes of the sight, those in which the rows that made somebody present were changed outside of Keyhold. */
    forged: async (db: Db, sight: Sight, used: ReadonlySet<string>): Promise<string[]> => {
      const users = sight.viewers.map((one) => one.userId);
      const scopes = [...used].flatMap((id) => sight.scopes.get(id) ?? []);
      const unsure = scopes.filter((scope) => scope.session_id !== null && scope.session_id !== sight.session);
      if (unsure.length === 0) return [];
      const session_id = unsure.flatMap((scope) => scope.session_id ?? []);
      const rows = await seals.load(db, 'session_participants', { session_id, user_id: users, left_at: null });
      const present = new Set(rows.filter(isPresent).map((row) => `${row.session_id} ${row.user_id}`));
      return unsure
        .filter(({ session_id: session }) => !users.every((user) => present.has(`${session} ${user}`)))
        .map((scope) => scope.id);
    },
  };
};

/** Up to this many scopes an index is asked for each; beyond, the rows found otherwise are compared with all of them. */
const maxProbedScopes = 64;

/**
 * The condition that a row lies in a scope of the sight. The column in COALESCE keeps the planner from probing an index
 * once for each of thousands of scopes; it compares with a hash table instead.
 */
export const inScopes = (sight: Pick<Sight, 'scopes'>, column: string): RawBuilder<boolean> => {
  const ids = [...sight.scopes.keys()];
  const ref = sql.ref(column);
  return ids.length <= maxProbedScopes
    ? sql<boolean>`${ref} = any(${ids}::uuid[])`
    : sql<boolean>`coalesce(${ref}, ${ref}) = any(${ids}::uuid[])`;
};

/** The condition that a fact of `alias` holds at a moment; any fact where the moment is null. */
export const holdsAt = (alias: string, moment: Date | null): RawBuilder<boolean> =>
  moment === null
    ? sql<boolean>`true`
    : sql<boolean>`(${sql.ref(`${alias}.valid_at`)} is null or ${sql.ref(`${alias}.valid_at`)} <= ${moment}::timestamptz)
        and (${sql.ref(`${alias}.invalid_at`)} is null or ${sql.ref(`${alias}.invalid_at`)} > ${moment}::timestamptz)`;
