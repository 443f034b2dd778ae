import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Config } from '../config/config.ts';
import { KeyholdError } from '../core/errors.ts';
import type { Metrics } from './metrics.ts';
import { createServer } from './server.ts';

export interface Listening {
  /** Listens where the configuration says; resolves to the service's address. Throws `state_conflict` with advice. */
  listen(): Promise<string>;
  /** Answers the requests under way and stops listening. Connections that are still open after a while are cut off. */
  close(): Promise<void>;
}

type ListenConfig = Pick<Config, 'host' | 'port' | 'metricsPort'>;

const closeTimeoutMs = 2500;

/** Listens with the service and, where it has a port of its own, with the server of the metrics: both, or neither. */
export const createListening = (
  http: FastifyInstance,
  metricsServer: FastifyInstance | null,
  { host, port, metricsPort }: ListenConfig,
): Listening => {
  const close = async (): Promise<void> => {
    // Whatever is still being sent or received by then is cut off, so that the database can be closed in order.
    const forceCloseTimer = setTimeout(() => http.server.closeAllConnections(), closeTimeoutMs);
    await Promise.all([http.close(), metricsServer?.close()]);
    clearTimeout(forceCloseTimer);
  };
  return {
    listen: async () => {
      try {
        if (metricsServer) await listenAt(metricsServer, host, metricsPort ?? 0, 'KEYHOLD_METRICS_PORT');
        return await listenAt(http, host, port, 'KEYHOLD_PORT');
      } catch (error) {
        // One of the two may be listening already, and would keep the process alive.
        await close();
        throw error;
      }
    },
    close,
  };
};

interface MetricsServerDeps {
  readonly config: Pick<Config, 'metricsPort'>;
  readonly logger: FastifyBaseLogger;
  readonly metrics: Metrics;
}

/** Serves the metrics on a port of their own, which the operator keeps from others; null where none is configured. */
export const createMetricsServer = async ({
  config,
  logger,
  metrics,
}: MetricsServerDeps): Promise<FastifyInstance | null> => {
  if (config.metricsPort === null) return null;
  const server = await createServer({
    config: { tls: null, trustProxy: [] },
    logger,
    docs: false,
    overloaded: () => false,
    observe: () => undefined,
  });
  server.get('/metrics', async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return await metrics.registry.metrics();
  });
  return server;
};

const listenAt = async (server: FastifyInstance, host: string, port: number, variable: string): Promise<string> => {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    throw refusePort(host, port, variable, error);
  }
};

const refusePort = (host: string, port: number, variable: string, cause: unknown): unknown => {
  const why = unlistenable[(cause as NodeJS.ErrnoException).code ?? ''];
  const advice = `Port ${port} at ${host} ${why}, or set ${variable} to another one.`;
  return why === undefined ? cause : new KeyholdError('state_conflict', advice, { cause });
};

const unlistenable: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program. Stop that program',
  EACCES: 'may not be used by this user. Take one above 1023',
  EADDRNOTAVAIL: 'is of an address that this machine does not have. Correct KEYHOLD_HOST',
};
