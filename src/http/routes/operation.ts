import type { AccessTokens } from '../../auth/index.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Readiness } from '../readiness.ts';
import type { Routes } from '../route.ts';
import { Exposition, Health, Jwks, Ready } from '../schemas/operation.ts';

interface Services {
  readonly accessTokens: AccessTokens;
  readonly metrics: Metrics;
  readonly readiness: () => Promise<Readiness>;
}

const tag = 'Operation';

const notReady = (checks: Readiness['checks']): KeyholdError => {
  const wrong = Object.entries(checks)
    .filter(([, state]) => state !== 'ok')
    .map(([name, state]) => `${name} (${state})`);
  return new KeyholdError('unavailable', `Not ready: ${wrong.join(', ')}.`, { retryAfterSeconds: 1 });
};

/** The routes outside of /api, for monitoring and for services that verify our access tokens. */
export const operationRoutes = ({ open, gated }: Routes, { accessTokens, metrics, readiness }: Services): void => {
  open({
    method: 'GET',
    url: '/healthz',
    operationId: 'getHealth',
    tag,
    summary: 'Whether the process answers',
    description: 'Says nothing about the database.',
    status: 200,
    answer: Health,
    handler: async () => ({ status: 'ok' }),
  });
  open({
    method: 'GET',
    url: '/readyz',
    operationId: 'getReadiness',
    tag,
    summary: 'Whether the service can do its work',
    description:
      'Checks the database, its schema, the clock, and that logins can be recorded. Answers 503 until all are as they should be.',
    status: 200,
    answer: Ready,
    handler: async () => {
      const { ready, checks } = await readiness();
      if (!ready) throw notReady(checks);
      return { status: 'ready', checks };
    },
  });
  open({
    method: 'GET',
    url: '/.well-known/jwks.json',
    operationId: 'getJwks',
    tag,
    summary: 'The public keys that verify access tokens',
    description: 'A JSON Web Key Set (RFC 7517).',
    status: 200,
    answer: Jwks,
    handler: async ({ reply }) => {
      // A new key signs nothing before it was published for this long.
      reply.header('cache-control', 'public, max-age=300');
      return accessTokens.jwks();
    },
  });
  gated({
    method: 'GET',
    url: '/metrics',
    operationId: 'getMetrics',
    tag,
    summary: 'Metrics in the Prometheus text format',
    description: 'The operator can also serve them on a port of their own, without authentication.',
    requires: { anyOf: ['admin'] },
    status: 200,
    answer: Exposition,
    answerTypes: { 'text/plain': Exposition },
    handler: async (_caller, { reply }) => {
      reply.type(metrics.registry.contentType).serializer(String);
      return await metrics.registry.metrics();
    },
  });
};
