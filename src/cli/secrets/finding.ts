import { answered, type Client, pages, type Secret } from '../../client/index.ts';
import { secretNamePattern } from '../../core/names.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { plain } from '../plain.ts';
import { createUsernames, userIdOf } from './people.ts';

/** What somebody typed for a secret: an id, a name, or owner/NAME. */
export type Reference = { readonly id: string } | { readonly owner: string | null; readonly name: string };

export const readReference = (text: string): Reference => {
  if (isUuid(text)) return { id: text.toLowerCase() };
  const slash = text.lastIndexOf('/');
  const name = text.slice(slash + 1);
  const owner = slash === -1 ? null : text.slice(0, slash);
  if (!secretNamePattern.test(name) || owner === '') {
    throw usage('A secret’s name has 1 to 256 letters, digits, "_", "." and "-"; owner/NAME names that owner’s.');
  }
  return { owner, name };
};

/** The name of a secret that is to be made or changed by `set`: never an id, never another owner's. */
export const readOwnName = (text: string): string => {
  if (!secretNamePattern.test(text)) throw usage('A secret’s name has 1 to 256 letters, digits, "_", "." and "-".');
  if (isUuid(text)) throw usage('This is an id. Say the secret’s name; "keyhold get ID --field name" prints it.');
  return text;
};

const byId = (client: Client, id: string): Promise<Secret> =>
  answered(client.GET('/api/v1/secrets/{id}', { params: { path: { id } } }));

export interface Filter {
  readonly owner?: 'me' | 'others';
  readonly state?: 'deleted';
}

/** Every secret of exactly this name that the caller sees. */
export const secretsNamed = async (client: Client, name: string, filter: Filter = {}): Promise<Secret[]> => {
  const found: Secret[] = [];
  const query = { ...filter, q: name, limit: 200 };
  for await (const page of pages((cursor) =>
    answered(client.GET('/api/v1/secrets', { params: { query: { ...query, ...cursor } } })),
  )) {
    found.push(...page.secrets.filter((secret) => secret.name === name));
  }
  return found;
};

const sessionIdOf = async (client: Client): Promise<string | null> =>
  (await answered(client.GET('/api/v1/auth/me'))).session_id;

/** As the service chooses by name: the session's, then one's own, then those shared with one. */
const levelOf = (secret: Secret, session: string | null): number | null => {
  if (secret.scope === 'session') return secret.session_id === session && session !== null ? 0 : null;
  return secret.access === 'owner' ? 1 : 2;
};

const firstLevel = (found: readonly Secret[], session: string | null): Secret[] => {
  const levels = found.map((secret) => levelOf(secret, session));
  const best = Math.min(...levels.filter((level) => level !== null));
  return found.filter((_, at) => levels[at] === best);
};

const describe = async (client: Client, secret: { id: string; owner_id: string; name?: string }): Promise<string> =>
  `${plain(await createUsernames(client)(secret.owner_id))}/${secret.name ?? ''} (${secret.id})`;

/** Names every candidate with its owner, so that one of them can be chosen. */
export const ambiguous = async (
  client: Client,
  name: string,
  candidates: readonly { id: string; owner_id: string }[],
): Promise<CliFailure> => {
  const lines = await Promise.all(candidates.map((one) => describe(client, { ...one, name })));
  const list = lines.map((line) => `  ${line}`).join('\n');
  const owners = new Set(candidates.map((one) => one.owner_id)).size;
  const how = owners === candidates.length ? 'owner/NAME or by its id' : 'its id';
  return new CliFailure(exitCodes.ambiguous, `${name} means several secrets. Name one by ${how}:\n${list}`);
};

/** The refusal for a name that means nothing, with where it would mean something: one's own secrets in sessions. */
export const nothingNamed = async (
  context: CliContext,
  client: Client,
  name: string,
  filter: Filter = {},
): Promise<CliFailure> => {
  const own = await secretsNamed(client, name, { ...filter, owner: 'me' });
  const elsewhere = own.filter((secret) => secret.session_id !== null);
  const sessions = elsewhere.map((secret) => `--session ${secret.session_id} (${secret.id})`).join(', ');
  const where = context.session === null ? '' : ' here';
  const hint =
    elsewhere.length > 0
      ? ` You have one of that name in a session: ${sessions}.`
      : ' "keyhold ls" shows what you can reach.';
  return new CliFailure(exitCodes.notFound, `There is no ${kindOf(filter)}${name} that you can reach${where}.${hint}`);
};

const kindOf = ({ state }: Filter): string => (state === 'deleted' ? 'deleted secret ' : 'secret ');

const ofOwner = async (client: Client, owner: string, found: readonly Secret[]): Promise<Secret[]> => {
  const ownerId = await userIdOf(client, owner);
  return found.filter((secret) => secret.owner_id === ownerId);
};

/**
 * The one secret that a reference means to this caller, in this session. Throws notFound, or ambiguous with the candidates
 * and their owners.
 */
export const findSecret = async (
  context: CliContext,
  client: Client,
  text: string,
  filter: Filter = {},
): Promise<Secret> => {
  const reference = readReference(text);
  if ('id' in reference) return await byId(client, reference.id);
  const { name, owner } = reference;
  const named = await secretsNamed(client, name, filter);
  const found = owner === null ? named : await ofOwner(client, owner, named);
  const needsSession = found.some((secret) => secret.scope === 'session');
  // A token bound to a session is in it, whatever the command line says.
  const session = needsSession ? await sessionIdOf(client) : null;
  const chosen = firstLevel(found, session);
  const [only] = chosen;
  if (only === undefined) throw await nothingNamed(context, client, name, filter);
  if (chosen.length > 1) throw await ambiguous(client, name, chosen);
  return only;
};
