import { type Client, dataOf, type paths, type Webhook } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { printable } from '../printable.ts';

export interface AddOptions {
  readonly event?: readonly string[];
  readonly service?: boolean;
}

type CreateBody = paths['/api/v1/webhooks']['post']['requestBody']['content']['application/json'];

/** A client without a session: webhooks belong to a user. */
const clientFor = (context: CliContext): Promise<Client> => context.client({ session: null });

const webhooksOf = async (client: Client): Promise<readonly Webhook[]> =>
  (await dataOf(client.GET('/api/v1/webhooks'))).webhooks;

/** The webhook with this id or address. */
export const webhookNamed = async (client: Client, text: string): Promise<Webhook> => {
  const all = await webhooksOf(client);
  const found = all.filter(({ id, url }) => (isUuid(text) ? id === text.toLowerCase() : url === text));
  const [only] = found;
  if (only === undefined) throw new CliFailure(exitCodes.notFound, 'You have no webhook with this id or address.');
  if (found.length > 1) {
    const list = found.map(({ id }) => `  ${id}`).join('\n');
    throw new CliFailure(exitCodes.ambiguous, `Several webhooks have this address. Choose one by its id:\n${list}`);
  }
  return only;
};

const at = ({ id }: Pick<Webhook, 'id'>) => ({ params: { path: { id } } });

const notPrinted = (cause: unknown): CliFailure => {
  const code = cause instanceof CliFailure ? cause.exitCode : exitCodes.notWritten;
  return new CliFailure(code, 'The secret could not be printed, so the webhook was deleted.', { cause });
};

/** `webhook add`. A webhook whose secret cannot be printed is deleted, since nobody could verify what it sends. */
export const add = async (context: CliContext, url: string, options: AddOptions): Promise<void> => {
  const client = await clientFor(context);
  // The service knows which types there are.
  const event_types = (options.event ?? []) as NonNullable<CreateBody['event_types']>;
  const body: CreateBody = { url, event_types, service: options.service === true };
  const made = await dataOf(client.POST('/api/v1/webhooks', { body }));
  try {
    await context.out.result(made, () => `${made.secret ?? ''}\n`);
  } catch (error) {
    await client.DELETE('/api/v1/webhooks/{id}', at(made));
    throw notPrinted(error);
  }
  context.out.note(`Events are sent to ${printable(made.url)}. The secret of its signatures is shown only this once.`);
};

/** `webhook list` */
export const list = async (context: CliContext): Promise<void> => {
  const all = await webhooksOf(await clientFor(context));
  await context.out.result(all, () => {
    if (all.length === 0) context.out.note('You have no webhooks.');
    if (all.length === 0) return null;
    return context.out.table(
      ['ADDRESS', 'STATE', 'EVENTS', 'ID'],
      all.map(({ url, state, off_reason, event_types, service, id }) => [
        url,
        off_reason === 'gone' ? 'off (gone)' : state,
        `${service ? 'of everybody: ' : ''}${event_types.join(' ') || 'all'}`,
        id,
      ]),
    );
  });
};

/** `webhook on` and `webhook off` */
export const set = async (context: CliContext, name: string, state: 'active' | 'off'): Promise<void> => {
  const client = await clientFor(context);
  const webhook = await webhookNamed(client, name);
  const changed = await dataOf(client.PATCH('/api/v1/webhooks/{id}', { ...at(webhook), body: { state } }));
  context.out.note(`Events are ${state === 'off' ? 'no longer ' : ''}sent to ${printable(changed.url)}.`);
  await context.out.result(changed, () => null);
};

/** `webhook rm` */
export const remove = async (context: CliContext, name: string): Promise<void> => {
  const client = await clientFor(context);
  const webhook = await webhookNamed(client, name);
  await client.DELETE('/api/v1/webhooks/{id}', at(webhook));
  context.out.note(`Deleted the webhook ${printable(webhook.url)}.`);
  await context.out.result(webhook, () => null);
};

/** `webhook rotate-secret` */
export const rotateSecret = async (context: CliContext, name: string, keep: boolean): Promise<void> => {
  const client = await clientFor(context);
  const webhook = await webhookNamed(client, name);
  const body = { keep_previous: keep };
  const rotated = await dataOf(client.POST('/api/v1/webhooks/{id}/rotate-secret', { ...at(webhook), body }));
  await context.out.result(rotated, () => `${rotated.secret ?? ''}\n`);
  const until = keep ? ` The one before is valid until ${rotated.previous_secret_until}.` : '';
  context.out.note(`The new secret is shown only this once.${until}`);
};
