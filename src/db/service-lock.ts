import pg from 'pg';
import { KeyholdError } from '../core/errors.ts';
import type { ConnectionSettings, EmbeddedServer } from './embedded/index.ts';

const lockId = 7_403_117_207;
const retryMs = 200;

export interface ServiceLock {
  release(): Promise<void>;
}

interface LockOptions {
  readonly server: EmbeddedServer;
  readonly log: (message: string, details?: object) => void;
  /** Called when another service took the data directory while the server was down: this one must end. */
  readonly onLost: (error: Error) => void;
}

/**
 * Locks the embedded server for this service alone, on a connection of its own. When that connection ends, the server has
 * died: it is started again and the lock taken again. Rejects with `state_conflict` while another service has the lock.
 */
export const lockService = async ({ server, log, onLost }: LockOptions): Promise<ServiceLock> => {
  let released = false;
  let current: pg.Client | null = null;

  const acquire = async (): Promise<void> => {
    const client = await connectAndLock(server);
    current = client;
    client.once('end', () => {
      if (!released) void reacquire();
    });
  };

  const reacquire = async (): Promise<void> => {
    log('The embedded database stopped and is being restarted.');
    while (!released) {
      try {
        await server.ensureRunning();
        await acquire();
        log('The embedded database is back.');
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

const connectAndLock = async (server: EmbeddedServer): Promise<pg.Client> => {
  const client = clientFor(server.connection('service'));
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [lockId]);
  if (rows[0]?.locked) return client;
  await client.end();
  throw new KeyholdError(
    'state_conflict',
    'Another Keyhold runs on this data directory. Stop it first, or set KEYHOLD_DATA_DIR to another directory.',
  );
};

const clientFor = ({ host, port, user, password, database }: ConnectionSettings): pg.Client =>
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

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
