import type { FastifyRequest } from 'fastify';
import type { RequestOrigin } from '../core/caller.ts';

/** Where a request came from. X-Forwarded-For counts only from proxies that the configuration trusts. */
export const originOf = (request: FastifyRequest): RequestOrigin => ({
  requestId: request.id,
  ip: request.ip,
  userAgent: request.headers['user-agent'] ?? null,
});
