import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import type { AccessTokens } from '../../auth/index.ts';
import { KeyholdError } from '../../core/errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Routes } from '../route.ts';

export interface Readiness {
  readonly ready: boolean;
  /** A word for each thing that is checked: `ok`, or what is wrong with it. */
  readonly checks: Readonly<Record<string, string>>;
}

interface Services {
  readonly accessTokens: AccessTokens;
  readonly metrics: Metrics;
  readonly readiness: () => Promise<Readiness>;
}

const tag = 'Operation';

const Health = Type.Object({ status: Type.Literal('ok') }, { examples: [{ status: 'ok' }] });
const Ready = Type.Object(
  { status: Type.Literal('ready'), checks: Type.Record(Type.String(), Type.String()) },
  { examples: [{ status: 'ready', checks: { database: 'ok', schema: 'ok', clock: 'ok' } }] },
);
const Jwks = Type.Object(
  { keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) },
  {
    examples: [
      {
        keys: [
          {
            kty: 'OKP',
            crv: 'Ed25519',
            x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
            kid: 'kid',
            alg: 'EdDSA',
            use: 'sig',
          },
        ],
      },
    ],
  },
);
const Exposition = Type.String({
  examples: ['# HELP keyhold_audit_records_total Audit records by action and outcome\n'],
});

const notReady = (checks: Readiness['checks']): KeyholdError => {
  const wrong = Object.entries(checks)
    .filter(([, state]) => state !== 'ok')
    .map(([name, state]) => `${name} (${state})`);
  return new KeyholdError('unavailable', `Not ready: ${wrong.join(', ')}.`, { retryAfterSeconds: 1 });
};

/** What stands at the root, for machines that watch and verify. */
export const operationRoutes = ({ open, gated }: Routes, { accessTokens, metrics, readiness }: Services): void => {
  open({
    method: 'GET',
    url: '/healthz',
    tag,
    summary: 'The process answers',
    gate: 'public',
    status: 200,
    answer: Health,
    handler: async () => ({ status: 'ok' }),
  });
  open({
    method: 'GET',
    url: '/readyz',
    tag,
    summary: 'Logins work: database, schema and clock are as they should be',
    gate: 'public',
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
    tag,
    summary: 'The keys that verify our access tokens',
    gate: 'public',
    status: 200,
    answer: Jwks,
    handler: async () => accessTokens.jwks(),
  });
  gated({
    method: 'GET',
    url: '/metrics',
    tag,
    summary: 'Prometheus metrics',
    gate: { anyOf: ['admin'] },
    status: 200,
    answer: Exposition,
    answerType: 'text/plain',
    handler: async (_caller, { reply }) => {
      reply.type(metrics.registry.contentType).serializer(String);
      return await metrics.registry.metrics();
    },
  });
};

/** The same metrics on a port of their own, which the operator keeps from others. */
export const metricsOnly = (app: FastifyInstance, metrics: Metrics): void => {
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return await metrics.registry.metrics();
  });
};
