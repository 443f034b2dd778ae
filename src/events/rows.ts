import { type EventRowId, newId, type SecretId, type SessionId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Unsealed } from '../keys/index.ts';
import type { EventType } from './types.ts';

/** Something that people are told. It is written with the record of what happened, in the transaction of the change. */
export interface NewEvent {
  readonly type: EventType;
  /** Who is told; each of them once. The service's own webhooks get every event, also one that is for nobody. */
  readonly to: readonly UserId[];
  /** The secret, at the revision that the change made. */
  readonly secret?: { readonly id: SecretId; readonly revision: number };
  readonly sessionId?: SessionId;
  /** Ids, times, numbers and closed words only: names are looked up when somebody is told, and values never leave this way. */
  readonly details?: JsonObject;
  /** True where it is nobody's act, but was met in somebody's request. */
  readonly byNobody?: boolean;
}

/** Who did what an event tells of; null for the service itself and the operator. */
export interface EventActor {
  readonly userId: UserId | null;
  readonly agent: string | null;
}

const rowsOf = (
  { type, to, secret, sessionId, details, byNobody = false }: NewEvent,
  actor: EventActor,
  now: Date,
): Unsealed<'events'>[] => {
  const event = {
    event_id: newId<string>(),
    position: null,
    type,
    actor_id: byNobody ? null : actor.userId,
    agent: byNobody ? null : actor.agent,
    secret_id: secret?.id ?? null,
    session_id: sessionId ?? null,
    revision: secret?.revision ?? null,
    details: details ?? {},
    created_at: now,
  };
  const told = to.length === 0 ? [null] : [...new Set(to)];
  return told.map((user_id, at) => ({ ...event, id: newId<EventRowId>(), user_id, lead: at === 0 }));
};

/** The rows of events: one for each user who is told. */
export const eventRows = (told: readonly NewEvent[], actor: EventActor, now: Date): Unsealed<'events'>[] =>
  told.flatMap((event) => rowsOf(event, actor, now));
