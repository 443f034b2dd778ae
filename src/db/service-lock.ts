import pg from 'pg';
import { KeyholdError } from '../core/errors.ts';
import type { ConnectionSettings, EmbeddedServer } from './embedded/index.ts';

const lockId = 7_403_117_207;
const retryMs = 200;

export interface ServiceLock {
  release(): Promise<void>;
}

const clientOf = ({ host, port, user, password, database }: ConnectionSettings): pg.Client =>
  new pg.Client({
    host,
    port,
    user,
    password: password.expose(),
    database,
    ssl: false,
    keepAlive: true,
    connectionTimeoutMillis: 2000,
    application_name: 'keyhold-lock',
  });

const taken = (): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    'Another Keyhold runs on this data directory. Stop it first, or give this one a directory of its own.',
  );

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Options {
  readonly server: EmbeddedServer;
  readonly log: (message: string, details?: object) => void;
  /** Another service took the directory while the server was down: this one must end. */
  readonly onLost: (error: Error) => void;
}

/**
 * Holds the embedded server for this service alone, by a lock on a connection of its own. That connection is also how a
 * death of the server is noticed: it ends, the server is started again, and the lock taken anew. Throws when another
 * service holds it.
 */
export const holdServer = async ({ server, log, onLost }: Options): Promise<ServiceLock> => {
  let released = false;
  let current: pg.Client | null = null;

  const acquire = async (): Promise<void> => {
    const client = clientOf(server.connection('service'));
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1) as held', [lockId]);
    if (!rows[0]?.held) {
      await client.end();
      throw taken();
    }
    current = client;
    client.once('end', () => {
      if (!released) void reacquire();
    });
  };

  const reacquire = async (): Promise<void> => {
    log('the embedded database went away and is started again');
    while (!released) {
      try {
        await server.ensureRunning();
        await acquire();
        log('the embedded database is back');
        return;
      } catch (error) {
        if (error instanceof KeyholdError && error.code === 'state_conflict') {
          onLost(error);
          return;
        }
        await pause(retryMs);
      }
    }
  };

  await acquire();
  return {
    release: async () => {
      released = true;
      await current?.end();
    },
  };
};
