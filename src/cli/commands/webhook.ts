import { type Command, Option } from 'commander';
import type { CliContext } from '../context.ts';
import { collected } from '../repeated.ts';
import type { DeliveriesOptions } from '../webhooks/deliveries.ts';
import type { AddOptions } from '../webhooks/webhooks.ts';
import { examples, type Registration } from './registration.ts';

const help = `
Name a webhook by its id or its address. docs/webhooks.md says how a receiver verifies what it gets.
${examples(
  'keyhold webhook add https://hooks.example.org/keyhold --event secret.expiring',
  'keyhold webhook test https://hooks.example.org/keyhold',
  'keyhold webhook deliveries https://hooks.example.org/keyhold --state dead',
)}`;

const example = 'https://hooks.example.org/keyhold';

const load = () => import('../webhooks/webhooks.ts');
const loadDeliveries = () => import('../webhooks/deliveries.ts');

export const register = ({ program, context }: Registration): void => {
  const webhook = program
    .command('webhook')
    .description('have your events sent to an address')
    .addHelpText('after', help);
  registerMaking(webhook, context);
  registerChanging(webhook, context);
  registerDeliveries(webhook, context);
};

const registerMaking = (webhook: Command, context: CliContext): void => {
  webhook
    .command('add')
    .description('have events sent to an address, and print the secret of their signatures, this once')
    .argument('<url>', 'where they are sent, https')
    .addOption(
      new Option(
        '--event <type>',
        'a type of event, such as secret.expiring (default: all); may be repeated',
      ).argParser(collected),
    )
    .option('--service', 'everybody’s events, as ids without names (needs a token with the permission admin)')
    .addHelpText(
      'after',
      examples(`keyhold webhook add ${example}`, `keyhold webhook add ${example} --event secret.shared`),
    )
    .action(async (url: string, options: AddOptions) => (await load()).add(context, url, options));
  webhook
    .command('list')
    .description('list your webhooks')
    .addHelpText('after', examples('keyhold webhook list'))
    .action(async () => (await load()).list(context));
};

const registerChanging = (webhook: Command, context: CliContext): void => {
  for (const [verb, state, description] of [
    ['on', 'active', 'send events again'],
    ['off', 'off', 'send nothing more; what happens meanwhile is not kept for later'],
  ] as const)
    webhook
      .command(verb)
      .description(description)
      .argument('<webhook>', 'its id or address')
      .addHelpText('after', examples(`keyhold webhook ${verb} ${example}`))
      .action(async (name: string) => (await load()).set(context, name, state));
  webhook
    .command('rm')
    .description('delete a webhook with its deliveries')
    .argument('<webhook>', 'its id or address')
    .addHelpText('after', examples(`keyhold webhook rm ${example}`))
    .action(async (name: string) => (await load()).remove(context, name));
  webhook
    .command('rotate-secret')
    .description('replace the secret of the signatures, and print the new one, this once')
    .argument('<webhook>', 'its id or address')
    .option('--drop-previous', 'sign with the new one only, because the one before leaked')
    .addHelpText('after', examples(`keyhold webhook rotate-secret ${example}`))
    .action(async (name: string, { dropPrevious = false }: { dropPrevious?: boolean }) =>
      (await load()).rotateSecret(context, name, !dropPrevious),
    );
};

const registerDeliveries = (webhook: Command, context: CliContext): void => {
  webhook
    .command('test')
    .description('send an event of the type webhook.test')
    .argument('<webhook>', 'its id or address')
    .addHelpText('after', examples(`keyhold webhook test ${example}`))
    .action(async (name: string) => (await loadDeliveries()).test(context, name));
  webhook
    .command('deliveries')
    .description('list what was and will be sent, newest first')
    .argument('<webhook>', 'its id or address')
    .addOption(
      new Option('--state <state>', 'only those in this state').choices(['pending', 'delivered', 'dead', 'cancelled']),
    )
    .addHelpText('after', examples(`keyhold webhook deliveries ${example} --state dead`))
    .action(async (name: string, options: DeliveriesOptions) => (await loadDeliveries()).list(context, name, options));
  webhook
    .command('redeliver')
    .description('send an event again, with the same id and body')
    .argument('<webhook>', 'its id or address')
    .argument('<delivery>', 'its id')
    .addHelpText('after', examples(`keyhold webhook redeliver ${example} 0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e41`))
    .action(async (name: string, id: string) => (await loadDeliveries()).redeliver(context, name, id));
};
