import { type ExpressionBuilder, type ExpressionWrapper, type SqlBool, sql } from 'kysely';
import type { Tables } from '../db/tables.ts';
import type { Asking } from './decide.ts';

type Secrets = ExpressionBuilder<Tables, 'secrets'>;
type Condition = ExpressionWrapper<Tables, 'secrets', SqlBool>;

/** The later of the two clocks, as in `decide`. */
const moment = (now: Date) => sql<Date>`greatest(${now}::timestamptz, statement_timestamp())`;

const inForce = (eb: Secrets, now: Date): Condition =>
  eb.and([
    eb('secrets.deleted_at', 'is', null),
    eb('secrets.is_active', '=', true),
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
        .where('present.session_id', '=', session as Tables['session_participants']['session_id'])
        .whereRef('present.user_id', '=', 'secrets.owner_id')
        .where('present.left_at', 'is', null),
    ),
  ]);

/** Where the caller may reach: everywhere, or with a bound credential only in its session. */
const withinReach = (eb: Secrets, asking: Asking): Condition =>
  !asking.boundToSession || asking.permissions.has('secrets:own')
    ? eb.and([])
    : eb.and([eb('secrets.scope', '=', 'session'), eb('secrets.session_id', '=', asking.session)]);

/** One way to see a secret, as a condition on its row. The ways exclude each other, so that a page can merge them. */
export type Branch = (eb: Secrets) => Condition;

const own =
  (asking: Asking): Branch =>
  (eb) =>
    eb.and([eb('secrets.owner_id', '=', asking.userId), ownerActive(eb), withinReach(eb, asking)]);

const inSession =
  (asking: Asking, session: string, now: Date): Branch =>
  (eb) =>
    eb.and([
      eb('secrets.scope', '=', 'session'),
      eb('secrets.session_id', '=', session),
      eb('secrets.owner_id', '<>', asking.userId),
      inForce(eb, now),
      ownerActive(eb),
      ownerPresent(eb, session),
    ]);

const shared =
  (asking: Asking, now: Date): Branch =>
  (eb) =>
    eb.and([
      eb('secrets.scope', '=', 'shared'),
      sql<SqlBool>`secrets.shared_with @> ${JSON.stringify([asking.userId])}::jsonb`,
      eb('secrets.owner_id', '<>', asking.userId),
      inForce(eb, now),
      ownerActive(eb),
      withinReach(eb, asking),
    ]);

/**
 * The access rule for `list`, as SQL: which rows the caller may see. It chooses the rows of a page; `decide` then has the
 * last word over each, on verified seals. A property test over generated worlds holds the two equal.
 */
export const visibleBranches = (asking: Asking, now: Date): readonly Branch[] => {
  if (!asking.permissions.has('secrets:list')) return [];
  const branches = [own(asking), shared(asking, now)];
  return asking.session === null ? branches : [...branches, inSession(asking, asking.session, now)];
};
