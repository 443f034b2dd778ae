import { type Client, dataOf, pages, type Secret } from '../client/index.ts';
import { currentSessionId } from './secrets/current-session.ts';

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

/**
 * One's own live secrets, all or those with a tag, by their names: those that lie in no session, and those of the
 * session that the client is in, by name or by its token, which come before others of their name.
 */
export const ownSecrets = async (client: Client, tag: string | null): Promise<Secret[]> => {
  const all = await list(client, tag);
  const session = all.some((one) => one.scope === 'session') ? await currentSessionId(client) : null;
  const outside = all.filter((one) => one.scope !== 'session');
  const inside = all.filter((one) => one.session_id !== null && one.session_id === session);
  return [...new Map([...outside, ...inside].map((secret) => [secret.name, secret])).values()];
};
