import pg from 'pg';
import { spoilsConnection, unavailable } from './postgres-errors.ts';

export interface PoolSettings {
  readonly connection: pg.ClientConfig;
  readonly size: number;
  /** The role that statements run as, when it is not the one that logs in. */
  readonly role?: string | undefined;
  readonly onIdleError: (error: Error) => void;
}

// By default `pg` writes dates in the host's zone, whose offsets for old dates timestamptz does not accept.
pg.defaults.parseInputDatesAsUTC = true;

const int8 = 20;

/** int8 as a number: revisions and counts stay far below 2^53. Everything else as `pg` reads it. */
export const rowTypes: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === int8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser,
};

/**
 * Search path and durability are pinned in the start-up packet, so that no statement can run before they hold. Only
 * `pg_catalog` is on the path: an operator or function that somebody puts into another schema is never chosen, however well
 * its argument types match. Our own relations are named with their schema.
 */
export const startupOptions = (role: string | undefined): string =>
  [
    'search_path=pg_catalog,pg_temp',
    'synchronous_commit=on',
    'default_transaction_isolation=read\\ committed',
    // The form of times and bytes in JSON, by which most rows are read.
    'timezone=UTC',
    'datestyle=ISO',
    'bytea_output=hex',
    ...(role === undefined ? [] : [`role=${role}`]),
  ]
    .map((setting) => `-c ${setting}`)
    .join(' ');

/** Clients whose statement came with a warning, which is all that PostgreSQL says when a wait for a standby is cancelled. */
const warned = new WeakSet<pg.PoolClient>();

const noteWarnings = (client: pg.PoolClient): void => {
  client.on('notice', (notice) => {
    if (notice.severity === 'WARNING') warned.add(client);
  });
};

/** A statement that recurs is prepared, so that the server parses and plans it once per connection. */
const preparedFrom = 3;
/** Each server connection keeps its prepared statements, and filters and cursors make ever new ones. */
const maxPrepared = 64;

/**
 * Marks a statement that PostgreSQL must plan each time, for its actual values. The right index depends on how many rows
 * an owner has, which a plan for any values could only guess.
 */
export const replanEachTime = '/* planned for its values */';

/** Names for the statements that come often; the same text has the same name on every connection. */
class Prepared {
  readonly #seen = new Map<string, number>();
  readonly #names = new Map<string, string>();

  /** The name under which to prepare this text, or undefined while that does not pay. */
  nameOf(text: string): string | undefined {
    if (text.includes(replanEachTime)) return undefined;
    const name = this.#names.get(text);
    if (name !== undefined || this.#names.size === maxPrepared) return name;
    const times = (this.#seen.get(text) ?? 0) + 1;
    if (this.#seen.size > 10 * maxPrepared) this.#seen.clear();
    this.#seen.set(text, times);
    if (times < preparedFrom) return undefined;
    const made = `keyhold_${this.#names.size + 1}`;
    this.#names.set(text, made);
    this.#seen.delete(text);
    return made;
  }
}

/**
 * Runs a statement whose outcome must be certain. One that came with a warning may not be durable, and PostgreSQL answers
 * the COMMIT of a failed transaction with ROLLBACK. Both become an error here, where every statement passes.
 */
const queryChecked = async (
  client: pg.PoolClient,
  name: string | undefined,
  text: string,
  values: unknown[] = [],
): Promise<pg.QueryResult> => {
  warned.delete(client);
  const result = await client.query(name === undefined ? { text, values } : { name, text, values });
  const undone = text === 'commit' && result.command !== 'COMMIT';
  if (undone || warned.has(client)) throw unavailable(new Error('the outcome of a statement is unknown'));
  return result;
};

/** The pool that Kysely uses, over `pg`: commits are certain, and doubtful connections are closed. */
export class CertainPool {
  readonly #pool: pg.Pool;
  readonly #prepared = new Prepared();

  constructor(settings: PoolSettings) {
    this.#pool = new pg.Pool({
      ...settings.connection,
      types: rowTypes,
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
        return await queryChecked(client, this.#prepared.nameOf(text), text, values);
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
