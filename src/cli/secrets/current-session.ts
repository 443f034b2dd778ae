import { type Client, dataOf } from '../../client/index.ts';

/**
 * The id of the session that this client's requests are made in, or null for none. The service is asked, because a
 * token that is bound to a session is in it whatever the command line says.
 */
export const currentSessionId = async (client: Client): Promise<string | null> =>
  (await dataOf(client.GET('/api/v1/auth/me'))).session_id;
