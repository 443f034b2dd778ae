import { toId, type UserId } from '../core/ids.ts';
import type { UserReference } from '../users/index.ts';

/** The user whom a body names. The schema ensures that exactly one of the two fields is there. */
export const whoOf = (body: { readonly user_id?: string; readonly username?: string }): UserReference =>
  body.user_id === undefined ? { username: body.username ?? '' } : { userId: toId<UserId>(body.user_id) };
