import { type RawBuilder, sql } from 'kysely';
import type { ParticipantRow } from '../db/tables/index.ts';
import type { Narrowing } from '../keys/index.ts';

export type ParticipantState = 'invited' | 'present' | 'left';

type Joining = Pick<ParticipantRow, 'role' | 'joined_at' | 'invited_at'>;

/**
 * True for a user who has ever joined by themselves, or started the session. A collaborator's row without an invitation is
 * of a version in which others put people into sessions: its `joined_at` says when, and they have joined nothing yet.
 */
export const hasJoined = ({ role, joined_at, invited_at }: Joining): boolean =>
  joined_at !== null && (role === 'owner' || invited_at !== null);

export const stateOf = (row: Joining & Pick<ParticipantRow, 'left_at'>): ParticipantState => {
  if (row.left_at !== null) return 'left';
  return hasJoined(row) ? 'present' : 'invited';
};

/** True while the user takes part: they can reach what others lent to the session, and others what they lent. */
export const isPresent = (row: Joining & Pick<ParticipantRow, 'left_at'>): boolean => stateOf(row) === 'present';

const column = (alias: string | null, name: string): RawBuilder<unknown> =>
  sql.ref(alias === null ? name : `${alias}.${name}`);

/** `hasJoined` in SQL, for the rows of `alias`. */
export const joinedCondition = (alias: string | null = null): RawBuilder<boolean> =>
  sql<boolean>`(${column(alias, 'joined_at')} is not null
    and (${column(alias, 'role')} = 'owner' or ${column(alias, 'invited_at')} is not null))`;

/** `isPresent` in SQL, for the rows of `alias`. */
export const presentCondition = (alias: string | null = null): RawBuilder<boolean> =>
  sql<boolean>`(${column(alias, 'left_at')} is null and ${joinedCondition(alias)})`;

/** Narrows participants to those who are present. */
export const present: Narrowing<'session_participants'> = { sql: presentCondition(), holds: isPresent };
