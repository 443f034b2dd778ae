import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely';
import type { Schema } from '../db/tables/index.ts';
import type { Subject } from './decide.ts';

type Secrets = ExpressionBuilder<Schema, 'secrets'>;
type Condition = ExpressionWrapper<Schema, 'secrets', SqlBool>;

/** The later of the two clocks, as in `decide`. */
const moment = (now: Date) => sql<Date>`greatest(${now}::timestamptz, statement_timestamp())`;

const inForce = (eb: Secrets, now: Date): Condition =>
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
        .where('present.left_at', 'is', null),
    ),
  ]);

/** Where the caller may reach: everywhere, or with a bound credential only in its session. */
const withinReach = (eb: Secrets, subject: Subject): Condition =>
  !subject.boundToSession || subject.permissions.has('secrets:own')
    ? eb.and([])
    : eb.and([eb('secrets.scope', '=', 'session'), eb('secrets.session_id', '=', subject.session)]);

/** One way to see a secret. The ways exclude each other, so that a page can merge them. */
export interface Branch {
  /** The condition on its row. */
  readonly condition: (eb: Secrets) => Condition;
  /** The one column that all its rows have the same of, and whose index has them in the order of a page; null for none. */
  readonly pagedBy: 'owner_id' | 'session_id' | null;
}

/**
 * `column = value`, said as a range: the rows in the order of this column and the id then come from the index of the two,
 * and from no other. Of an equality the planner knows that the id alone gives the same order, and may look through the
 * ids of everybody for those few.
 */
const only = (eb: Secrets, column: 'secrets.owner_id' | 'secrets.session_id', value: string): Condition =>
  eb.and([eb(column, '>=', value as never), eb(column, '<=', value as never)]);

/** Asked of the user by their id, so that it is no join that decides about the order. */
const userActive = (eb: Secrets, userId: Subject['userId']): Condition =>
  eb.and([
    eb.exists(
      eb.selectFrom('users').select('users.id').where('users.id', '=', userId).where('users.status', '=', 'active'),
    ),
  ]);

const own = (subject: Subject): Branch => ({
  condition: (eb) =>
    eb.and([only(eb, 'secrets.owner_id', subject.userId), userActive(eb, subject.userId), withinReach(eb, subject)]),
  pagedBy: 'owner_id',
});

const inSession = (subject: Subject, session: string, now: Date): Branch => ({
  condition: (eb) =>
    eb.and([
      sql<SqlBool>`secrets.scope = 'session'`,
      only(eb, 'secrets.session_id', session),
      eb('secrets.owner_id', '<>', subject.userId),
      inForce(eb, now),
      ownerActive(eb),
      ownerPresent(eb, session),
    ]),
  pagedBy: 'session_id',
});

const shared = (subject: Subject, now: Date): Branch => ({
  condition: (eb) =>
    eb.and([
      // Not a parameter: the plan for any value would not know how few these are.
      sql<SqlBool>`secrets.scope = 'shared'`,
      sql<SqlBool>`secrets.shared_with @> ${JSON.stringify([subject.userId])}::jsonb`,
      eb('secrets.owner_id', '<>', subject.userId),
      inForce(eb, now),
      ownerActive(eb),
      withinReach(eb, subject),
    ]),
  pagedBy: null,
});

/**
 * The access rule for `list`, as SQL: which rows the caller may see. It chooses the rows of a page; `decide` then has the
 * last word over each, on verified seals. A property test over generated worlds holds the two equal.
 */
export const visibleBranches = (subject: Subject, now: Date): readonly Branch[] => {
  if (!subject.permissions.has('secrets:list')) return [];
  const branches = [own(subject), shared(subject, now)];
  return subject.session === null ? branches : [...branches, inSession(subject, subject.session, now)];
};
