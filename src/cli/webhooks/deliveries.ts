import { dataOf, pages, type WebhookDelivery } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { webhookNamed } from './webhooks.ts';

export interface DeliveriesOptions {
  readonly state?: WebhookDelivery['state'];
}

/** What came of the last attempt. */
const resultOf = ({ last_status, last_error }: WebhookDelivery): string =>
  last_status === null ? (last_error ?? '') : String(last_status);

/** `webhook deliveries` */
export const list = async (context: CliContext, name: string, { state }: DeliveriesOptions): Promise<void> => {
  const client = await context.client({ session: null });
  const { id } = await webhookNamed(client, name);
  const found: WebhookDelivery[] = [];
  const query = { limit: 200, ...(state === undefined ? {} : { state }) };
  for await (const page of pages((cursor) =>
    dataOf(
      client.GET('/api/v1/webhooks/{id}/deliveries', { params: { path: { id }, query: { ...query, ...cursor } } }),
    ),
  ))
    found.push(...page.deliveries);
  await context.out.result(found, () => {
    if (found.length === 0) context.out.note('No deliveries found.');
    if (found.length === 0) return null;
    return context.out.table(
      ['MADE', 'EVENT', 'STATE', 'ATTEMPTS', 'RESULT', 'NEXT', 'ID'],
      found.map((one) => [
        one.created_at,
        one.event_type,
        one.state,
        String(one.attempts),
        resultOf(one),
        one.next_attempt_at ?? '',
        one.id,
      ]),
    );
  });
};

/** `webhook redeliver` */
export const redeliver = async (context: CliContext, name: string, delivery_id: string): Promise<void> => {
  const client = await context.client({ session: null });
  const { id } = await webhookNamed(client, name);
  const path = { id, delivery_id };
  const delivery = await dataOf(
    client.POST('/api/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver', { params: { path } }),
  );
  context.out.note('The event is sent again. "keyhold webhook deliveries" shows what comes of it.');
  await context.out.result(delivery, () => null);
};

/** `webhook test` */
export const test = async (context: CliContext, name: string): Promise<void> => {
  const client = await context.client({ session: null });
  const { id } = await webhookNamed(client, name);
  const delivery = await dataOf(client.POST('/api/v1/webhooks/{id}/test', { params: { path: { id } } }));
  context.out.note('A test is sent. "keyhold webhook deliveries" shows what comes of it.');
  await context.out.result(delivery, () => null);
};
