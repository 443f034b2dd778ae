import { type Client, dataOf, pages, Refusal } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { printable } from '../printable.ts';

/** A user as a body names them: by id or by username. */
export const who = (text: string): { user_id: string } | { username: string } =>
  isUuid(text) ? { user_id: text } : { username: text };

const sameName = (left: string, right: string): boolean =>
  left.normalize('NFKC').toLowerCase() === right.normalize('NFKC').toLowerCase();

/** A user's id by username. Throws notFound. */
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

/** Usernames by id, each asked for once; an id stands for itself where the user is gone. */
export const createUsernames = (client: Client) => {
  const known = new Map<string, Promise<string>>();
  const ask = async (id: string): Promise<string> => {
    try {
      const user = await dataOf(client.GET('/api/v1/users/{id}', { params: { path: { id } } }));
      return user.username;
    } catch (error) {
      if (error instanceof Refusal && error.problem.code === 'not_found') return id;
      throw error;
    }
  };
  return (id: string): Promise<string> => {
    const name = known.get(id) ?? ask(id);
    known.set(id, name);
    return name;
  };
};
