import { Client } from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';
import { errorCode, unavailable } from './failure.ts';

/** `ready`: answers queries. `busy`: starting, stopping, recovering or out of connections. `absent`: nothing listens. */
export type Answer = 'ready' | 'busy' | 'absent';

const connectTimeoutMs = 3_000;

/** A connection of the superuser to the maintenance database, closed when the scope that holds it ends. */
export const connectTo = async (settings: ConnectionSettings): Promise<Client & AsyncDisposable> => {
  const client = new Client({
    host: settings.host,
    port: settings.port,
    user: settings.user,
    password: settings.password.expose(),
    database: settings.database,
    // Given in full, since pg takes whatever is left out from PG* variables of the environment.
    ssl: false,
    options: '-c search_path=pg_catalog',
    application_name: 'keyhold-embedded',
    connectionTimeoutMillis: connectTimeoutMs,
  });
  // A connection that breaks between two queries emits an error, which must not end the service. The next query reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
};

/** Whether the server answers. Throws if it will never accept this service. */
export const probe = async (settings: ConnectionSettings): Promise<Answer> => {
  try {
    await using client = await connectTo({ ...settings, database: 'postgres' });
    await client.query('select 1');
    return 'ready';
  } catch (error) {
    return classify(error, settings);
  }
};

const absent = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);
const refused = new Set(['28P01', '28000']);

const classify = (error: unknown, settings: ConnectionSettings): Answer => {
  const code = errorCode(error) ?? '';
  if (absent.has(code)) return 'absent';
  if (refused.has(code)) {
    throw unavailable(
      'The embedded database rejects the password in the file database-password, which is of another data directory. ' +
        'Restore the file from a backup.',
      error,
    );
  }
  if (code === 'EACCES' || code === 'EPERM') {
    throw unavailable(
      `The socket of the embedded database in ${settings.host} belongs to another user. ` +
        'Start Keyhold as the user that started it before.',
      error,
    );
  }
  return 'busy';
};
