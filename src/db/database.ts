import {
  Kysely,
  type KyselyPlugin,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  PostgresDialect,
  type PostgresPool,
  type PostgresPoolClient,
  type QueryResult,
  type RootOperationNode,
  sql,
  type Transaction,
  type UnknownRow,
  WithSchemaPlugin,
} from 'kysely';
import type pg from 'pg';
import type { KeyholdError } from '../core/errors.ts';
import { CertainPool, type PoolSettings, startupOptions } from './pool.ts';
import { asUnavailable, isRetryable } from './postgres-errors.ts';
import { createQueueDatabase, type QueueDatabase } from './queue-database.ts';
import type { Schema } from './tables/index.ts';

export type Db = Kysely<Schema>;
/** What must be atomic asks for a `Tx`; a `Db` is not assignable to it. */
export type Tx = Transaction<Schema>;

export interface Database {
  readonly db: Db;
  /** How many requests wait for a connection now, which measures overload. */
  waiting(): number;
  /** The connections of pg-boss, which carries the messages of jobs. */
  readonly queue: QueueDatabase;
  close(): Promise<void>;
}

/**
 * Has the query builder name our schema, which is not on the search path. Raw SQL names it itself, and statements of
 * the builder inside it are transformed when they are put there, so that it is left alone: walking its nodes would cost
 * more than compiling them.
 */
class NamesSchema implements KyselyPlugin {
  readonly #withSchema = new WithSchemaPlugin('public');

  transformQuery(args: PluginTransformQueryArgs): RootOperationNode {
    return args.node.kind === 'RawNode' ? args.node : this.#withSchema.transformQuery(args);
  }

  async transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return result;
  }
}

export const openDatabase = (settings: PoolSettings): Database => {
  const pool = new CertainPool(settings);
  const dialect = new PostgresDialect({ pool: pool as unknown as PostgresPool });
  const db = new Kysely<Schema>({ dialect, plugins: [new NamesSchema()] });
  const { connection, role, onIdleError } = settings;
  const queue = createQueueDatabase({ connection, options: startupOptions(role), onIdleError });
  const close = async (): Promise<void> => {
    await queue.close();
    await db.destroy();
  };
  return { db, queue, waiting: () => pool.waiting, close };
};

/** The query builder over one connection of the caller's, which the caller closes. */
export const overClient = (client: pg.ClientBase): Db => {
  const query = client.query.bind(client) as unknown as PostgresPoolClient['query'];
  const pool = { connect: async () => ({ query, release: () => undefined }), end: () => Promise.resolve() };
  const dialect = new PostgresDialect({ pool: pool as unknown as PostgresPool });
  return new Kysely<Schema>({ dialect, plugins: [new NamesSchema()] });
};

const attempts = 4;

/**
 * Runs `work` in one transaction and resolves only once its COMMIT is certain. Deadlock victims are retried from the start,
 * so `work` must not act outside the transaction. Return a refusal from `work` instead of throwing it: a throw would roll
 * back its record. Throws `unavailable` when the database cannot answer or the outcome is unknown.
 */
export const inTransaction = async <T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (attempt < attempts && isRetryable(error)) continue;
      throw asUnavailable(error);
    }
  }
};

/**
 * As `inTransaction`, for a read of several statements: all of them see the database as it was at the first. `work` may add
 * rows, but a change of a row that another transaction changed meanwhile fails.
 */
export const inSnapshot = async <T>(db: Db, work: (tx: Tx) => Promise<T>): Promise<T> => {
  try {
    return await db.transaction().setIsolationLevel('repeatable read').execute(work);
  } catch (error) {
    throw asUnavailable(error);
  }
};

/** Awaits a read outside any transaction, with database failures turned into `unavailable`. */
export const mapDbErrors = async <T>(query: Promise<T>): Promise<T> => {
  try {
    return await query;
  } catch (error) {
    throw asUnavailable(error);
  }
};

/** The outcome of a transaction: a result, or a refusal whose record is kept. */
export type Outcome<T> = { readonly ok: T } | { readonly refused: KeyholdError };

export const refusedWith = (error: KeyholdError): { readonly refused: KeyholdError } => ({ refused: error });

/**
 * Runs `work` inside a transaction and undoes what it wrote if it refuses. The transaction goes on, so that the refusal can
 * be recorded in it.
 */
export const undoIfRefused = async <T, Refused extends { readonly refused: KeyholdError }>(
  tx: Tx,
  work: () => Promise<{ readonly ok: T } | Refused>,
): Promise<{ readonly ok: T } | Refused> => {
  await sql`savepoint before_work`.execute(tx);
  const outcome = await work();
  await sql.raw(`${'refused' in outcome ? 'rollback to' : 'release'} savepoint before_work`).execute(tx);
  return outcome;
};

/** Runs `work` in one transaction, commits, and only then throws the refusal that it returned. */
export const commitOrThrow = async <T>(db: Db, work: (tx: Tx) => Promise<Outcome<T>>): Promise<T> => {
  const outcome = await inTransaction(db, work);
  if ('refused' in outcome) throw outcome.refused;
  return outcome.ok;
};
