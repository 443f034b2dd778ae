import type { FastifyInstance, FastifyPluginCallback } from 'fastify';
import type { HttpGate } from '../gate.ts';
import { createRoutes } from '../route.ts';
import { authRoutes } from './auth.ts';
import { graphRoutes } from './graph/index.ts';
import { handoverRoutes } from './handovers.ts';
import { importRoute } from './import.ts';
import { jobRoutes } from './jobs.ts';
import { keyRoutes } from './keys.ts';
import { noticeRoutes } from './notices.ts';
import { operationRoutes } from './operation.ts';
import { secretRoutes } from './secrets/index.ts';
import { sessionRoutes } from './sessions.ts';
import { userRoutes } from './users.ts';
import { webhookRoutes } from './webhooks.ts';

export type Services = Parameters<typeof operationRoutes>[1] &
  Parameters<typeof authRoutes>[1] &
  Parameters<typeof userRoutes>[1] &
  Parameters<typeof sessionRoutes>[1] &
  Parameters<typeof handoverRoutes>[1] &
  Parameters<typeof webhookRoutes>[1] &
  Parameters<typeof jobRoutes>[1] &
  Parameters<typeof keyRoutes>[1] &
  Parameters<typeof noticeRoutes>[1] &
  Parameters<typeof graphRoutes>[2];

/** Adds every route of the service. No service is called before a request comes. */
export const registerRoutes = async (http: FastifyInstance, gate: HttpGate, services: Services): Promise<void> => {
  await http.register((scope, _options, done) => {
    operationRoutes(createRoutes(scope, gate), services);
    done();
  });
  const addResources: FastifyPluginCallback = (scope, _options, done) => {
    const routes = createRoutes(scope, gate);
    authRoutes(routes, services);
    userRoutes(routes, services);
    sessionRoutes(routes, services);
    secretRoutes(routes, services.secrets);
    handoverRoutes(routes, services);
    webhookRoutes(routes, services);
    jobRoutes(routes, services);
    keyRoutes(routes, services);
    noticeRoutes(routes, services);
    scope.register((inner, _inner, ready) => {
      importRoute(inner, createRoutes(inner, gate), services.secrets);
      ready();
    });
    scope.register((inner, _inner, ready) => {
      graphRoutes(inner, gate, services);
      ready();
    });
    done();
  };
  await http.register(addResources, { prefix: '/api/v1' });
};
