import { Type } from 'typebox';
import { onConflicts, type Scope, scopes, transferScopes } from '../../core/secret-types.ts';
import { documented, Id, Instant, Metadata, nullable, SessionName, strict } from './common.ts';
import { Description, Exposure, example, Name, ScopeName, Tags, TypeName, Value } from './secret-fields.ts';

/* What requests about secrets hold, and what an import answers. */

const createFields = {
  name: Name,
  type: TypeName,
  value: Value,
  scope: Type.Optional(ScopeName),
  session_id: Type.Optional(nullable(SessionName)),
  shared_with: Type.Optional(Type.Array(Id, { maxItems: 1000, ...documented({ uniqueItems: true }) })),
  description: Type.Optional(Description),
  tags: Type.Optional(Tags),
  expires_at: Type.Optional(nullable(Instant)),
  rotate_after: Type.Optional(nullable(Instant)),
  metadata: Type.Optional(Metadata),
  exposure: Type.Optional(Exposure),
};

const createExample = {
  name: 'STRIPE_KEY',
  type: 'api_key',
  value: 'sk_live_4eC39HqLyjWDarjtT1zdp7dc',
  tags: ['billing'],
};

const ifScope = (scope: Scope, yes: object, no: object) => ({
  if: { properties: { scope: { const: scope } }, required: ['scope'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema; nobody awaits this object.
  then: yes,
  else: no,
});

/** A part of a rule: linters take an object without `additionalProperties` for a closed one. */
const partly = (rules: object) => ({ ...rules, additionalProperties: true });

const noSession = { properties: { session_id: { type: 'null' } } };
const noGrantees = { properties: { shared_with: { maxItems: 0 } } };
const someGrantees = { properties: { shared_with: { minItems: 1 } }, required: ['shared_with'] };

/** A session is named with scope session only; other users are named with scope shared only, and then at least one. */
const placementRules = documented(
  ifScope(
    'session',
    partly(noGrantees),
    partly({ ...noSession, ...ifScope('shared', partly(someGrantees), partly(noGrantees)) }),
  ),
);

export const CreateSecretBody = strict(createFields, {
  title: 'CreateSecretRequest',
  examples: [createExample],
  ...placementRules,
});

const importFields = {
  on_conflict: Type.Enum(onConflicts, { title: 'OnConflict' }),
  dry_run: Type.Optional(Type.Boolean()),
};

export const ImportBody = strict(
  { items: Type.Array(CreateSecretBody, { minItems: 1, maxItems: 100_000 }), ...importFields },
  { title: 'ImportSecretsRequest', examples: [{ items: [createExample], on_conflict: 'skip', dry_run: true }] },
);

/** An import whose items were read and checked one by one, as they arrived. */
export const ImportRead = strict({ items: Type.Array(Type.Unknown(), { minItems: 1 }), ...importFields });

export const Imported = Type.Object(
  {
    dry_run: Type.Boolean(),
    created: Type.Integer(),
    updated: Type.Integer(),
    skipped: Type.Integer(),
    renamed: Type.Integer(),
    items: Type.Array(
      Type.Object(
        { index: Type.Integer(), id: nullable(Type.String()), name: Type.String(), outcome: Type.String() },
        { title: 'ImportedItem' },
      ),
    ),
  },
  {
    title: 'ImportResult',
    examples: [
      {
        dry_run: false,
        created: 1,
        updated: 0,
        skipped: 0,
        renamed: 0,
        items: [{ index: 0, id: example.id, name: 'STRIPE_KEY', outcome: 'created' }],
      },
    ],
  },
);

export const ChangeSecretBody = strict(
  {
    name: Type.Optional(Name),
    type: Type.Optional(TypeName),
    description: Type.Optional(Description),
    tags: Type.Optional(Tags),
    expires_at: Type.Optional(nullable(Instant)),
    rotate_after: Type.Optional(nullable(Instant)),
    metadata: Type.Optional(Metadata),
    exposure: Type.Optional(Exposure),
  },
  { title: 'UpdateSecretRequest', minProperties: 1, examples: [{ tags: ['billing', 'live'] }] },
);

export const ValueBody = strict(
  { value: Value },
  { title: 'SetSecretValueRequest', examples: [{ value: 'sk_live_new' }] },
);

export const RevealBody = strict(
  {
    ids: Type.Optional(Type.Array(Id, { minItems: 1, maxItems: 100 })),
    names: Type.Optional(Type.Array(Name, { minItems: 1, maxItems: 100 })),
  },
  { title: 'RevealSecretsRequest', minProperties: 1, maxProperties: 1, examples: [{ names: ['STRIPE_KEY'] }] },
);

/** A secret becomes shared by sharing it, not by a transfer. */
const TransferScope = Type.Enum(scopes, documented({ enum: transferScopes }));

export const TransferBody = strict(
  { scope: TransferScope, session_id: Type.Optional(nullable(SessionName)) },
  {
    title: 'TransferSecretRequest',
    examples: [{ scope: 'session', session_id: 'chat-42' }],
    ...documented(ifScope('session', {}, partly(noSession))),
  },
);

export const RemoveQuery = strict({ purge: Type.Optional(Type.Boolean()) });
