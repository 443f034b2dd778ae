import pg from 'pg';

/** Runs the statements of pg-boss, in the form that it expects of an adapter. */
export interface QueueDatabase {
  executeSql(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
  close(): Promise<void>;
}

interface QueuePoolSettings {
  readonly connection: pg.ClientConfig;
  /** The start-up options of the service's other connections. */
  readonly options: string;
  readonly onIdleError: (error: Error) => void;
}

/**
 * Connections of their own for pg-boss, opened when it first needs one and closed when it rests: its statements neither
 * wait for requests nor hold them up. They run as the service's role with the service's search path.
 */
export const createQueueDatabase = ({ connection, options, onIdleError }: QueuePoolSettings): QueueDatabase => {
  let pool: pg.Pool | null = null;
  let closed = false;
  const open = (): pg.Pool => {
    const opened = new pg.Pool({
      ...connection,
      max: 2,
      options,
      application_name: 'keyhold-jobs',
      connectionTimeoutMillis: 2000,
      idleTimeoutMillis: 30_000,
      statement_timeout: 10_000,
      lock_timeout: 5000,
      query_timeout: 11_000,
      idle_in_transaction_session_timeout: 15_000,
      keepAlive: true,
    });
    opened.on('error', onIdleError);
    return opened;
  };
  return {
    executeSql: async (text, values) => {
      if (closed) throw new Error('the connections of the queue are closed');
      pool ??= open();
      return await pool.query(text, values);
    },
    close: async () => {
      closed = true;
      await pool?.end();
    },
  };
};
