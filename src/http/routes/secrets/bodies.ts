import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { type SecretId, toId, type UserId } from '../../../core/ids.ts';
import type { JsonObject } from '../../../core/json.ts';
import { checkMetadata } from '../../../core/metadata.ts';
import type { ChangeSecret, CreateSecret, RevealItem, SecretFilter, SecretView } from '../../../secrets/index.ts';
import { etagOf, ifMatch } from '../../etag.ts';
import { optionalInstant } from '../../instant.ts';
import { problemOf } from '../../problem.ts';
import type { ChangeSecretBody, CreateSecretBody } from '../../schemas/secret-bodies.ts';
import type { SecretsQuery } from '../../schemas/secrets.ts';

/* Requests about secrets as the domain takes them, and its answers as clients get them. */

export const secretId = (params: { id: string }): SecretId => toId<SecretId>(params.id);

export const revisionOf = ({ request }: { readonly request: FastifyRequest }) => ({
  revision: ifMatch(request.headers['if-match']),
});

export const tagged = (reply: FastifyReply, view: SecretView): SecretView => {
  reply.header('etag', etagOf(view.revision));
  return view;
};

type Dated = { expires_at?: string | null; rotate_after?: string | null; metadata?: Record<string, unknown> };

/** Times and metadata of a body, checked and in the domain's types. Fields that are left out stay out. */
const described = ({
  expires_at,
  rotate_after,
  metadata,
}: Dated): Pick<ChangeSecret, 'expires_at' | 'rotate_after' | 'metadata'> => {
  checkMetadata(metadata as JsonObject | undefined);
  const expires = optionalInstant('expires_at', expires_at);
  const rotate = optionalInstant('rotate_after', rotate_after);
  return {
    ...(expires === undefined ? {} : { expires_at: expires }),
    ...(rotate === undefined ? {} : { rotate_after: rotate }),
    ...(metadata === undefined ? {} : { metadata: metadata as JsonObject }),
  };
};

export const createOf = (body: Static<typeof CreateSecretBody>): CreateSecret => {
  const { expires_at: _expires, rotate_after: _rotate, metadata: _metadata, shared_with, ...rest } = body;
  return {
    ...rest,
    ...described(body),
    ...(shared_with === undefined ? {} : { shared_with: shared_with.map((id) => toId<UserId>(id)) }),
  };
};

export const changeOf = (body: Static<typeof ChangeSecretBody>): ChangeSecret => {
  const { expires_at: _expires, rotate_after: _rotate, metadata: _metadata, ...rest } = body;
  return { ...rest, ...described(body) };
};

/** A field of the query for which the domain has no filter is `never`, so that none is accepted and then ignored. */
type Filters<Fields> = { readonly [F in keyof Fields]: F extends keyof SecretFilter ? SecretFilter[F] : never };

export const filterOf = (query: Static<typeof SecretsQuery>): SecretFilter => {
  const { limit: _limit, cursor: _cursor, session_id, name, ...rest } = query;
  return {
    ...(rest satisfies Filters<typeof rest>),
    ...(name === undefined ? {} : { names: [name] }),
    ...(session_id === undefined ? {} : { sessionId: session_id }),
  };
};

export const itemOf = (item: RevealItem) => {
  if ('revealed' in item) return { asked: item.asked, ...item.revealed };
  return {
    asked: item.asked,
    problem: problemOf(item.error),
    ...(item.candidates ? { candidates: item.candidates } : {}),
  };
};
