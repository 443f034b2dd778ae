import { Type } from 'typebox';
import { eventTypes } from '../../events/index.ts';
import { maxTargetBytes } from '../../outbound/index.ts';
import { ById, Id, Instant, nullable, PageQuery, strict, Text } from './common.ts';

const webhookExample = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e31',
  service: false,
  url: 'https://hooks.example.org/keyhold',
  event_types: ['secret.expiring', 'secret.shared'],
  state: 'active',
  off_reason: null,
  previous_secret_until: null,
  created_at: '2026-11-24T09:00:00.000Z',
  updated_at: '2026-11-24T09:00:00.000Z',
};

const EventType = Type.Enum(Object.keys(eventTypes), { title: 'EventType' });
const EventTypes = Type.Array(EventType, {
  maxItems: 64,
  description: 'The types of events that it gets; empty for all',
});
const WebhookState = Type.Enum(['active', 'off'], { title: 'WebhookState' });
const Url = Text({ minLength: 1, maxLength: maxTargetBytes });

const webhookFields = {
  id: Type.String(),
  service: Type.Boolean({ description: 'Whether it gets everybody’s events, as ids without names' }),
  url: Type.String(),
  event_types: Type.Array(Type.String(), { description: 'The types of events that it gets; empty for all' }),
  state: WebhookState,
  off_reason: nullable(
    Type.Enum(['requested', 'gone'], { title: 'WebhookOffReason', description: 'Why it is off: gone after a 410' }),
  ),
  previous_secret_until: nullable(Instant),
  created_at: Instant,
  updated_at: Instant,
};

const secretExample = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAAAAAAAAAAA=';

export const Webhook = Type.Object(webhookFields, { title: 'Webhook', examples: [webhookExample] });

export const WebhookWithSecret = Type.Object(
  {
    ...webhookFields,
    secret: Type.Optional(Type.String({ description: 'The key of its signatures. Shown this once' })),
  },
  { title: 'WebhookWithSecret', examples: [{ ...webhookExample, secret: secretExample }] },
);

export const WebhookList = Type.Object(
  { webhooks: Type.Array(Webhook), next_cursor: nullable(Type.String()) },
  { title: 'WebhookList', examples: [{ webhooks: [webhookExample], next_cursor: null }] },
);

export const CreateWebhookBody = strict(
  {
    url: Url,
    event_types: Type.Optional(EventTypes),
    service: Type.Optional(Type.Boolean({ default: false, description: 'Administrators only' })),
  },
  {
    title: 'CreateWebhookRequest',
    examples: [{ url: webhookExample.url, event_types: webhookExample.event_types }],
  },
);

export const ChangeWebhookBody = strict(
  {
    url: Type.Optional(Url),
    event_types: Type.Optional(EventTypes),
    state: Type.Optional(WebhookState),
  },
  { title: 'ChangeWebhookRequest', minProperties: 1, examples: [{ state: 'active' }] },
);

export const RotateSecretBody = strict(
  {
    keep_previous: Type.Optional(
      Type.Boolean({ default: true, description: 'Whether the secret before signs as well for 24 hours' }),
    ),
  },
  { title: 'RotateWebhookSecretRequest', examples: [{ keep_previous: false }] },
);

const deliveryExample = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e41',
  event_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e42',
  event_type: 'secret.expiring',
  state: 'pending',
  attempts: 2,
  next_attempt_at: '2026-11-24T09:02:00.000Z',
  last_status: 503,
  last_error: 'status',
  created_at: '2026-11-24T09:00:00.000Z',
  delivered_at: null,
};

const DeliveryState = Type.Enum(['pending', 'delivered', 'dead', 'cancelled'], { title: 'WebhookDeliveryState' });

export const Delivery = Type.Object(
  {
    id: Type.String(),
    event_id: Type.String({ description: 'The webhook-id that the receiver sees' }),
    event_type: Type.String(),
    state: DeliveryState,
    attempts: Type.Integer(),
    next_attempt_at: nullable(Instant),
    last_status: nullable(Type.Integer({ description: 'The status of the last answer' })),
    last_error: nullable(Type.String({ description: 'Why the last attempt failed, such as timeout' })),
    created_at: Instant,
    delivered_at: nullable(Instant),
  },
  { title: 'WebhookDelivery', examples: [deliveryExample] },
);

export const DeliveryList = Type.Object(
  { deliveries: Type.Array(Delivery), next_cursor: nullable(Type.String()) },
  { title: 'WebhookDeliveryList', examples: [{ deliveries: [deliveryExample], next_cursor: null }] },
);

export const DeliveriesQuery = strict({ ...PageQuery, state: Type.Optional(DeliveryState) });
export const WebhookParams = ById;
export const DeliveryParams = strict({ id: Id, delivery_id: Id });
