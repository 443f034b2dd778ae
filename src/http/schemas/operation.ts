import { Type } from 'typebox';

export const Health = Type.Object({ status: Type.Literal('ok') }, { title: 'Health', examples: [{ status: 'ok' }] });
export const Ready = Type.Object(
  { status: Type.Literal('ready'), checks: Type.Record(Type.String(), Type.String()) },
  { title: 'Readiness', examples: [{ status: 'ready', checks: { database: 'ok', schema: 'ok', clock: 'ok' } }] },
);
export const Jwks = Type.Object(
  { keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) },
  {
    title: 'JsonWebKeySet',
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
export const Exposition = Type.String({
  examples: ['# HELP keyhold_audit_records_total Audit records by action and outcome\n'],
});
