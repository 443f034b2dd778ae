import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import type { HttpGate } from '../src/http/gate.ts';
import { registerRoutes, type Services } from '../src/http/routes/index.ts';
import { createServer } from '../src/http/server.ts';

/**
 * The HTTP server with its routes and without services, which is enough for the OpenAPI document and the docs. No service
 * is called before a request arrives.
 */
export const routesOnly = async (): Promise<FastifyInstance> => {
  const http = await createServer({
    config: { tls: null, trustProxy: [] },
    logger: pino({ level: 'silent' }),
    docs: true,
    overloaded: () => false,
    observe: () => undefined,
  });
  await registerRoutes(http, {} as HttpGate, {} as Services);
  await http.ready();
  return http;
};
