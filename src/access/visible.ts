import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely';
import type { Schema } from '../db/tables/index.ts';
import type { Subject } from './decide.ts';
import { presentCondition } from './presence.ts';

type Secrets = ExpressionBuilder<Schema, 'secrets'>;
type Condition = ExpressionWrapper<Schema, 'secrets', SqlBool>;

/** The later of the two clocks, as in `decide`. */
const moment = (now: Date) => sql<Date>`greatest(${now}::timestamptz, statement_timestamp())`;

const isUsable = (eb: Secrets, now: Date): Condition =>
  eb.and([
    eb('secrets.deleted_at', 'is', null),
    sql<SqlBool>`secrets.is_active`,
    eb.or([eb('secrets.expires_at', 'is', null), eb('secrets.expires_at', '>', moment(now))]),
  ]);

const ownerActive = (eb: Secrets): Condition =>
  eb.and([
    eb.exists(
      eb
        .selectFrom('users')
        .select('users.id')
        .whereRef('users.id', '=', 'secrets.owner_id')
        .where('users.status', '=', 'active'),
    ),
  ]);

const ownerPresent = (eb: Secrets, session: string): Condition =>
  eb.and([
    eb.exists(
      eb
        .selectFrom('session_participants as present')
        .select('present.user_id')
        .where('present.session_id', '=', session)
        .whereRef('present.user_id', '=', 'secrets.owner_id')
        .where(presentCondition('present')),
    ),
  ]);

/** As in `decide`: a credential that is bound to a session reaches only that session's secrets. */
const isWithinBinding = (eb: Secrets, subject: Subject): Condition =>
  !subject.boundToSession || subject.permissions.has('secrets:own')
    ? eb.and([])
    : eb.and([eb('secrets.scope', '=', 'session'), eb('secrets.session_id', '=', subject.session)]);

/** One way in which a caller can see secrets. No row matches two of them, so that a page can merge their rows. */
export interface Branch {
  /** The condition on its row. */
  readonly condition: (eb: Secrets) => Condition;
  /** The column that has one value in all its rows, and whose index returns them in the order of a page; null if none. */
  readonly pagedBy: 'owner_id' | 'session_id' | null;
}

/**
 * `column = value`, written as a range, so that the rows come from the index of this column and the id. With an equality, the
 * planner knows that the index of the id alone gives the same order, and may scan everyone's rows for these few.
 */
const equals = (eb: Secrets, column: 'secrets.owner_id' | 'secrets.session_id', value: string): Condition =>
  eb.and([eb(column, '>=', value as never), eb(column, '<=', value as never)]);

/** By the user's id and not by a join, so that no join decides about the order of the rows. */
const userActive = (eb: Secrets, userId: Subject['userId']): Condition =>
  eb.and([
    eb.exists(
      eb.selectFrom('users').select('users.id').where('users.id', '=', userId).where('users.status', '=', 'active'),
    ),
  ]);

const own = (subject: Subject): Branch => ({
  condition: (eb) =>
    eb.and([
      equals(eb, 'secrets.owner_id', subject.userId),
      userActive(eb, subject.userId),
      isWithinBinding(eb, subject),
    ]),
  pagedBy: 'owner_id',
});

const inSession = (subject: Subject, session: string, now: Date): Branch => ({
  condition: (eb) =>
    eb.and([
      sql<SqlBool>`secrets.scope = 'session'`,
      equals(eb, 'secrets.session_id', session),
      eb('secrets.owner_id', '<>', subject.userId),
      isUsable(eb, now),
      ownerActive(eb),
      ownerPresent(eb, session),
    ]),
  pagedBy: 'session_id',
});

const shared = (subject: Subject, now: Date): Branch => ({
  condition: (eb) =>
    eb.and([
      // A literal and not a parameter, since the planner must know how rare this scope is.
      sql<SqlBool>`secrets.scope = 'shared'`,
      sql<SqlBool>`secrets.shared_with @> ${JSON.stringify([subject.userId])}::jsonb`,
      eb('secrets.owner_id', '<>', subject.userId),
      isUsable(eb, now),
      ownerActive(eb),
      isWithinBinding(eb, subject),
    ]),
  pagedBy: null,
});

/**
 * The access rule for `list` in SQL. It only chooses the rows of a page; `decide` then decides about each of them, on
 * verified rows. A property test over generated worlds keeps the two equal.
 */
export const visibleBranches = (subject: Subject, now: Date): readonly Branch[] => {
  if (!subject.permissions.has('secrets:list')) return [];
  const branches = [own(subject), shared(subject, now)];
  return subject.session === null ? branches : [...branches, inSession(subject, subject.session, now)];
};
