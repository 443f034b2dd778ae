import { Option } from 'commander';
import { type Client, dataOf, type Secret } from '../../client/index.ts';
import { type Exposure, exposures, type Scope, type SecretType, scopes, secretTypes } from '../../core/secret-types.ts';
import { argumentFrom, optionFrom } from '../completion/sources.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { collected } from '../repeated.ts';
import { currentSessionId } from '../secrets/current-session.ts';
import { readInstant } from '../secrets/instants.ts';
import { readOwnName, secretsNamed } from '../secrets/resolve.ts';
import { readValue, type ValueOptions } from '../secrets/value.ts';
import { lastStep } from '../steps.ts';
import { examples, type Registration } from './registration.ts';

/** Where `set` puts a secret. */
type Place = Exclude<Scope, 'shared'>;

interface SetOptions extends ValueOptions {
  readonly type?: SecretType;
  readonly tag?: readonly string[];
  readonly description?: string;
  readonly expires?: string;
  readonly exposure?: Exposure;
  readonly scope?: Place;
}

const neverFromArguments =
  'A value cannot be given as an argument: other users would see it in the process list, and your shell would keep it in ' +
  'its history. Leave it out to be asked for it, or pass it by stdin or --file. If you typed a real value, remove it from ' +
  'the history and change it.';

const help = `
You are asked for the value, which is not shown. You can also pass it by --file, or by stdin, where one newline at
its end is left out. It is never an argument. With --session the secret belongs to the session. KEYHOLD_CLI_SESSION
alone does not put it there; add --scope session.
${examples(
  'keyhold set STRIPE_KEY --type api_key --tag billing',
  'pbpaste | keyhold set STRIPE_KEY',
  'keyhold set DEPLOY_KEY --file ~/.ssh/deploy --type ssh_key --session chat-42',
  'keyhold set DB_PASSWORD --generate --length 40 --expires 90d',
)}`;

export const register = ({ program, context, excess }: Registration): void => {
  const command = program
    .command('set')
    .description('create a secret, or give one of your secrets a new value')
    .addArgument(argumentFrom('secrets', '<name>'))
    .addOption(optionFrom('files', '-f, --file <path>', 'read the value from this file, byte for byte'))
    .option('-g, --generate', 'generate a random value')
    .option('--length <characters>', 'the length of the random value', '32')
    .addOption(new Option('--type <type>', 'the type (default: other)').choices(secretTypes))
    .option('--tag <tag>', 'a tag, replacing the present ones; may be repeated', collected)
    .option('--description <text>', 'what the secret is for')
    .option('--expires <when>', 'an instant, a duration such as 90d, or never')
    .addOption(new Option('--exposure <exposure>', 'whether others may reveal it or only use it').choices(exposures))
    .addOption(
      new Option('--scope <scope>', 'yours alone, or the session’s').choices(scopes.filter((one) => one !== 'shared')),
    )
    .addHelpText('after', help)
    .action((name: string, options: SetOptions) => set(context, name, options));
  excess.set(command, neverFromArguments);
};

/** Asks the service before the user, so that nobody types a value in vain. */
const set = async (context: CliContext, text: string, options: SetOptions): Promise<void> => {
  const name = readOwnName(text);
  const place = placeOf(context, options.scope);
  const metadata = metadataOf(options);
  const client = await context.client();
  const before = await existing(client, name, place);
  const value = await readValue(context, name, options);
  const after = before
    ? await change(context, client, before, metadata, value)
    : await create(context, client, { name, place, metadata, value });
  const where = place === 'session' ? ` in session ${context.session}` : '';
  context.out.note(
    before ? `${name}${where} has a new value, version ${after.version}.` : `${name} was created${where}.`,
  );
  await context.out.result(after, () => null);
};

/** In the session only where this command line says so: a variable of the environment must not expose a secret. */
const placeOf = (context: CliContext, scope: Place | undefined): Place => {
  if (scope !== undefined) {
    if (scope === 'session' && context.session === null) throw usage('--scope session needs --session.');
    return scope;
  }
  return context.options().session === undefined ? 'user' : 'session';
};

/** What the options say about the secret, apart from its value. */
interface Metadata {
  readonly type?: SecretType;
  readonly tags?: string[];
  readonly description?: string;
  readonly expires_at?: string | null;
  readonly exposure?: Exposure;
}

const metadataOf = ({ type, tag, description, expires, exposure }: SetOptions): Metadata => ({
  ...(type === undefined ? {} : { type }),
  ...(tag === undefined ? {} : { tags: [...tag] }),
  ...(description === undefined ? {} : { description }),
  ...(expires === undefined ? {} : { expires_at: expires === 'never' ? null : readInstant('--expires', expires) }),
  ...(exposure === undefined ? {} : { exposure }),
});

/** The caller's secret of this name in this place, where names are unique. */
const existing = async (client: Client, name: string, place: Place): Promise<Secret | null> => {
  const own = await secretsNamed(client, name, { owner: 'me' });
  if (place === 'user') return own.find((secret) => secret.scope !== 'session') ?? null;
  const session = await currentSessionId(client);
  return own.find((secret) => secret.scope === 'session' && secret.session_id === session) ?? null;
};

const etagOf = ({ revision }: Secret): string => `"${revision}"`;

/** Changes the metadata, then the value, each on the revision before it: of two concurrent changes one is refused. */
const change = async (
  context: CliContext,
  client: Client,
  secret: Secret,
  metadata: Metadata,
  value: string,
): Promise<Secret> => {
  const path = { id: secret.id };
  const fields = Object.keys(metadata);
  const changed =
    fields.length === 0
      ? secret
      : await dataOf(
          client.PATCH('/api/v1/secrets/{id}', {
            params: { path, header: { 'If-Match': etagOf(secret) } },
            body: metadata,
          }),
        );
  const left =
    fields.length === 0
      ? null
      : `These fields of ${secret.name} were set: ${fields.join(', ')}. The value may not have been set.`;
  return await lastStep(context, left, () =>
    dataOf(
      client.PUT('/api/v1/secrets/{id}/value', {
        params: { path, header: { 'If-Match': etagOf(changed) } },
        body: { value },
      }),
    ),
  );
};

interface NewSecret {
  readonly name: string;
  readonly place: Place;
  readonly metadata: Metadata;
  readonly value: string;
}

const create = (context: CliContext, client: Client, { name, place, metadata, value }: NewSecret): Promise<Secret> =>
  dataOf(
    client.POST('/api/v1/secrets', {
      body: {
        ...metadata,
        name,
        value,
        type: metadata.type ?? 'other',
        scope: place,
        ...(place === 'session' ? { session_id: context.session } : {}),
      },
    }),
  );
