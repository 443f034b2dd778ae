import { dataOf } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { userReference } from '../secrets/people.ts';
import { resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

export const register = ({ program, context }: Registration): void => {
  program
    .command('unshare')
    .description('stop sharing one of your secrets with a user, or give up your own access to another’s')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addArgument(argumentFrom('users', '[user]', 'their username or id; yourself by default'))
    .addHelpText('after', examples('keyhold unshare STRIPE_KEY grace', 'keyhold unshare grace/STRIPE_KEY'))
    .action((name: string, user: string | undefined) =>
      user === undefined ? leave(context, name) : unshare(context, name, user),
    );
};

/** Gives up the caller's own access. */
const leave = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id, name, access } = await resolveSecret(context, client, text);
  if (access === 'owner') {
    throw usage(`${name} is your own secret. Say whom to stop sharing it with: keyhold unshare ${name} <user>`);
  }
  await client.DELETE('/api/v1/secrets/{id}/share/me', { params: { path: { id } } });
  context.out.note(`${name} is no longer shared with you.`);
  await context.out.result({ id, name }, () => null);
};

const unshare = async (context: CliContext, text: string, user: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(
    client.POST('/api/v1/secrets/{id}/unshare', { params: { path: { id } }, body: userReference(user) }),
  );
  context.out.note(`${secret.name} is no longer shared with ${printable(user)}.`);
  await context.out.result(secret, () => null);
};
