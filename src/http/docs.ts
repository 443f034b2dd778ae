import type { StaticDocumentSpec } from '@fastify/swagger';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { notFound } from '../core/errors.ts';

/** Every part of the pages comes from the package, so that a browser loads nothing from elsewhere. */
const docsPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const createPages = async (document: StaticDocumentSpec['document']): Promise<FastifyInstance> => {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ]);
  const pages = Fastify();
  pages.setNotFoundHandler((_request, reply) => reply.code(404).send());
  await pages.register(swagger, { mode: 'static', specification: { document } });
  await pages.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    uiConfig: { persistAuthorization: false },
  });
  await pages.ready();
  return pages;
};

/** The package's paths in their plain spelling. The call below would resolve `..` and `%2e`, which are refused. */
const plainPath = /^\/docs(?:\/(?:static\/)?(?:\w[\w.-]*)?)?(?:\?|$)/;

/** Headers of a page that belong to its connection: the service sends its own. */
const connectionHeaders = new Set(['connection', 'date', 'content-length', 'transfer-encoding', 'keep-alive']);

/**
 * Serves `/docs`. The pages are made on the first request for one: loading their packages takes a good part of a start,
 * and most services never show them.
 */
export const registerDocs = (app: FastifyInstance): void => {
  let pages: Promise<FastifyInstance> | null = null;
  const page = async (request: FastifyRequest) => {
    pages ??= createPages(app.swagger() as StaticDocumentSpec['document']);
    const { 'if-none-match': known, 'if-modified-since': since } = request.headers;
    const headers = { ...(known && { 'if-none-match': known }), ...(since && { 'if-modified-since': since }) };
    return await (await pages).inject({ method: 'GET', url: request.url, headers });
  };
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    if (!plainPath.test(request.url)) throw notFound();
    const { statusCode, headers, rawPayload } = await page(request);
    if (statusCode === 404) throw notFound();
    const ours = Object.entries(headers).filter(([name, value]) => value !== undefined && !connectionHeaders.has(name));
    return await reply.code(statusCode).headers(Object.fromEntries(ours)).send(rawPayload);
  };
  for (const url of ['/docs', '/docs/*']) app.get(url, { schema: { hide: true } }, handler);
};
