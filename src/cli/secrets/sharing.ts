import { dataOf } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { who } from './people.ts';
import { resolveSecret } from './resolve.ts';

/** `share` */
export const share = async (context: CliContext, text: string, user: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/share', { params: { path: { id } }, body: who(user) }));
  context.out.note(`${secret.name} is shared with ${printable(user)}.`);
  await context.out.result(secret, () => null);
};

const leave = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id, name, access: because } = await resolveSecret(context, client, text);
  if (because === 'owner') throw usage(`${name} is yours. Say whom to take off: keyhold unshare ${name} <user>`);
  await client.DELETE('/api/v1/secrets/{id}/share/me', { params: { path: { id } } });
  context.out.note(`${name} is no longer shared with you.`);
  await context.out.result({ id, name }, () => null);
};

/** `unshare`: another user off one's own secret, or oneself off another's. */
export const unshare = async (context: CliContext, text: string, user: string | undefined): Promise<void> => {
  if (user === undefined) return await leave(context, text);
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(
    client.POST('/api/v1/secrets/{id}/unshare', { params: { path: { id } }, body: who(user) }),
  );
  context.out.note(`${secret.name} is not shared with ${printable(user)}.`);
  await context.out.result(secret, () => null);
};

const reasons: Readonly<Record<string, string>> = {
  owner: 'owner',
  session: 'present in its session',
  shared: 'it is shared with them',
};

/** `access` */
export const access = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const { access: entries } = await dataOf(client.GET('/api/v1/secrets/{id}/access', { params: { path: { id } } }));
  await context.out.result(entries, () =>
    context.out.table(
      ['USER', 'WHY', 'MAY'],
      entries.map(({ user_id, username, because, actions }) => [
        username ?? user_id,
        reasons[because] ?? because,
        actions.join(', '),
      ]),
    ),
  );
};
