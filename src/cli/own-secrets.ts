import { answered, type Client, pages, type Secret } from '../client/index.ts';

/** The session that the client names, by our id; null where it names none. */
const sessionOf = async (client: Client): Promise<string | null> =>
  (await answered(client.GET('/api/v1/auth/me'))).session_id ?? null;

const list = async (client: Client, tag: string | null): Promise<Secret[]> => {
  const found: Secret[] = [];
  const query = { owner: 'me', state: 'live', limit: 200, ...(tag === null ? {} : { tag }) } as const;
  for await (const page of pages((cursor) =>
    answered(client.GET('/api/v1/secrets', { params: { query: { ...query, ...cursor } } })),
  )) {
    found.push(...page.secrets);
  }
  return found;
};

/**
 * One's own live secrets, all or those with a tag, by their names: those that lie in no session, and with `inSession` those
 * of the session that the client names, which come before others of their name.
 */
export const ownSecrets = async (client: Client, tag: string | null, inSession: boolean): Promise<Secret[]> => {
  const all = await list(client, tag);
  const session = inSession ? await sessionOf(client) : null;
  const outside = all.filter((one) => one.scope !== 'session');
  const inside = all.filter((one) => one.session_id !== null && one.session_id === session);
  return [...new Map([...outside, ...inside].map((secret) => [secret.name, secret])).values()];
};
