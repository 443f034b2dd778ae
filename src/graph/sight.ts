import { type RawBuilder, sql } from 'kysely';
import { isPresent, isSessionActive, presentCondition, type Subject } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { invalid, KeyholdError, sessionNotJoined } from '../core/errors.ts';
import { idsOf, type SessionId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import { readDatabaseTime } from '../db/checks.ts';
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
  /** Scopes whose presence turned out to be forged. */
  readonly excluded: readonly string[];
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

/** Selects the sessions in which all these users are present. */
const sharedSessions = (users: readonly UserId[]): RawBuilder<unknown> =>
  users.length === 1
    ? sql`select p.session_id from public.session_participants as p
        where p.user_id = ${users[0]}::uuid and ${presentCondition('p')}`
    : sql`select p.session_id from public.session_participants as p
        where p.user_id = any(${users}::uuid[]) and ${presentCondition('p')}
        group by p.session_id having count(*) = ${sql.lit(users.length)}`;

/** Selects the scopes whose facts are shown. It only chooses; presence is verified later. */
const selectScopes = (caller: Caller, mode: Mode, users: readonly UserId[]): RawBuilder<unknown> => {
  const { session, userId } = caller;
  const own = sql`select id, session_id from public.memory_scopes where user_id = ${userId}`;
  const here = sql`select id, session_id from public.memory_scopes where session_id = ${session}`;
  if (isConfined(caller)) return here;
  if (mode === 'session') return sql`${own} union all ${here}`;
  const shared = sql`select s.id, s.session_id from (${sharedSessions(users)}) as p
    join public.memory_scopes as s on s.session_id = p.session_id`;
  return users.length === 1 ? sql`${own} union all ${shared}` : shared;
};

const idLength = 36;

/** Scopes as one text, which is read several times as quickly as thousands of rows or of JSON objects are. */
const textOfScopes = (scopes: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`(select string_agg(s.id::text || coalesce(s.session_id::text, ''), ',' order by s.session_id desc nulls first)
    from (${scopes}) as s)`;

const scopesOf = (text: unknown, caller: Caller): MemoryScopeRow[] =>
  typeof text !== 'string'
    ? []
    : text.split(',').map((one) => {
        const session = one.slice(idLength);
        const [session_id = null] = idsOf<SessionId>([session]);
        return { id: one.slice(0, idLength), user_id: session_id === null ? caller.userId : null, session_id };
      });

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
}

export type Sights = ReturnType<typeof createSights>;

export const createSights = ({ clock, seals }: Deps) => {
  /** Those who are present in the caller's session, by verified rows. Throws `session_not_joined` if the caller is not. */
  const presentIn = async (db: Db, { session, userId }: Caller): Promise<readonly UserId[]> => {
    if (session === null) return [userId];
    const { dbNow, rows } = await readTogether(db, sql``, {
      sessions: { of: 'sessions', select: sql`select * from public.sessions where id = ${session}::uuid` },
      participants: {
        of: 'session_participants',
        select: sql`select * from public.session_participants where session_id = ${session}::uuid
          and ${presentCondition()} order by user_id`,
      },
    });
    const [row] = seals.verify('sessions', rows.sessions, { id: session });
    const found = seals.verify('session_participants', rows.participants, { session_id: session, left_at: null });
    const present = found.filter(isPresent).map((one) => one.user_id);
    if (!row || !isSessionActive(row, later(clock.now(), dbNow)) || !present.includes(userId)) throw sessionNotJoined();
    return present;
  };

  /** Computes the sight of a request. `excluded` are scopes whose presence turned out to be forged. */
  const open = async (db: Db, caller: Caller, reading: Reading, excluded: ReadonlySet<string>): Promise<Sight> => {
    const present = await presentIn(db, caller);
    const mode = chooseMode(caller, reading.mode, present.length);
    const others = mode === 'audience' ? present.filter((id) => id !== caller.userId) : [];
    const users = [caller.userId, ...others];
    const { rows } = await sql<{ now: unknown; scopes: unknown }>`select clock_timestamp() as now,
      ${textOfScopes(selectScopes(caller, mode, users))} as scopes`.execute(db);
    const scopes = scopesOf(rows[0]?.scopes, caller);
    const { session } = caller;
    const viewers = [caller, ...(session === null ? [] : others.map((id) => reader(id, session)))];
    return {
      caller,
      mode,
      session,
      now: later(clock.now(), readDatabaseTime(rows[0]?.now)),
      viewers,
      excluded: [...excluded],
      scopes: new Map(scopes.filter((row) => !excluded.has(row.id)).map((row) => [row.id, row])),
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

/** How many of these users are present in the session of the scope `s`. */
const presentOf = (users: readonly UserId[]): RawBuilder<unknown> =>
  sql`(select count(*) from public.session_participants as p where p.session_id = s.session_id
    and p.user_id = any(${users}::uuid[]) and ${presentCondition('p')})`;

/**
 * As `inScopes`, for rows that were found by something else: where there are many scopes, each row's own one is looked up,
 * in place of a hash table of all of them for every statement.
 */
export const isInScopes = (sight: Sight, column: string): RawBuilder<boolean> => {
  if (sight.scopes.size <= maxProbedScopes) return inScopes(sight, column);
  const users = sight.viewers.map((one) => one.userId);
  const own = users.length === 1 ? sql`s.user_id = ${sight.caller.userId}` : sql`false`;
  return sql<boolean>`coalesce((select true from public.memory_scopes as s where s.id = ${sql.ref(column)}
    and s.id <> all(${sight.excluded}::uuid[]) and (${own} or ${presentOf(users)} = ${sql.lit(users.length)})), false)`;
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
