import type { Secrets } from '../../../secrets/index.ts';
import type { Routes } from '../../route.ts';
import { ById, WhoBody } from '../../schemas/common.ts';
import * as schema from '../../schemas/secret-bodies.ts';
import { Secret, VersionParams } from '../../schemas/secrets.ts';
import { whoOf } from '../../who.ts';
import { changeOf, createOf, revisionOf, secretId, tagged } from './bodies.ts';

const tag = 'Secrets';
const may = {
  write: { anyOf: ['secrets:write'] },
  share: { anyOf: ['secrets:share'] },
  manage: { anyOf: ['secrets:manage'] },
} as const;

/** A secret that the caller cannot reach, and one whose state or integrity stands in the way. */
const refuses = [404, 409] as const;

const megabyte = 1024 * 1024;
const valueBodyLimit = megabyte / 2;

export const secretChanges = (routes: Routes, secrets: Secrets): void => {
  addWriting(routes, secrets);
  addSharing(routes, secrets);
  addManaging(routes, secrets);
};

const addWriting = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'POST',
    url: '/secrets',
    operationId: 'createSecret',
    tag,
    summary: 'Create a secret',
    description: 'The response does not contain the value.',
    requires: may.write,
    body: schema.CreateSecretBody,
    bodyLimit: valueBodyLimit,
    status: 201,
    answer: Secret,
    idempotent: true,
    handler: async (caller, { body, idempotent, reply }) =>
      tagged(reply, await secrets.create(caller, createOf(body), idempotent)),
  });
  gated({
    method: 'PATCH',
    url: '/secrets/:id',
    operationId: 'updateSecret',
    tag,
    summary: 'Change a secret’s metadata (its owner)',
    description: 'Fields that are left out stay as they are. The value has an operation of its own.',
    requires: may.write,
    params: ById,
    body: schema.ChangeSecretBody,
    status: 200,
    answer: Secret,
    ifMatch: true,
    refuses,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.update(caller, secretId(context.params), changeOf(context.body), revisionOf(context)),
      ),
  });
  gated({
    method: 'PUT',
    url: '/secrets/:id/value',
    operationId: 'setSecretValue',
    tag,
    summary: 'Set a new value, as a new version (its owner)',
    description: 'The response does not contain the value.',
    requires: may.write,
    params: ById,
    body: schema.ValueBody,
    bodyLimit: valueBodyLimit,
    status: 200,
    answer: Secret,
    ifMatch: true,
    refuses,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.setValue(caller, secretId(context.params), context.body.value, revisionOf(context)),
      ),
  });
  gated({
    method: 'DELETE',
    url: '/secrets/:id',
    operationId: 'deleteSecret',
    tag,
    summary: 'Delete a secret; with purge=true, erase it for good (its owner)',
    description: 'A deleted secret can be recovered. An erased one cannot.',
    requires: may.manage,
    params: ById,
    query: schema.RemoveQuery,
    status: 204,
    answer: null,
    ifMatch: true,
    refuses,
    handler: (caller, context) =>
      secrets.remove(caller, secretId(context.params), context.query.purge ?? false, revisionOf(context)),
  });
};

const addSharing = ({ gated }: Routes, secrets: Secrets): void => {
  gated({
    method: 'POST',
    url: '/secrets/:id/share',
    operationId: 'shareSecret',
    tag,
    summary: 'Share with one user (its owner)',
    description: 'Sharing with a user twice is the same as once.',
    requires: may.share,
    params: ById,
    body: WhoBody,
    status: 200,
    answer: Secret,
    ifMatch: true,
    refuses,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.share(caller, secretId(context.params), whoOf(context.body), revisionOf(context)),
      ),
  });
  gated({
    method: 'POST',
    url: '/secrets/:id/unshare',
    operationId: 'unshareSecret',
    tag,
    summary: 'Stop sharing with one user (its owner)',
    description: 'The user can no longer reach the secret from the next request on.',
    requires: may.share,
    params: ById,
    body: WhoBody,
    status: 200,
    answer: Secret,
    ifMatch: true,
    refuses,
    handler: async (caller, context) =>
      tagged(
        context.reply,
        await secrets.unshare(caller, secretId(context.params), whoOf(context.body), revisionOf(context)),
      ),
  });
  gated({
    method: 'DELETE',
    url: '/secrets/:id/share/me',
    operationId: 'leaveSecret',
    tag,
    summary: 'Give up one’s access to a secret that another user shared',
    description: 'The owner can share it again.',
    requires: may.share,
    params: ById,
    status: 204,
    answer: null,
    refuses,
    handler: (caller, { params }) => secrets.leaveShare(caller, secretId(params)),
  });
};

const addManaging = ({ gated }: Routes, secrets: Secrets): void => {
  const addVerb = (
    verb: 'activate' | 'deactivate' | 'recover',
    { summary, description }: { readonly summary: string; readonly description: string },
  ): void =>
    gated({
      method: 'POST',
      url: `/secrets/:id/${verb}`,
      operationId: `${verb}Secret`,
      tag,
      summary,
      description,
      requires: may.manage,
      params: ById,
      status: 200,
      answer: Secret,
      ifMatch: true,
      refuses,
      handler: async (caller, context) =>
        tagged(context.reply, await secrets[verb](caller, secretId(context.params), revisionOf(context))),
    });
  addVerb('activate', {
    summary: 'Let a secret be revealed and used again (its owner)',
    description: 'Reverses a deactivation.',
  });
  addVerb('deactivate', {
    summary: 'Stop a secret from being revealed and used (its owner)',
    description: 'Applies to everyone, the owner included, until it is activated again.',
  });
  addVerb('recover', {
    summary: 'Recover a deleted secret (its owner)',
    description: 'Restores the secret unchanged. Its name must not be in use.',
  });
  gated({
    method: 'POST',
    url: '/secrets/:id/transfer',
    operationId: 'transferSecret',
    tag,
    summary: 'Move a secret to its owner alone or into a session (its owner)',
    description: 'All sharing is removed.',
    requires: may.manage,
    params: ById,
    body: schema.TransferBody,
    status: 200,
    answer: Secret,
    ifMatch: true,
    refuses,
    handler: async (caller, context) => {
      const { scope, session_id } = context.body;
      const to = { scope, session: session_id ?? null };
      return tagged(context.reply, await secrets.transfer(caller, secretId(context.params), to, revisionOf(context)));
    },
  });
  gated({
    method: 'POST',
    url: '/secrets/:id/versions/:v/restore',
    operationId: 'restoreSecretVersion',
    tag,
    summary: 'Restore the value of an earlier version (its owner)',
    description: 'Written as a new version.',
    requires: may.manage,
    params: VersionParams,
    status: 201,
    answer: Secret,
    idempotent: true,
    handler: async (caller, { params, reply, idempotent }) =>
      tagged(reply, await secrets.restore(caller, secretId(params), Number(params.v), idempotent)),
  });
};
