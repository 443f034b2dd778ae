import { type Client, dataOf, pages, type Secret } from '../../client/index.ts';
import { secretNamePattern } from '../../core/names.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { currentSessionId } from './current-session.ts';
import { createUsernames, userIdOf } from './people.ts';

/** A secret as the user typed it: an id, a name, or owner/NAME. */
export type Reference = { readonly id: string } | { readonly owner: string | null; readonly name: string };

/** Throws usage for a text that can be neither. */
export const readReference = (text: string): Reference => {
  if (isUuid(text)) return { id: text.toLowerCase() };
  const slash = text.lastIndexOf('/');
  const name = text.slice(slash + 1);
  const owner = slash === -1 ? null : text.slice(0, slash);
  if (!secretNamePattern.test(name) || owner === '') {
    throw usage(
      'A secret’s name has 1 to 256 letters, digits, "_", "." and "-". Use owner/NAME for a secret of that owner.',
    );
  }
  return { owner, name };
};

/** The name of a secret that `set` creates or changes: never an id, never another owner's. Throws usage. */
export const readOwnName = (text: string): string => {
  if (!secretNamePattern.test(text)) {
    throw usage('A secret’s name has 1 to 256 letters, digits, "_", "." and "-".');
  }
  if (isUuid(text)) {
    throw usage('This is an id. Pass the secret’s name; "keyhold get ID --field name" prints it.');
  }
  return text;
};

export interface NameFilter {
  readonly owner?: 'me';
  readonly state?: 'deleted';
}

/** Every secret of exactly this name that the caller can list. */
export const secretsNamed = async (client: Client, name: string, filter: NameFilter = {}): Promise<Secret[]> => {
  const found: Secret[] = [];
  const query = { ...filter, name, limit: 200 };
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/secrets', { params: { query: { ...query, ...cursor } } })),
  )) {
    found.push(...page.secrets);
  }
  return found;
};

/**
 * The one secret that a reference means to this caller in this session. Throws notFound, or ambiguous with the
 * candidates and their owners.
 */
export const resolveSecret = async (
  context: CliContext,
  client: Client,
  text: string,
  filter: NameFilter = {},
): Promise<Secret> => {
  const reference = readReference(text);
  if ('id' in reference) return await secretById(client, reference.id);
  const { name, owner } = reference;
  const named = await secretsNamed(client, name, filter);
  const found = owner === null ? named : await ownedBy(client, owner, named);
  const needsSession = found.some((secret) => secret.scope === 'session');
  const chosen = firstLevel(found, needsSession ? await currentSessionId(client) : null);
  const [only] = chosen;
  if (only === undefined) throw await nothingNamed(context, client, name, filter);
  if (chosen.length > 1) throw await ambiguous(client, name, chosen);
  return only;
};

const secretById = (client: Client, id: string): Promise<Secret> =>
  dataOf(client.GET('/api/v1/secrets/{id}', { params: { path: { id } } }));

const ownedBy = async (client: Client, owner: string, found: readonly Secret[]): Promise<Secret[]> => {
  const ownerId = await userIdOf(client, owner);
  return found.filter((secret) => secret.owner_id === ownerId);
};

/**
 * The service's order for a bare name: the session's secret, then one's own, then those shared with one. One's own in another
 * session comes last, so that it is found by its name after that session has ended.
 */
const levelOf = (secret: Secret, session: string | null): number | null => {
  if (secret.scope !== 'session') return secret.access === 'owner' ? 1 : 2;
  if (secret.session_id === session && session !== null) return 0;
  return secret.access === 'owner' ? 3 : null;
};

const firstLevel = (found: readonly Secret[], session: string | null): Secret[] => {
  const levels = found.map((secret) => levelOf(secret, session));
  const best = Math.min(...levels.filter((level) => level !== null));
  return found.filter((_, at) => levels[at] === best);
};

/** The error for a name of several secrets: it lists them with their owners, so that the user can choose one. */
export const ambiguous = async (
  client: Client,
  name: string,
  candidates: readonly { id: string; owner_id: string }[],
): Promise<CliFailure> => {
  const usernames = createUsernames(client);
  const lines = await Promise.all(
    candidates.map(async ({ id, owner_id }) => `  ${printable(await usernames(owner_id))}/${name} (${id})`),
  );
  const owners = new Set(candidates.map((one) => one.owner_id)).size;
  const how = owners === candidates.length ? 'owner/NAME or its id' : 'its id';
  return new CliFailure(
    exitCodes.ambiguous,
    `Several secrets are named ${name}. Choose one by ${how}:\n${lines.join('\n')}`,
  );
};

/** The error for a name that means nothing here. It mentions the caller's own secrets of that name in sessions. */
export const nothingNamed = async (
  context: CliContext,
  client: Client,
  name: string,
  filter: NameFilter = {},
): Promise<CliFailure> => {
  const own = await secretsNamed(client, name, { ...filter, owner: 'me' });
  const inSessions = own.filter((secret) => secret.session_id !== null);
  const places = inSessions.map(({ id, session_id }) => `\n  ${id} in session ${session_id}`).join('');
  const kind = filter.state === 'deleted' ? 'Deleted secret' : 'Secret';
  const where = context.session === null ? '' : ' in this session';
  const hint =
    inSessions.length > 0
      ? `You have one of that name in a session. Use its id instead of its name, or move it out with "keyhold transfer":${places}`
      : '"keyhold ls" lists the secrets that you can access.';
  return new CliFailure(
    exitCodes.notFound,
    `${kind} ${name} was not found${where}, or you do not have access to it. ${hint}`,
  );
};
