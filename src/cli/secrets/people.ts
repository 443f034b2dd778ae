import { type Client, dataOf, pages, Refusal } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { printable } from '../printable.ts';

/** How a request body names a user: by id or by username. */
export const userReference = (text: string): { user_id: string } | { username: string } =>
  isUuid(text) ? { user_id: text } : { username: text };

const sameName = (left: string, right: string): boolean =>
  left.normalize('NFKC').toLowerCase() === right.normalize('NFKC').toLowerCase();

/** A user's id by username; an id is returned as it is. Throws notFound. */
export const userIdOf = async (client: Client, text: string): Promise<string> => {
  if (isUuid(text)) return text;
  const query = { q: text, limit: 200 };
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/users', { params: { query: { ...query, ...cursor } } })),
  )) {
    const user = page.users.find((one) => sameName(one.username, text));
    if (user) return user.id;
  }
  throw new CliFailure(exitCodes.notFound, `There is no user ${printable(text)}.`);
};

/** Looks usernames up by id, each once. A user who no longer exists keeps the id as a name. */
export const createUsernames = (client: Client) => {
  const loads = new Map<string, Promise<string>>();
  const load = async (id: string): Promise<string> => {
    try {
      const user = await dataOf(client.GET('/api/v1/users/{id}', { params: { path: { id } } }));
      return user.username;
    } catch (error) {
      if (error instanceof Refusal && error.problem.code === 'not_found') return id;
      throw error;
    }
  };
  return (id: string): Promise<string> => {
    const name = loads.get(id) ?? load(id);
    loads.set(id, name);
    return name;
  };
};
