import { type Client, dataOf, type Handover, pages } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { asAdministrator, type PasswordOptions } from '../keys/administrator.ts';
import { printable } from '../printable.ts';
import { userIdOf } from './people.ts';
import { resolveSecret } from './resolve.ts';

interface OfferOptions {
  readonly keepSharing?: boolean;
}

/** Administrators see and call off what is handed over of users. */
export interface AdminOptions extends PasswordOptions {
  readonly admin?: boolean;
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
  options: OfferOptions & PasswordOptions & { readonly to: string },
): Promise<void> => {
  const handover = await asAdministrator(context, options, async (administrator) => {
    const client = await administrator.client();
    const id = await userIdOf(client, user);
    const body = { to: options.to, keep_sharing: options.keepSharing ?? false };
    return await dataOf(client.POST('/api/v1/users/{id}/handover', { params: { path: { id } }, body }));
  });
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

/** Runs `work` with the stored login, or as an administrator where that is asked for. */
const asAsked = async <T>(
  context: CliContext,
  options: AdminOptions,
  work: (client: Client) => Promise<T>,
): Promise<T> =>
  options.admin || options.passwordStdin
    ? await asAdministrator(context, options, async ({ client }) => await work(await client()))
    : await work(await context.client({ session: null }));

/** `handover list` */
export const list = async (context: CliContext, options: AdminOptions): Promise<void> => {
  const found = await asAsked(context, options, allOf);
  await context.out.result(found, () => {
    if (found.length === 0) context.out.note('No hand-overs found.');
    if (found.length === 0) return null;
    return context.out.table(
      ['WHAT', 'FROM', 'TO', 'STATE', 'READY AT', 'ID'],
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
export const cancel = async (context: CliContext, id: string, options: AdminOptions): Promise<void> => {
  const handover = await asAsked(context, options, (client) =>
    dataOf(client.POST('/api/v1/handovers/{id}/cancel', { params: { path: { id } } })),
  );
  context.out.note(`The hand-over of ${printable(whatOf(handover))} was called off.`);
  await context.out.result(handover, () => null);
};
