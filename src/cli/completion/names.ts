import { type Client, dataOf, isSession } from '../../client/index.ts';
import { secretNamePattern, sessionNamePattern } from '../../core/names.ts';
import { offeredPermissions } from '../../core/permissions.ts';
import type { CliContext } from '../context.ts';
import type { Candidate, NamesOf } from './candidates.ts';
import type { NameSource } from './sources.ts';

const pageSize = 200;
/** How long one request may take, since the user waits for it. */
const timeoutMs = 1000;

/** Reads names with the credential that is stored or set. It never asks for one, and rejects where there is none. */
export const createNames =
  (context: CliContext): NamesOf =>
  async (source, prefix) => {
    if (source === 'profiles') return (await context.profiles.names()).map((word) => ({ word, description: '' }));
    if (source === 'permissions') return offeredPermissions.map((word) => ({ word, description: '' }));
    // A session that has ended would refuse the request; only secrets depend on it.
    const inSession = source === 'secrets' || source === 'deleted-secrets';
    const client = await context.client({ timeoutMs, mayPrompt: false, ...(inSession ? {} : { session: null }) });
    return await fromService[source](client, prefix);
  };

type FromService = (client: Client, prefix: string) => Promise<Candidate[]>;

const containing = (prefix: string): { q?: string } => (prefix === '' ? {} : { q: prefix });

const secretsIn =
  (state: { readonly state?: 'deleted' }): FromService =>
  async (client, prefix) => {
    const query = { ...state, ...containing(prefix), limit: pageSize };
    const { secrets } = await dataOf(client.GET('/api/v1/secrets', { params: { query } }));
    const named = new Map(secrets.map(({ name, description, type }) => [name, description ?? type]));
    return [...named].flatMap(([word, description]) => (secretNamePattern.test(word) ? [{ word, description }] : []));
  };

const fromService: Readonly<Record<Exclude<NameSource, 'profiles' | 'permissions'>, FromService>> = {
  secrets: secretsIn({}),
  'deleted-secrets': secretsIn({ state: 'deleted' }),
  sessions: async (client) => {
    const query = { state: 'active', limit: pageSize } as const;
    const { sessions } = await dataOf(client.GET('/api/v1/sessions', { params: { query } }));
    return sessions
      .filter(isSession)
      .map(({ external_id, id, title }) => ({ word: external_id ?? id, description: title ?? '' }))
      .filter(({ word }) => sessionNamePattern.test(word));
  },
  invitations: async (client) => {
    const query = { state: 'invited', limit: pageSize } as const;
    const { sessions } = await dataOf(client.GET('/api/v1/sessions', { params: { query } }));
    return sessions.map(({ id, title }) => ({ word: id, description: title ?? '' }));
  },
  users: async (client, prefix) => {
    const query = { ...containing(prefix), limit: pageSize };
    const { users } = await dataOf(client.GET('/api/v1/users', { params: { query } }));
    return users.map(({ username, display_name }) => ({ word: username, description: display_name ?? '' }));
  },
};
