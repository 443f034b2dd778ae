import { type Client, dataOf, Refusal, type Secret } from '../../client/index.ts';
import { argumentFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { ambiguous, nothingNamed, readReference, resolveSecret } from '../secrets/resolve.ts';
import { examples, type Registration } from './registration.ts';

const help = `
NAME is a secret's name or id. Of several secrets with one name, the session's comes first, then your own, then one
that is shared with you. Use owner/NAME for the secret of that owner.
${examples(
  'keyhold get STRIPE_KEY',
  'keyhold get grace/STRIPE_KEY | pbcopy',
  'keyhold get DEPLOY_KEY --session chat-42 > key.pem',
  'keyhold get STRIPE_KEY --field expires_at',
  'keyhold get STRIPE_KEY --json',
)}`;

export const register = ({ program, context }: Registration): void => {
  program
    .command('get')
    .description('print a secret’s value; a newline follows it on a terminal only')
    .addArgument(argumentFrom('secrets', '<name>'))
    .option('--field <field>', 'print this field instead; no field but "value" reveals the value')
    .addHelpText('after', help)
    .action((name: string, options: { field?: string }) => get(context, name, options));
};

const get = async (context: CliContext, text: string, { field }: { field?: string }): Promise<void> => {
  const client = await context.client();
  if (field !== undefined && field !== 'value') {
    const secret = await resolveSecret(context, client, text);
    const shown = fieldOf(secret, field);
    await context.out.result(secret[field as keyof Secret], () => `${shown}\n`);
    return;
  }
  const revealed = await reveal(context, client, text);
  const { value } = revealed;
  await context.out.result(field === undefined ? revealed : value, () =>
    context.out.forPeople ? `${value}\n` : value,
  );
};

const fieldOf = (secret: Secret, field: string): string => {
  if (!Object.hasOwn(secret, field)) {
    throw usage(`A secret has no such field. Its fields are: value, ${Object.keys(secret).sort().join(', ')}.`);
  }
  const value: unknown = secret[field as keyof Secret];
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

interface Revealed {
  readonly id: string;
  readonly name: string;
  readonly version: number;
  readonly value: string;
}

const reveal = async (context: CliContext, client: Client, text: string): Promise<Revealed> => {
  const reference = readReference(text);
  if ('id' in reference) return await revealById(client, reference.id);
  if (reference.owner === null) return await revealByName(context, client, reference.name);
  return await revealById(client, (await resolveSecret(context, client, text)).id);
};

const revealById = (client: Client, id: string): Promise<Revealed> =>
  dataOf(client.GET('/api/v1/secrets/{id}/value', { params: { path: { id } } }));

/** The service itself chooses the secret of a bare name, in the request that reveals it. */
const revealByName = async (context: CliContext, client: Client, name: string): Promise<Revealed> => {
  const { secrets } = await dataOf(client.POST('/api/v1/secrets/reveal', { body: { names: [name] } }));
  const [item] = secrets;
  if (item?.value !== undefined && item.id !== undefined && item.version !== undefined) {
    return { id: item.id, name, version: item.version, value: item.value };
  }
  if (item?.candidates) throw await ambiguous(client, name, item.candidates);
  if (item?.problem === undefined || item.problem.code === 'not_found') throw await nothingNamed(context, client, name);
  throw new Refusal(item.problem);
};
