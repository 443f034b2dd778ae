import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { OnConflict } from '../../core/secret-types.ts';
import type { CreateSecret, Secrets } from '../../secrets/index.ts';
import { refuseCharset } from '../body.ts';
import { maxImportBytes, readImport } from '../import-body.ts';
import { oneOfEachUser } from '../import-places.ts';
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
