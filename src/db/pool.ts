import pg from 'pg';
import { spoilsConnection, unavailable } from './trouble.ts';

export interface PoolSettings {
  readonly connection: pg.ClientConfig;
  readonly size: number;
  /** The role that statements run as, when it is not the one that logs in. */
  readonly role?: string | undefined;
  readonly onIdleError: (error: Error) => void;
}

// Else `pg` writes dates in the host's zone, which for old dates has offsets that no timestamptz knows.
pg.defaults.parseInputDatesAsUTC = true;

const int8 = 20;

/** int8 as a number: revisions and counts stay far below 2^53. Everything else as `pg` reads it. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/** Search path and durability are pinned in the start-up packet, so that no statement can run before they hold. */
const startupOptions = (role: string | undefined): string =>
  [
    'search_path=public,pg_temp',
    'synchronous_commit=on',
    'default_transaction_isolation=read\\ committed',
    // How times and bytes are written in JSON, which is how most rows are read.
    'timezone=UTC',
    'datestyle=ISO',
    'bytea_output=hex',
    ...(role === undefined ? [] : [`role=${role}`]),
  ]
    .map((setting) => `-c ${setting}`)
    .join(' ');

/** A warning that came with a statement: PostgreSQL answers a cancelled wait for a standby with nothing more. */
const warned = new WeakSet<pg.PoolClient>();

const noteWarnings = (client: pg.PoolClient): void => {
  client.on('notice', (notice) => {
    if (notice.severity === 'WARNING') warned.add(client);
  });
};

/**
 * Runs a statement whose outcome must be certain: one that came with a warning may not be durable, and the COMMIT of a
 * failed transaction is answered with ROLLBACK. Both become an error here, where every statement passes.
 */
const certainly = async (client: pg.PoolClient, text: string, values?: unknown[]): Promise<pg.QueryResult> => {
  warned.delete(client);
  const result = await client.query(text, values);
  const undone = text === 'commit' && result.command !== 'COMMIT';
  if (undone || warned.has(client)) throw unavailable(new Error('the outcome of a statement is unknown'));
  return result;
};

/** What Kysely needs of a pool, over `pg`, with certain commits and without connections in doubt. */
export class CertainPool {
  readonly #pool: pg.Pool;

  constructor(settings: PoolSettings) {
    this.#pool = new pg.Pool({
      ...settings.connection,
      types,
      max: settings.size,
      options: startupOptions(settings.role),
      application_name: 'keyhold',
      connectionTimeoutMillis: 2000,
      idleTimeoutMillis: 30_000,
      statement_timeout: 3000,
      lock_timeout: 2000,
      query_timeout: 3500,
      idle_in_transaction_session_timeout: 15_000,
      keepAlive: true,
    });
    this.#pool.on('error', settings.onIdleError);
    this.#pool.on('connect', noteWarnings);
    // The pool listens to idle connections only. One that breaks while it is lent out and between two statements would
    // end the process; the next statement on it tells.
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  get waiting(): number {
    return this.#pool.waitingCount;
  }

  async connect(): Promise<pg.PoolClient> {
    const client = await this.#pool.connect();
    let spoiled = false;
    const query = async (text: string, values?: unknown[]): Promise<pg.QueryResult> => {
      try {
        return await certainly(client, text, values);
      } catch (error) {
        spoiled ||= text === 'commit' || warned.has(client) || spoilsConnection(error);
        throw error;
      }
    };
    const release = (): void => client.release(spoiled);
    return { query, release } as unknown as pg.PoolClient;
  }

  async end(): Promise<void> {
    await this.#pool.end();
  }
}
