import type { WebhookId } from '../core/ids.ts';
import type { WebhookRow } from '../db/tables/index.ts';

/** How many webhooks a user can have, and the service. */
export const maxWebhooks = 20;

/** A webhook as its owner sees it. The key of its signatures is not shown again. */
export interface WebhookView {
  readonly id: WebhookId;
  /** True for one that gets everybody's events, as ids without names. */
  readonly service: boolean;
  readonly url: string;
  readonly event_types: readonly string[];
  readonly state: WebhookRow['state'];
  readonly off_reason: WebhookRow['off_reason'];
  /** Until when the secret before signs as well; null where it does not. */
  readonly previous_secret_until: Date | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** With the key of its signatures, which is shown when it is made and never again. */
export type WebhookWithSecret = WebhookView & { readonly secret?: string };

export const viewOf = (row: WebhookRow, now: Date): WebhookView => ({
  id: row.id,
  service: row.owner_id === null,
  url: row.url,
  event_types: row.event_types,
  state: row.state,
  off_reason: row.off_reason,
  previous_secret_until: isPreviousValid(row, now) ? row.previous_until : null,
  created_at: row.created_at,
  updated_at: row.updated_at,
});

export const isPreviousValid = ({ previous_until }: Pick<WebhookRow, 'previous_until'>, now: Date): boolean =>
  previous_until !== null && previous_until.getTime() > now.getTime();

/** Types of events as they are stored: each once, in one order. */
export const sortedTypes = (types: readonly string[]): string[] => [...new Set(types)].sort();

/** Whether a webhook gets events of this type. */
export const wants = ({ event_types }: Pick<WebhookRow, 'event_types'>, type: string): boolean =>
  event_types.length === 0 || event_types.includes(type);

/** The target of records about a webhook. */
export const webhookTarget = (id: WebhookId) => ({ type: 'webhook', id }) as const;
