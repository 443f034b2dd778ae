import { type RawBuilder, sql } from 'kysely';
import { hasJoined, presentCondition, stateOf } from '../access/index.ts';
import type { SessionClaim } from '../core/caller.ts';
import type { ParticipantRow } from '../db/tables/index.ts';

/** What the row of a participant says about joining. Pure; sessions/entering.ts asks it once the row is locked. */

/**
 * True for somebody who was removed by the session's owner and not invited since. A row of before there were invitations
 * does not tell who took its user out, so that they need one too.
 */
const needsInvitation = (row: ParticipantRow): boolean =>
  row.removed_at !== null || (row.left_at !== null && row.role === 'collaborator' && row.invited_at === null);

/** True while an invitation waits for an answer: of somebody who never joined, or who was removed and invited again. */
export const hasInvitation = (row: ParticipantRow): boolean => {
  if (stateOf(row) === 'invited') return true;
  const { left_at, invited_at } = row;
  return left_at !== null && invited_at !== null && !needsInvitation(row) && invited_at.getTime() > left_at.getTime();
};

/** As `hasInvitation`, to choose rows. */
export const invitationCondition = (alias: string): RawBuilder<boolean> => {
  const column = (name: string) => sql.ref(`${alias}.${name}`);
  return sql<boolean>`((${column('left_at')} is null and not ${presentCondition(alias)})
    or (${column('removed_at')} is null and ${column('invited_at')} > ${column('left_at')}))`;
};

/** When the user was invited; in a row of before there were invitations, when somebody added them. */
export const invitedAtOf = (row: ParticipantRow): Date | null =>
  row.invited_at ?? (hasJoined(row) ? null : row.joined_at);

/** By what somebody becomes present: the operation that joins, our id of the session, or an issuer's session claim. */
export type Entrance = { readonly by: 'join' | 'id' } | { readonly by: 'claim'; readonly claim: SessionClaim };

/** Whether somebody who is not present may become so. `own`: the session is theirs, so that nobody need invite them. */
export const mayEnter = (row: ParticipantRow, own: boolean, entrance: Entrance, now: Date): boolean => {
  const state = stateOf(row);
  if (state === 'invited') return true;
  if (state === 'present' || (needsInvitation(row) && !own)) return false;
  if (entrance.by === 'join') return true;
  return entrance.by === 'claim' && isIssuedSince(row, entrance.claim, now);
};

/**
 * True for a token that was issued after the user had left and, where they were removed, after they were invited again. There
 * is no leeway: a token from before they left must never bring them back.
 */
const isIssuedSince = ({ left_at, invited_at }: ParticipantRow, { issuedAt }: SessionClaim, now: Date): boolean => {
  if (issuedAt === null || left_at === null || issuedAt.getTime() > now.getTime()) return false;
  return issuedAt.getTime() > Math.max(left_at.getTime(), invited_at?.getTime() ?? 0);
};

/** What becoming present changes in the row. A claim names the session in its issuer's name space, not in the user's own. */
export const changesOnEntering = (row: ParticipantRow, entrance: Entrance, now: Date): Partial<ParticipantRow> => {
  const kept = hasJoined(row) ? row.named_since : null;
  return {
    joined_at: now,
    left_at: null,
    removed_at: null,
    invited_at: row.role === 'owner' ? row.invited_at : (row.invited_at ?? row.joined_at ?? now),
    named_since: kept ?? (entrance.by === 'claim' ? null : now),
  };
};

/** What leaving changes in the row, or null when nothing. Those who leave by themselves free the session's external id. */
export const changesOnLeaving = (
  row: ParticipantRow,
  byThemselves: boolean,
  now: Date,
): Partial<ParticipantRow> | null => {
  // After the invitation that it answers, even by a clock that was set back in between.
  const moment = new Date(Math.max(now.getTime(), row.invited_at?.getTime() ?? 0));
  const left = row.left_at === null || hasInvitation(row) ? { left_at: moment } : {};
  const freed = byThemselves && row.named_since !== null ? { named_since: null } : {};
  const removed = !byThemselves && row.removed_at === null ? { removed_at: moment } : {};
  const changes = { ...left, ...freed, ...removed };
  return Object.keys(changes).length === 0 ? null : changes;
};

/** What an invitation changes in the row of somebody who was removed, or null: others are there, invited, or free to join. */
export const changesOnInviting = (
  row: ParticipantRow,
  invitation: Pick<ParticipantRow, 'invited_by'> & { readonly invited_at: Date },
): Partial<ParticipantRow> | null => {
  if (row.left_at === null || !needsInvitation(row)) return null;
  const invited_at = new Date(Math.max(invitation.invited_at.getTime(), row.left_at.getTime() + 1));
  return { invited_at, invited_by: invitation.invited_by, removed_at: null };
};
