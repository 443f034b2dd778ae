import { type Client, dataOf, type Secret } from '../../client/index.ts';
import type { Exposure, Scope, SecretType } from '../../core/secret-types.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { lastStep } from '../steps.ts';
import { currentSessionId } from './current-session.ts';
import { readInstant } from './instants.ts';
import { readOwnName, secretsNamed } from './resolve.ts';
import { readValue, type ValueOptions } from './value.ts';

/** Where `set` puts a secret. */
type Place = Exclude<Scope, 'shared'>;

export interface SetOptions extends ValueOptions {
  readonly type?: SecretType;
  readonly tag?: readonly string[];
  readonly description?: string;
  readonly expires?: string;
  readonly exposure?: Exposure;
  readonly scope?: Place;
}

interface Known {
  readonly type?: SecretType;
  readonly tags?: string[];
  readonly description?: string;
  readonly expires_at?: string | null;
  readonly exposure?: Exposure;
}

const knownOf = ({ type, tag, description, expires, exposure }: SetOptions): Known => ({
  ...(type === undefined ? {} : { type }),
  ...(tag === undefined ? {} : { tags: [...tag] }),
  ...(description === undefined ? {} : { description }),
  ...(expires === undefined ? {} : { expires_at: expires === 'never' ? null : readInstant('--expires', expires) }),
  ...(exposure === undefined ? {} : { exposure }),
});

/** Into the session only when it was asked for on this command line: a variable of the environment exposes nothing. */
const placeOf = (context: CliContext, scope: Place | undefined): Place => {
  if (scope !== undefined) {
    if (scope === 'session' && context.session === null) throw usage('--scope session needs --session.');
    return scope;
  }
  return context.options().session === undefined ? 'user' : 'session';
};

/** One's own secret of this name in this place; names are unique there. */
const existing = async (client: Client, name: string, place: Place): Promise<Secret | null> => {
  const own = await secretsNamed(client, name, { owner: 'me' });
  if (place === 'user') return own.find((secret) => secret.scope !== 'session') ?? null;
  const session = await currentSessionId(client);
  return own.find((secret) => secret.scope === 'session' && secret.session_id === session) ?? null;
};

const tagOf = ({ revision }: Secret): string => `"${revision}"`;

/** What is known about it first, then the value, each on the revision before: of two people at once, one is refused. */
const change = async (
  context: CliContext,
  client: Client,
  secret: Secret,
  known: Known,
  value: string,
): Promise<Secret> => {
  const path = { id: secret.id };
  const names = Object.keys(known);
  const changed =
    names.length === 0
      ? secret
      : await dataOf(
          client.PATCH('/api/v1/secrets/{id}', {
            params: { path, header: { 'If-Match': tagOf(secret) } },
            body: known,
          }),
        );
  const left =
    names.length === 0 ? null : `of ${secret.name} these are set: ${names.join(', ')}. The value may not be.`;
  return await lastStep(context, left, () =>
    dataOf(
      client.PUT('/api/v1/secrets/{id}/value', {
        params: { path, header: { 'If-Match': tagOf(changed) } },
        body: { value },
      }),
    ),
  );
};

const create = (context: CliContext, client: Client, name: string, place: Place, known: Known, value: string) =>
  dataOf(
    client.POST('/api/v1/secrets', {
      body: {
        ...known,
        name,
        value,
        type: known.type ?? 'other',
        scope: place,
        ...(place === 'session' ? { session_id: context.session } : {}),
      },
    }),
  );

/** `set`: the service is asked before the person is, so that nobody types a value for nothing. */
export const set = async (context: CliContext, text: string, options: SetOptions): Promise<void> => {
  const name = readOwnName(text);
  const place = placeOf(context, options.scope);
  const known = knownOf(options);
  const client = await context.client();
  const before = await existing(client, name, place);
  const value = await readValue(context, name, options);
  const after = before
    ? await change(context, client, before, known, value)
    : await create(context, client, name, place, known, value);
  const where = place === 'session' ? ` in session ${context.session}` : '';
  context.out.note(before ? `${name}${where} has a new value, version ${after.version}.` : `${name} is kept${where}.`);
  await context.out.result(after, () => null);
};
