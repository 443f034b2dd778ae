import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import { KeyholdError } from '../../core/errors.ts';
import type { UserId } from '../../core/ids.ts';
import type { OnConflict } from '../../core/secret-types.ts';
import type { CreateSecret, Secrets } from '../../secrets/index.ts';
import { refuseCharset } from '../body.ts';
import { callerOf } from '../gate.ts';
import { maxImportBytes, readImport } from '../import-body.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/secret-bodies.ts';
import { check } from '../validation.ts';
import { createOf } from './secrets/bodies.ts';

interface ReadImport {
  readonly items: readonly CreateSecret[];
  readonly on_conflict: OnConflict;
  readonly dry_run?: boolean;
}

const readItem = (item: unknown): CreateSecret =>
  createOf(check(schema.CreateSecretBody, 'body', item) as Static<typeof schema.CreateSecretBody>);

/** Each import has its items in memory until its transaction is done, which bounds how many can run. */
const maxConcurrentImports = 3;

const busy = (): KeyholdError =>
  new KeyholdError('overloaded', 'Another import is running. Try again when it is done.', { retryAfterSeconds: 2 });

/**
 * Lets in one import of each user at a time, and few in all, so that a user who sends a body slowly keeps no other user
 * waiting. Returns a function that runs the work of a request that was let in.
 */
const oneOfEachUser = (scope: FastifyInstance) => {
  const holders = new Map<UserId, FastifyRequest>();
  const working = new WeakSet<FastifyRequest>();
  const leave = (userId: UserId, request: FastifyRequest): void => {
    if (holders.get(userId) === request) holders.delete(userId);
  };
  scope.addHook('preParsing', async (request: FastifyRequest, reply: FastifyReply) => {
    const { userId } = callerOf(request);
    const full = holders.has(userId) || holders.size >= maxConcurrentImports;
    // A connection that is closed already emits no further 'close', and would keep the place for good.
    if (full || reply.raw.closed || reply.raw.destroyed) throw busy();
    holders.set(userId, request);
    // A client that hangs up while its items are being written keeps the place until they are written.
    reply.raw.once('close', () => {
      if (!working.has(request)) leave(userId, request);
    });
  });
  return async <T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> => {
    working.add(request);
    try {
      return await work();
    } finally {
      leave(callerOf(request).userId, request);
    }
  };
};

/** Adds the import, in a scope of its own, since its body is read as a stream and checked item by item. */
export const importRoute = (scope: FastifyInstance, { gated }: Routes, secrets: Secrets): void => {
  scope.removeContentTypeParser('application/json');
  scope.addContentTypeParser('application/json', async (request: FastifyRequest, payload: FastifyRequest['raw']) => {
    refuseCharset(request);
    return check(schema.ImportRead, 'body', await readImport(payload, readItem));
  });
  const inPlace = oneOfEachUser(scope);
  gated({
    method: 'POST',
    url: '/secrets/import',
    operationId: 'importSecrets',
    tag: 'Secrets',
    summary: 'Import many secrets, all or none',
    description:
      'At most 64 MiB and 100,000 items, read as they arrive. Each user can run one import at a time, and three can run in all; further ones are answered 503 with Retry-After.',
    requires: { anyOf: ['secrets:write'] },
    body: schema.ImportBody,
    bodyLimit: maxImportBytes,
    bodyIsChecked: true,
    handlerTimeout: 60_000,
    status: 201,
    answer: schema.Imported,
    idempotent: true,
    handler: (caller, { body, idempotent, request }) => {
      const { items, on_conflict, dry_run = false } = body as unknown as ReadImport;
      return inPlace(request, () => secrets.import(caller, { items, on_conflict, dry_run }, idempotent));
    },
  });
};
