import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import swagger from '@fastify/swagger';
import underPressure from '@fastify/under-pressure';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Config } from '../config/config.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { refuseUrl, registerBodies } from './body.ts';
import { registerDocs } from './docs.ts';
import { swaggerOptions } from './openapi.ts';
import { asKeyholdError, problemOf, statusOf } from './problem.ts';
import { securityHeaders } from './security-headers.ts';
import { validatorCompiler } from './validation.ts';

const kilobyte = 1024;
const second = 1000;

/** The longest that a request may take, so that failures are answered within 5 s. Some routes set a longer one. */
const handlerTimeoutMs = 4800;
/** A search of 2,048 characters takes up to 24 KiB in an address. */
const maxHeaderSize = 48 * kilobyte;
const maxConnections = 4096;
/** File descriptors that are kept for all but HTTP connections: the database's, modules, logs. */
const reservedFiles = 128;

/** As many connections as there are file descriptors for. One more would fail without an answer. */
const connectionLimit = (): number => {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN);
    return Number.isNaN(files) ? maxConnections : Math.max(16, Math.min(maxConnections, files - reservedFiles));
  } catch {
    return maxConnections;
  }
};

type HttpConfig = Pick<Config, 'tls' | 'trustProxy'>;

const sendProblem = (reply: FastifyReply, error: KeyholdError): FastifyReply => {
  if (error.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer');
  // The rest of a request that is still being sent is not read.
  if (!reply.request.raw.complete) reply.header('connection', 'close');
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  return reply
    .code(statusOf(error.code))
    .header('content-type', 'application/problem+json; charset=utf-8')
    .header('cache-control', 'no-store')
    .serializer(JSON.stringify)
    .send(problemOf(error, reply.request.id));
};

/** An unexpected error as the log may have it: its kind and its place, never its message, which may quote data. */
const traceOf = (error: unknown): object => {
  if (!(error instanceof Error)) return { kind: typeof error };
  const code = (error as { code?: unknown }).code;
  const at = (error.stack ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 12);
  return {
    kind: error.name,
    code: typeof code === 'string' ? code : undefined,
    at,
    cause: error.cause === undefined ? undefined : traceOf(error.cause),
  };
};

const logError = (request: FastifyRequest, error: KeyholdError): void => {
  const what = () => ({ request_id: request.id, error: traceOf(error.cause ?? error) });
  if (error.code === 'internal') request.log.error(what(), 'unexpected error');
  else if (error.code === 'unavailable') request.log.warn(what(), 'unavailable');
};

/** A request that came too slowly or broke off is the client's fault, and answered as such. */
const unfinished: Readonly<Record<string, (cause: unknown) => KeyholdError>> = {
  FST_ERR_HANDLER_TIMEOUT: (cause) =>
    new KeyholdError('request_timeout', 'The request came too slowly. Send it again.', { cause }),
  ECONNRESET: (cause) =>
    new KeyholdError('invalid_request', 'The connection closed before the request was complete.', { cause }),
};

const unfinishedRequest = (error: unknown, request: FastifyRequest): KeyholdError | null =>
  request.raw.complete ? null : (unfinished[String((error as { code?: unknown }).code)]?.(error) ?? null);

const badRequest = 'HTTP/1.1 400 Bad Request';
const clientErrors: Readonly<Record<string, { line: string; code: 'request_timeout' | 'payload_too_large' }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { line: 'HTTP/1.1 408 Request Timeout', code: 'request_timeout' },
  HPE_HEADER_OVERFLOW: { line: 'HTTP/1.1 431 Request Header Fields Too Large', code: 'payload_too_large' },
};

/** Answers a connection that speaks no HTTP, or speaks it too slowly, with a problem, and closes it. */
const answerClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const known = clientErrors[error.code ?? ''];
  const line = known?.line ?? badRequest;
  const sentence = known ? 'The request came too slowly, or its headers are too large.' : 'This is not HTTP.';
  const problem = {
    ...problemOf(new KeyholdError(known?.code ?? 'invalid_request', sentence)),
    status: Number(line.split(' ')[1]),
  };
  const body = JSON.stringify(problem);
  socket.end(
    `${line}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
};

const createFastify = (config: HttpConfig, logger: FastifyBaseLogger): FastifyInstance => {
  const options = {
    loggerInstance: logger,
    // What is logged of a request names it: no logger is made for each.
    childLoggerFactory: (parent: FastifyBaseLogger) => parent,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustProxy.length === 0 ? false : [...config.trustProxy],
    genReqId: () => newId<string>(),
    requestIdHeader: false as const,
    bodyLimit: 256 * kilobyte,
    handlerTimeout: handlerTimeoutMs,
    requestTimeout: 30 * second,
    connectionTimeout: 60 * second,
    keepAliveTimeout: 72 * second,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle' as const,
    routerOptions: { maxParamLength: 256 },
    http: { maxHeaderSize, headersTimeout: 10 * second, connectionsCheckingInterval: 500 },
    clientErrorHandler: answerClientError as (error: Error, socket: Socket) => void,
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) => {
      sendProblem(reply, asKeyholdError(error));
    },
  };
  if (config.tls === null) return Fastify(options) as unknown as FastifyInstance;
  const https = {
    cert: config.tls.cert,
    key: config.tls.key.expose(),
    maxHeaderSize,
    headersTimeout: 10 * second,
    connectionsCheckingInterval: 500,
    minVersion: 'TLSv1.2' as const,
  };
  return Fastify({ ...options, https }) as unknown as FastifyInstance;
};

const registerDocument = async (app: FastifyInstance): Promise<void> => {
  await app.register(swagger, swaggerOptions);
  app.get('/api/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  registerDocs(app);
};

/** Refuses requests under overload, before memory grows: a late event loop, a full heap, or a queue for the database. */
const registerPressure = async (app: FastifyInstance, overloaded: () => boolean): Promise<void> => {
  await app.register(underPressure, {
    maxEventLoopDelay: 3000,
    maxHeapUsedBytes: 1024 * 1024 * kilobyte,
    retryAfter: 2,
  });
  app.addHook('onRequest', (_request, _reply, done) => {
    if (overloaded())
      throw new KeyholdError('overloaded', 'The service is overloaded. Try again shortly.', { retryAfterSeconds: 1 });
    done();
  });
};

export interface ServerDeps {
  readonly config: HttpConfig;
  readonly logger: FastifyBaseLogger;
  /** Whether `/docs` and the OpenAPI document are served here. */
  readonly docs: boolean;
  readonly overloaded: () => boolean;
  readonly observe: (method: string, route: string, status: number, seconds: number) => void;
}

const logRequests = (app: FastifyInstance, observe: ServerDeps['observe']): void => {
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    observe(request.method, route, reply.statusCode, reply.elapsedTime / second);
    // The route's pattern instead of the address, which may hold search words or the name of a session.
    request.log.info(
      {
        request_id: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'request',
    );
    done();
  });
};

/** The HTTP server with everything that all routes share. The caller adds routes, then has it listen. */
export const createServer = async ({
  config,
  docs,
  logger,
  overloaded,
  observe,
}: ServerDeps): Promise<FastifyInstance> => {
  const app = createFastify(config, logger);
  app.server.maxConnections = connectionLimit();
  app.setValidatorCompiler(validatorCompiler);
  app.setErrorHandler((error, request, reply) => {
    const known = unfinishedRequest(error, request) ?? asKeyholdError(error);
    logError(request, known);
    return sendProblem(reply, known);
  });
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, notFound()));
  app.addHook('onRequest', (request, _reply, done) => {
    refuseUrl(request.url);
    done();
  });
  logRequests(app, observe);
  registerBodies(app);
  await registerPressure(app, overloaded);
  const headers = securityHeaders(config.tls !== null);
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
  if (docs) await registerDocument(app);
  return app;
};
