import type { UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Db } from '../db/database.ts';
import type { EventType, NewEvent } from '../events/index.ts';
import type { UserQueries } from './queries.ts';

/** What is told of an administrator's act on somebody's account: to that user and to every administrator. */
export const createToldOf =
  ({ activeAdmins }: Pick<UserQueries, 'activeAdmins'>) =>
  async (db: Db, type: EventType, id: UserId, details: JsonObject = {}): Promise<readonly NewEvent[]> => {
    const admins = (await activeAdmins(db)).map((admin) => admin.id);
    return [{ type, to: [id, ...admins], details: { user_id: id, ...details } }];
  };
