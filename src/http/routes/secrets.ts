import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { type SecretId, toId, type UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import { checkMetadata } from '../../core/metadata.ts';
import { readCursor } from '../../core/page.ts';
import { secretTypes } from '../../core/secret-types.ts';
import type { ChangeSecret, CreateSecret, RevealItem, SecretFilter, Secrets, SecretView } from '../../secrets/index.ts';
import { etagOf, ifMatch } from '../etag.ts';
import { optionalInstant } from '../instant.ts';
import { problemOf } from '../problem.ts';
import type { Routes } from '../route.ts';
import { ById, WhoBody } from '../schemas/common.ts';
import * as schema from '../schemas/secrets.ts';
import { whoOf } from '../who.ts';

const tag = 'Secrets';
const may = {
  list: { anyOf: ['secrets:list'] },
  reveal: { anyOf: ['secrets:reveal'] },
  write: { anyOf: ['secrets:write'] },
  share: { anyOf: ['secrets:share'] },
  manage: { anyOf: ['secrets:manage'] },
} as const;

const secretId = (params: { id: string }): SecretId => toId<SecretId>(params.id);

const revisionOf = ({ request }: { readonly request: FastifyRequest }) => ({
  revision: ifMatch(request.headers['if-match']),
});

const tagged = (reply: FastifyReply, view: SecretView): SecretView => {
  reply.header('etag', etagOf(view.revision));
  return view;
};

type Dated = { expires_at?: string | null; rotate_after?: string | null; metadata?: Record<string, unknown> };

/** Times and metadata of a body, checked and in our own types; what was left out stays left out. */
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

export const createOf = (body: Static<typeof schema.CreateSecretBody>): CreateSecret => {
  const { expires_at: _expires, rotate_after: _rotate, metadata: _metadata, shared_with, ...rest } = body;
  return {
    ...rest,
    ...described(body),
    ...(shared_with === undefined ? {} : { shared_with: shared_with.map((id) => toId<UserId>(id)) }),
  };
};

const changeOf = (body: Static<typeof schema.ChangeSecretBody>): ChangeSecret => {
  const { expires_at: _expires, rotate_after: _rotate, metadata: _metadata, ...rest } = body;
  return { ...rest, ...described(body) };
};

/** A field of the query that is no filter of the domain is `never` here: it must not be accepted and then ignored. */
type Filters<Fields> = { readonly [F in keyof Fields]: F extends keyof SecretFilter ? SecretFilter[F] : never };

const filterOf = (query: Static<typeof schema.SecretsQuery>): SecretFilter => {
  const { limit: _limit, cursor: _cursor, session_id, name, ...rest } = query;
  return {
    ...(rest satisfies Filters<typeof rest>),
    ...(name === undefined ? {} : { names: [name] }),
    ...(session_id === undefined ? {} : { sessionId: session_id }),
  };
};

const itemOf = (item: RevealItem) => {
  if ('revealed' in item) return { asked: item.asked, ...item.revealed };
  return {
    asked: item.asked,
    problem: problemOf(item.error),
    ...(item.candidates ? { candidates: item.candidates } : {}),
  };
};

const addLooking = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'GET',
    url: '/secrets',
    tag,
    summary: 'Secrets that one can see, newest first; never a value',
    gate: may.list,
    query: schema.SecretsQuery,
    status: 200,
    answer: schema.SecretList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor, damaged } = await secrets.list(caller, filterOf(query), page);
      return { secrets: items, next_cursor, damaged };
    },
  });
  gated({
    method: 'GET',
    url: '/secrets/types',
    tag,
    summary: 'The types that a secret can be of',
    gate: may.list,
    status: 200,
    answer: schema.TypeList,
    handler: async () => ({ types: [...secretTypes], next_cursor: null }),
  });
  gated({
    method: 'GET',
    url: '/secrets/stats',
    tag,
    summary: 'Counts of the secrets that one can see',
    gate: may.list,
    status: 200,
    answer: schema.Stats,
    handler: (caller) => secrets.stats(caller),
  });
  gated({
    method: 'GET',
    url: '/secrets/:id',
    tag,
    summary: 'A secret’s metadata',
    gate: may.list,
    params: ById,
    status: 200,
    answer: schema.Secret,
    handler: async (caller, { params, reply }) => tagged(reply, await secrets.get(caller, secretId(params))),
  });
  gated({
    method: 'GET',
    url: '/secrets/:id/access',
    tag,
    summary: 'Who can reach the secret, and because of what (its owner)',
    gate: may.manage,
    params: ById,
    status: 200,
    answer: schema.AccessList,
    handler: async (caller, { params }) => ({
      access: await secrets.access(caller, secretId(params)),
      next_cursor: null,
    }),
  });
  gated({
    method: 'GET',
    url: '/secrets/:id/versions',
    tag,
    summary: 'The versions of a value, newest first (its owner)',
    gate: may.manage,
    params: ById,
    status: 200,
    answer: schema.VersionList,
    handler: async (caller, { params }) => ({
      versions: await secrets.versions(caller, secretId(params)),
      next_cursor: null,
    }),
  });
};

const addRevealing = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'GET',
    url: '/secrets/:id/value',
    tag,
    summary: 'Reveal the value',
    gate: may.reveal,
    params: ById,
    status: 200,
    answer: schema.SecretValue,
    confidential: true,
    handler: (caller, { params }) => secrets.reveal(caller, secretId(params)),
  });
  gated({
    method: 'POST',
    url: '/secrets/reveal',
    tag,
    summary: 'Reveal up to 100 values, by ids or by names',
    description: 'A name means the session’s secret, then one’s own, then one shared with one.',
    gate: may.reveal,
    body: schema.RevealBody,
    status: 200,
    answer: schema.RevealedList,
    confidential: true,
    handler: async (caller, { body }) => {
      const items = body.ids
        ? await secrets.revealMany(caller, [...new Set(body.ids.map((id) => toId<SecretId>(id)))])
        : await secrets.revealNamed(caller, [...new Set(body.names ?? [])]);
      return { secrets: items.map(itemOf) };
    },
  });
};

const megabyte = 1024 * 1024;
const valueBodyLimit = megabyte / 2;

const addWriting = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'POST',
    url: '/secrets',
    tag,
    summary: 'Keep a secret; the answer holds no value',
    gate: may.write,
    body: schema.CreateSecretBody,
    bodyLimit: valueBodyLimit,
    status: 201,
    answer: schema.Secret,
    handler: async (caller, { body, idempotent, reply }) =>
      tagged(reply, await secrets.create(caller, createOf(body), idempotent)),
  });
  gated({
    method: 'PATCH',
    url: '/secrets/:id',
    tag,
    summary: 'Change what is known about a secret (its owner)',
    gate: may.write,
    params: ById,
    body: schema.ChangeSecretBody,
    status: 200,
    answer: schema.Secret,
    ifMatch: true,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.update(caller, secretId(context.params), changeOf(context.body), revisionOf(context)),
      ),
  });
  gated({
    method: 'PUT',
    url: '/secrets/:id/value',
    tag,
    summary: 'Set a new value, as a new version (its owner)',
    gate: may.write,
    params: ById,
    body: schema.ValueBody,
    bodyLimit: valueBodyLimit,
    status: 200,
    answer: schema.Secret,
    ifMatch: true,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.setValue(caller, secretId(context.params), context.body.value, revisionOf(context)),
      ),
  });
  gated({
    method: 'DELETE',
    url: '/secrets/:id',
    tag,
    summary: 'Delete a secret; with purge=true erase it for good (its owner)',
    gate: may.manage,
    params: ById,
    query: schema.RemoveQuery,
    status: 204,
    answer: null,
    ifMatch: true,
    handler: (caller, context) =>
      secrets.remove(caller, secretId(context.params), context.query.purge ?? false, revisionOf(context)),
  });
};

const addSharing = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'POST',
    url: '/secrets/:id/share',
    tag,
    summary: 'Share with one user (its owner)',
    gate: may.share,
    params: ById,
    body: WhoBody,
    status: 200,
    answer: schema.Secret,
    ifMatch: true,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.share(caller, secretId(context.params), whoOf(context.body), revisionOf(context)),
      ),
  });
  gated({
    method: 'POST',
    url: '/secrets/:id/unshare',
    tag,
    summary: 'Take one user off (its owner)',
    gate: may.share,
    params: ById,
    body: WhoBody,
    status: 200,
    answer: schema.Secret,
    ifMatch: true,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.unshare(caller, secretId(context.params), whoOf(context.body), revisionOf(context)),
      ),
  });
  gated({
    method: 'DELETE',
    url: '/secrets/:id/share/me',
    tag,
    summary: 'Take oneself off a secret that was shared with one',
    gate: may.share,
    params: ById,
    status: 204,
    answer: null,
    handler: (caller, { params }) => secrets.leaveShare(caller, secretId(params)),
  });
};

const addManaging = ({ gated }: Routes, secrets: Secrets): void => {
  const one = (verb: 'activate' | 'deactivate' | 'recover', summary: string): void =>
    gated({
      method: 'POST',
      url: `/secrets/:id/${verb}`,
      tag,
      summary,
      gate: may.manage,
      params: ById,
      status: 200,
      answer: schema.Secret,
      ifMatch: true,
      handler: async (caller, context) =>
        tagged(context.reply, await secrets[verb](caller, secretId(context.params), revisionOf(context))),
    });
  one('activate', 'Let a secret be revealed and used again (its owner)');
  one('deactivate', 'Let nobody reveal or use a secret (its owner)');
  one('recover', 'Bring a deleted secret back (its owner)');
  gated({
    method: 'POST',
    url: '/secrets/:id/transfer',
    tag,
    summary: 'Move a secret to its owner alone or into a session (its owner)',
    gate: may.manage,
    params: ById,
    body: schema.TransferBody,
    status: 200,
    answer: schema.Secret,
    ifMatch: true,
    handler: async (caller, context) => {
      const { scope, session_id } = context.body;
      const to = { scope, session: session_id ?? null };
      return tagged(context.reply, await secrets.transfer(caller, secretId(context.params), to, revisionOf(context)));
    },
  });
  gated({
    method: 'POST',
    url: '/secrets/:id/versions/:v/restore',
    tag,
    summary: 'Write the value of an old version as the newest (its owner)',
    gate: may.manage,
    params: schema.VersionParams,
    status: 201,
    answer: schema.Secret,
    handler: async (caller, { params, reply, idempotent }) =>
      tagged(reply, await secrets.restore(caller, secretId(params), Number(params.v), idempotent)),
  });
};

export const secretRoutes = (routes: Routes, secrets: Secrets): void => {
  addLooking(routes, secrets);
  addRevealing(routes, secrets);
  addWriting(routes, secrets);
  addSharing(routes, secrets);
  addManaging(routes, secrets);
};
