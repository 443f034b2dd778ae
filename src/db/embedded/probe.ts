import { Client } from 'pg';
import type { ConnectionSettings } from './connection-settings.ts';
import { errorCode, unavailable } from './failure.ts';

/** ready: it answers queries. busy: it starts, stops, recovers or is full. absent: nothing listens. */
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
    // Said in full, for pg takes from PG* variables of the environment what is not.
    ssl: false,
    options: '-c search_path=pg_catalog',
    application_name: 'keyhold-embedded',
    connectionTimeoutMillis: connectTimeoutMs,
  });
  // A connection that breaks between two queries must not end the service; the next query reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
};

/** Whether the server answers. Throws if something is there that will never let this service in. */
export const probe = async (settings: ConnectionSettings): Promise<Answer> => {
  try {
    await using client = await connectTo({ ...settings, database: 'postgres' });
    await client.query('select 1');
    return 'ready';
  } catch (error) {
    return judge(error, settings);
  }
};

const absent = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);
const refused = new Set(['28P01', '28000']);

const judge = (error: unknown, settings: ConnectionSettings): Answer => {
  const code = errorCode(error) ?? '';
  if (absent.has(code)) return 'absent';
  if (refused.has(code)) {
    throw unavailable(
      'The embedded database refuses the password in database-password: the file is not the one that belongs ' +
        'to this data directory. Restore it from a backup.',
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
