import type { FastifyDynamicSwaggerOptions, SwaggerTransformObject } from '@fastify/swagger';
import { ifMatchPattern } from './etag.ts';
import type { Documentation, RequestHeader } from './route-docs.ts';
import { ProblemSchema, problemExample, SessionName } from './schemas/common.ts';

/** The parts of the OpenAPI document that belong to no route. */
const openapi = {
  openapi: '3.1.0',
  info: {
    title: 'Keyhold',
    description: 'A self-hosted secrets service in which every secret has an owner.',
    version: '0.1.0',
    contact: { name: 'The operator of this Keyhold service' },
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  security: [{ bearer: [] }],
  tags: [
    { name: 'Login and tokens', description: 'Logins of people, and tokens for programs and agents' },
    { name: 'Users', description: 'Accounts' },
    { name: 'Sessions', description: 'Sessions of work and their participants' },
    { name: 'Secrets', description: 'Keeping, revealing, sharing and changing secrets' },
    { name: 'Memory graph', description: 'What is remembered, seen only by those who may' },
    { name: 'Events', description: 'What you are told of: a list, and a stream as it happens' },
    { name: 'Hand-over', description: 'Giving secrets to a new owner' },
    { name: 'Keys', description: 'Root keys, owner keys and seal keys, and replacing them' },
    { name: 'Webhooks', description: 'Addresses to which events are sent' },
    { name: 'Jobs', description: 'Long work that the service does apart from requests' },
    { name: 'Operation', description: 'For monitoring, and for services that verify access tokens' },
  ],
  components: {
    securitySchemes: {
      bearer: {
        type: 'http' as const,
        scheme: 'bearer',
        description: 'An access token, or a token that begins with kh_',
      },
    },
  },
};

/** Headers that a route may understand, as the document shows them. They are read where they act. */
const requestHeaders = {
  'X-Session-Id': {
    ...SessionName,
    description:
      'The session of work that the request belongs to: its id in Keyhold, or its external id. A user who was invited joins the session by naming its id',
  },
  'Idempotency-Key': {
    type: 'string',
    pattern: '^[\\x21-\\x7e]{1,255}$',
    description: 'Makes this creation safe to repeat for 24 hours',
  },
  'If-Match': {
    type: 'string',
    pattern: ifMatchPattern,
    description: 'The ETag of the revision that is to be changed. Any other revision is refused with 412',
  },
} as const satisfies Record<RequestHeader, object>;

declare module 'fastify' {
  interface FastifyContextConfig {
    documentation?: Documentation;
  }
}

/** How the document is made from the routes. */
export const swaggerOptions: FastifyDynamicSwaggerOptions = {
  openapi,
  convertConstToEnum: false,
  transform: ({ schema, url, route }) => {
    const { headers = [], problems = [] } = route.config?.documentation ?? {};
    const properties = Object.fromEntries(headers.map((name) => [name, requestHeaders[name]]));
    const shown = headers.length === 0 ? {} : { headers: { type: 'object', properties } };
    return { schema: { ...schema, ...shown, [problemsKey]: problems }, url };
  },
  transformObject: (document) =>
    'openapiObject' in document ? finished(document.openapiObject as unknown as Document) : document.swaggerObject,
};

/** Carries the statuses of a route's refusals from `transform` to `transformObject`, which removes it. */
const problemsKey = 'x-problems';

interface Operation {
  readonly [problemsKey]?: readonly number[];
  readonly responses: object;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

/**
 * The document with each schema that has a title named in the components, once, where typed clients look for it; and with
 * the one problem response for every refusal.
 */
const finished = (document: Document): ReturnType<SwaggerTransformObject> => {
  const schemas = new Map<string, object>();
  const paths = named(mapOperations(document.paths, withProblems), schemas);
  const responses = { Problem: named(problemResponse, schemas) };
  const byName = [...schemas].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...document,
    paths,
    components: { ...document.components, schemas: Object.fromEntries(byName), responses },
  } as ReturnType<SwaggerTransformObject>;
};

const mapOperations = (paths: Document['paths'], change: (operation: Operation) => object): object =>
  Object.fromEntries(
    Object.entries(paths).map(([path, item]) => [
      path,
      Object.fromEntries(Object.entries(item).map(([method, operation]) => [method, change(operation)])),
    ]),
  );

const problemResponse = {
  description: 'Refused',
  content: { 'application/problem+json': { schema: ProblemSchema, example: problemExample } },
};

const withProblems = ({ [problemsKey]: problems = [], responses, ...rest }: Operation): object => {
  const refused = [...problems, 'default'].map((status) => [status, { $ref: '#/components/responses/Problem' }]);
  return { ...rest, responses: { ...responses, ...Object.fromEntries(refused) } };
};

const schemaTypes: readonly unknown[] = ['object', 'array', 'string'];

const isNamedSchema = (value: object): value is { readonly title: string } => {
  const { type, title, enum: members, anyOf } = value as Readonly<Record<string, unknown>>;
  return typeof title === 'string' && (schemaTypes.includes(type) || Array.isArray(members ?? anyOf));
};

/** Moves every schema with a title into `schemas` and leaves a reference; inlines what is only documented. */
const named = (value: unknown, schemas: Map<string, object>): unknown => {
  if (Array.isArray(value)) return value.map((item) => named(item, schemas));
  if (value === null || typeof value !== 'object') return value;
  const { 'x-documented': documented, ...own } = value as { readonly 'x-documented'?: object };
  const whole = Object.fromEntries(
    Object.entries({ ...own, ...documented }).map(([key, item]) => [key, named(item, schemas)]),
  );
  if (!isNamedSchema(whole)) return whole;
  // Examples are shown with the bodies and answers.
  const { title, examples: _examples, ...shape } = whole as { readonly title: string; readonly examples?: unknown };
  const before = schemas.get(title);
  if (before && JSON.stringify(before) !== JSON.stringify(shape)) throw new Error(`two schemas are named ${title}`);
  schemas.set(title, shape);
  return { $ref: `#/components/schemas/${title}` };
};
