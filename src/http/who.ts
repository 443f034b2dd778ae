import { toId, type UserId } from '../core/ids.ts';
import type { UserReference } from '../users/index.ts';

/** A user as a body names one; the schema has seen to it that exactly one of the two is there. */
export const whoOf = (body: { readonly user_id?: string; readonly username?: string }): UserReference =>
  body.user_id === undefined ? { username: body.username ?? '' } : { userId: toId<UserId>(body.user_id) };
