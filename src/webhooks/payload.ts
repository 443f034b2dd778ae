import type { JsonObject } from '../core/json.ts';
import type { EventRow } from '../db/tables/index.ts';

/** The body of every attempt. Once it is stored it is not written again, so that its bytes stay those that are signed. */
export const payloadOf = (type: string, at: Date, data: object): string =>
  JSON.stringify({ type, timestamp: at.toISOString(), data });

/** What the service's own webhooks are told: ids and closed words, no name of anybody or anything. */
export const withoutNames = ({ actor_id, secret_id, session_id, revision, details }: EventRow): JsonObject => ({
  actor: idOnly(actor_id),
  secret: idOnly(secret_id),
  session: idOnly(session_id),
  revision,
  details,
});

const idOnly = (id: string | null): JsonObject | null => (id === null ? null : { id });
