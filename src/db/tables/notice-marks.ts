import type { UserId } from '../../core/ids.ts';

/** How far a user has read what they were told. It decides nothing but what is shown as unread. */
export interface NoticeMarkRow {
  user_id: UserId;
  /** Everything up to this position was read. */
  position: number;
}
