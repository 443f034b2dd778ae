import type { FastifyInstance, FastifyRequest } from 'fastify';
import { invalid, KeyholdError } from '../core/errors.ts';
import { readJsonBody } from './json-body.ts';

const unsupported = (detail: string): KeyholdError => new KeyholdError('unsupported_media_type', detail);

const isUtf8 = (contentType: string): boolean => {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)"?/i.exec(contentType)?.[1];
  return charset === undefined || /^utf-?8$/i.test(charset);
};

/** Refuses a request that names another encoding than JSON's only one (RFC 8259 section 8.1). */
export const refuseCharset = (request: FastifyRequest): void => {
  if (!isUtf8(request.headers['content-type'] ?? '')) throw unsupported('Send JSON as UTF-8.');
};

const readJson = (request: FastifyRequest, bytes: Buffer): unknown => {
  refuseCharset(request);
  return bytes.length === 0 ? undefined : readJsonBody(bytes);
};

const refuseBody = (bytes: Buffer): undefined => {
  if (bytes.length > 0) throw unsupported('Send the body as application/json.');
  return undefined;
};

/** Bodies are JSON and nothing else. A request without content may name any type. */
export const registerBodies = (app: FastifyInstance): void => {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) =>
    readJson(request, bytes),
  );
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: FastifyRequest, bytes: Buffer) =>
    refuseBody(bytes),
  );
  app.addHook('onRequest', (request, _reply, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') throw unsupported('Send the body without Content-Encoding.');
    done();
  });
  app.addHook('preValidation', (request, _reply, done) => {
    const takesBody = request.routeOptions.schema?.body !== undefined;
    const empty = request.body == null || (typeof request.body === 'object' && Object.keys(request.body).length === 0);
    if (!takesBody && !empty) throw invalid('body', 'must be empty: this route takes none.');
    if (takesBody && request.body === undefined) throw invalid('body', 'is required, as application/json.');
    done();
  });
};

const badAddress = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', detail, cause === undefined ? {} : { cause });

/** Refuses paths and queries whose percent-encoding is not UTF-8, which the router would replace, or hides a NUL. */
export const refuseUrl = (url: string): void => {
  if (!url.includes('%')) return;
  let decoded: string;
  try {
    decoded = decodeURIComponent(url);
  } catch (cause) {
    throw badAddress('The address is not valid percent-encoded UTF-8.', cause);
  }
  if (decoded.includes('\0')) throw badAddress('The address must not hold a NUL character.');
};
