import { type DeliveryId, toId, type WebhookId } from '../../core/ids.ts';
import { readCursor } from '../../core/page.ts';
import type { Webhooks } from '../../webhooks/index.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/webhooks.ts';

interface Services {
  readonly webhooks: Webhooks;
}

const tag = 'Webhooks';
const requires = { anyOf: ['webhooks:manage'] } as const;

const addMaking = ({ gated }: Routes, { webhooks }: Services): void => {
  gated({
    method: 'POST',
    url: '/webhooks',
    operationId: 'createWebhook',
    tag,
    summary: 'Have events sent to an address',
    description:
      'Signed as Standard Webhooks. The answer shows the secret this once; a repeated request is answered without it. With "service", an administrator makes one that gets everybody’s events, as ids without names. A user can have 20.',
    requires,
    body: schema.CreateWebhookBody,
    status: 201,
    answer: schema.WebhookWithSecret,
    refuses: [409],
    idempotent: true,
    confidential: true,
    handler: (caller, { body, idempotent }) => webhooks.create(caller, body, idempotent),
  });
  gated({
    method: 'GET',
    url: '/webhooks',
    operationId: 'listWebhooks',
    tag,
    summary: 'The caller’s own webhooks',
    description: 'Oldest first; for administrators those of the service as well.',
    requires,
    status: 200,
    answer: schema.WebhookList,
    handler: async (caller) => ({ webhooks: await webhooks.list(caller), next_cursor: null }),
  });
  gated({
    method: 'GET',
    url: '/webhooks/:id',
    operationId: 'getWebhook',
    tag,
    summary: 'One webhook',
    description: 'Without its secret.',
    requires,
    params: schema.WebhookParams,
    status: 200,
    answer: schema.Webhook,
    refuses: [404],
    handler: (caller, { params }) => webhooks.get(caller, toId<WebhookId>(params.id)),
  });
};

const addChanging = ({ gated }: Routes, { webhooks }: Services): void => {
  gated({
    method: 'PATCH',
    url: '/webhooks/:id',
    operationId: 'changeWebhook',
    tag,
    summary: 'Change where a webhook is sent, what it gets, or whether it is on',
    description: 'What waits goes to the new address. While it is off, nothing is sent and nothing is kept for later.',
    requires,
    params: schema.WebhookParams,
    body: schema.ChangeWebhookBody,
    status: 200,
    answer: schema.Webhook,
    refuses: [404],
    handler: (caller, { params, body }) => webhooks.change(caller, toId<WebhookId>(params.id), body),
  });
  gated({
    method: 'DELETE',
    url: '/webhooks/:id',
    operationId: 'deleteWebhook',
    tag,
    summary: 'Delete a webhook with its deliveries',
    description: 'What waits is not sent any more.',
    requires,
    params: schema.WebhookParams,
    status: 204,
    answer: null,
    refuses: [404],
    handler: (caller, { params }) => webhooks.remove(caller, toId<WebhookId>(params.id)),
  });
  gated({
    method: 'POST',
    url: '/webhooks/:id/rotate-secret',
    operationId: 'rotateWebhookSecret',
    tag,
    summary: 'Replace the secret of a webhook',
    description:
      'The answer shows the new secret this once. For 24 hours, what is sent is signed with both, unless the request says otherwise.',
    requires,
    params: schema.WebhookParams,
    body: schema.RotateSecretBody,
    status: 200,
    answer: schema.WebhookWithSecret,
    refuses: [404],
    confidential: true,
    handler: (caller, { params, body }) =>
      webhooks.rotateSecret(caller, toId<WebhookId>(params.id), body.keep_previous ?? true),
  });
};

const addDeliveries = ({ gated }: Routes, { webhooks }: Services): void => {
  gated({
    method: 'GET',
    url: '/webhooks/:id/deliveries',
    operationId: 'listWebhookDeliveries',
    tag,
    summary: 'What was and will be sent to a webhook, newest first',
    description:
      'With state=dead, the deliveries that were given up after the last attempt. Those that are over are deleted after 30 days.',
    requires,
    params: schema.WebhookParams,
    query: schema.DeliveriesQuery,
    status: 200,
    answer: schema.DeliveryList,
    refuses: [404],
    handler: async (caller, { params, query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor), state: query.state ?? null };
      const { items, next_cursor } = await webhooks.listDeliveries(caller, toId<WebhookId>(params.id), page);
      return { deliveries: items, next_cursor };
    },
  });
  gated({
    method: 'POST',
    url: '/webhooks/:id/deliveries/:delivery_id/redeliver',
    operationId: 'redeliverEvent',
    tag,
    summary: 'Send a delivery again',
    description: 'The same event with the same webhook-id and the same body, under a new timestamp and signature.',
    requires,
    params: schema.DeliveryParams,
    status: 200,
    answer: schema.Delivery,
    refuses: [404, 409],
    handler: (caller, { params }) =>
      webhooks.redeliver(caller, toId<WebhookId>(params.id), toId<DeliveryId>(params.delivery_id)),
  });
  gated({
    method: 'POST',
    url: '/webhooks/:id/test',
    operationId: 'testWebhook',
    tag,
    summary: 'Send an event of type webhook.test',
    description: 'The answer does not wait for the receiver. Look at the list of deliveries for the result.',
    requires,
    params: schema.WebhookParams,
    status: 200,
    answer: schema.Delivery,
    refuses: [404, 409],
    handler: (caller, { params }) => webhooks.test(caller, toId<WebhookId>(params.id)),
  });
};

/** Where a user's events are sent. */
export const webhookRoutes = (routes: Routes, services: Services): void => {
  addMaking(routes, services);
  addChanging(routes, services);
  addDeliveries(routes, services);
};
