import { type Client, dataOf, type Handover, pages } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { userIdOf } from './people.ts';
import { resolveSecret } from './resolve.ts';

interface OfferOptions {
  readonly keepSharing?: boolean;
}

const nameOf = ({ username, id }: Handover['from']): string => username ?? id;

const whatOf = ({ secret, from }: Handover): string =>
  secret === null ? `all secrets of ${nameOf(from)}` : (secret.name ?? `the secret ${secret.id}`);

/** `handover offer` */
export const offer = async (context: CliContext, name: string, user: string, options: OfferOptions): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, name);
  const body = { to: user, keep_sharing: options.keepSharing ?? false };
  const handover = await dataOf(client.POST('/api/v1/secrets/{id}/handover', { params: { path: { id } }, body }));
  await offered(context, handover);
};

/** `handover user` */
export const offerAll = async (
  context: CliContext,
  user: string,
  options: OfferOptions & { readonly to: string },
): Promise<void> => {
  const client = await context.client({ session: null });
  const id = await userIdOf(client, user);
  const body = { to: options.to, keep_sharing: options.keepSharing ?? false };
  const handover = await dataOf(client.POST('/api/v1/users/{id}/handover', { params: { path: { id } }, body }));
  context.out.note(`It can be called off until ${handover.ready_at}.`);
  await offered(context, handover);
};

const offered = async (context: CliContext, handover: Handover): Promise<void> => {
  const to = printable(nameOf(handover.to));
  context.out.note(
    `Offered ${printable(whatOf(handover))} to ${to}, who accepts with "keyhold handover accept ${handover.id}".`,
  );
  await context.out.result(handover, () => `${handover.id}\n`);
};

/** `handover list` */
export const list = async (context: CliContext): Promise<void> => {
  const client = await context.client({ session: null });
  const found = await allOf(client);
  await context.out.result(found, () => {
    if (found.length === 0) context.out.note('No hand-overs found.');
    if (found.length === 0) return null;
    return context.out.table(
      ['WHAT', 'FROM', 'TO', 'STATE', 'FROM WHEN', 'ID'],
      found.map((one) => [whatOf(one), nameOf(one.from), nameOf(one.to), one.state, one.ready_at, one.id]),
    );
  });
};

const allOf = async (client: Client): Promise<Handover[]> => {
  const found: Handover[] = [];
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/handovers', { params: { query: { limit: 200, ...cursor } } })),
  )) {
    found.push(...page.handovers);
  }
  return found;
};

/** `handover accept` */
export const accept = async (context: CliContext, id: string, { name }: { readonly name?: string }): Promise<void> => {
  const client = await context.client({ session: null });
  const params = { path: { id }, query: name === undefined ? {} : { name } };
  const handover = await dataOf(client.POST('/api/v1/handovers/{id}/accept', { params }));
  context.out.note(`You own ${printable(whatOf(handover))} now.`);
  await context.out.result(handover, () => null);
};

/** `handover cancel` */
export const cancel = async (context: CliContext, id: string): Promise<void> => {
  const client = await context.client({ session: null });
  const handover = await dataOf(client.POST('/api/v1/handovers/{id}/cancel', { params: { path: { id } } }));
  context.out.note(`The hand-over of ${printable(whatOf(handover))} is called off.`);
  await context.out.result(handover, () => null);
};
