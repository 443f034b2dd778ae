import { type SecretId, toId } from '../../../core/ids.ts';
import { readCursor } from '../../../core/page.ts';
import { secretTypes } from '../../../core/secret-types.ts';
import type { Secrets } from '../../../secrets/index.ts';
import type { Routes } from '../../route.ts';
import { ById } from '../../schemas/common.ts';
import { RevealBody } from '../../schemas/secret-bodies.ts';
import * as schema from '../../schemas/secrets.ts';
import { filterOf, itemOf, secretId, tagged } from './bodies.ts';

const tag = 'Secrets';
const may = {
  list: { anyOf: ['secrets:list'] },
  reveal: { anyOf: ['secrets:reveal'] },
  manage: { anyOf: ['secrets:manage'] },
} as const;

/** A secret that the caller cannot reach, and one whose state or integrity stands in the way. */
const refuses = [404, 409] as const;

export const secretReads = (routes: Routes, secrets: Secrets): void => {
  addLists(routes, secrets);
  addDetails(routes, secrets);
  addReveals(routes, secrets);
};

const addLists = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'GET',
    url: '/secrets',
    operationId: 'listSecrets',
    tag,
    summary: 'Secrets that the caller can see',
    description: 'Newest first, never with a value. Filters narrow the list down together.',
    requires: may.list,
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
    operationId: 'listSecretTypes',
    tag,
    summary: 'The types that a secret can have',
    description: 'A closed list.',
    requires: may.list,
    status: 200,
    answer: schema.TypeList,
    handler: async () => ({ types: [...secretTypes], next_cursor: null }),
  });
  gated({
    method: 'GET',
    url: '/secrets/stats',
    operationId: 'getSecretStats',
    tag,
    summary: 'Counts of the secrets that the caller can see, and what needs a look',
    description:
      'What expires soon, what nobody has used for 90 days, and what is shared with whom. Deleted secrets are not counted.',
    requires: may.list,
    status: 200,
    answer: schema.Stats,
    handler: (caller) => secrets.stats(caller),
  });
};

const addDetails = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'GET',
    url: '/secrets/:id',
    operationId: 'getSecret',
    tag,
    summary: 'A secret’s metadata',
    description: 'Never its value. The ETag is its revision, for If-Match.',
    requires: may.list,
    params: ById,
    status: 200,
    answer: schema.Secret,
    refuses,
    handler: async (caller, { params, reply }) => tagged(reply, await secrets.get(caller, secretId(params))),
  });
  gated({
    method: 'GET',
    url: '/secrets/:id/access',
    operationId: 'listSecretAccess',
    tag,
    summary: 'Who can reach the secret, and why (its owner)',
    description: 'One entry for each user, with the actions that are open to them now.',
    requires: may.manage,
    params: ById,
    status: 200,
    answer: schema.AccessList,
    refuses,
    handler: async (caller, { params }) => ({
      access: await secrets.access(caller, secretId(params)),
      next_cursor: null,
    }),
  });
  gated({
    method: 'GET',
    url: '/secrets/:id/versions',
    operationId: 'listSecretVersions',
    tag,
    summary: 'The versions of the value (its owner)',
    description: 'Newest first, never with a value.',
    requires: may.manage,
    params: ById,
    status: 200,
    answer: schema.VersionList,
    refuses,
    handler: async (caller, { params }) => ({
      versions: await secrets.versions(caller, secretId(params)),
      next_cursor: null,
    }),
  });
};

const addReveals = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'GET',
    url: '/secrets/:id/value',
    operationId: 'revealSecret',
    tag,
    summary: 'Reveal the value',
    description: 'The value is sent once the record of the reveal is committed.',
    requires: may.reveal,
    params: ById,
    status: 200,
    answer: schema.SecretValue,
    confidential: true,
    refuses,
    handler: (caller, { params }) => secrets.reveal(caller, secretId(params)),
  });
  gated({
    method: 'POST',
    url: '/secrets/reveal',
    operationId: 'revealSecrets',
    tag,
    summary: 'Reveal up to 100 values, by ids or by names',
    description:
      'A name resolves to the session’s secret, else to the caller’s own, else to one shared with the caller. Each secret is decided separately. A refused one has a problem in its place.',
    requires: may.reveal,
    body: RevealBody,
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
