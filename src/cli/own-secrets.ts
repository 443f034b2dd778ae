import { type Client, dataOf, pages, type Secret } from '../client/index.ts';
import { currentSessionId } from './secrets/current-session.ts';

/**
 * The caller's own live secrets, all or those with a tag, one for each name: secrets outside of sessions, and those of
 * the client's session, which take precedence over others of the same name.
 */
export const ownSecrets = async (client: Client, tag: string | null): Promise<Secret[]> => {
  const all = await list(client, tag);
  const session = all.some((one) => one.scope === 'session') ? await currentSessionId(client) : null;
  const outside = all.filter((one) => one.scope !== 'session');
  const inSession = all.filter((one) => one.session_id !== null && one.session_id === session);
  return [...new Map([...outside, ...inSession].map((secret) => [secret.name, secret])).values()];
};

const list = async (client: Client, tag: string | null): Promise<Secret[]> => {
  const found: Secret[] = [];
  const query = { owner: 'me', state: 'live', limit: 200, ...(tag === null ? {} : { tag }) } as const;
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/secrets', { params: { query: { ...query, ...cursor } } })),
  )) {
    found.push(...page.secrets);
  }
  return found;
};
