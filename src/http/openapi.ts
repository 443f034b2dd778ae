import type { FastifyDynamicSwaggerOptions, SwaggerTransformObject } from '@fastify/swagger';
import { SessionName } from './schemas/common.ts';

/** The parts of the OpenAPI document that no route tells. */
const openapi = {
  openapi: '3.1.0',
  info: {
    title: 'Keyhold',
    description: 'A self-hosted secrets service in which every secret has an owner.',
    version: '0.1.0',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  security: [{ bearer: [] }],
  tags: [
    { name: 'Login and tokens', description: 'Who asks: logins of people, and tokens for programs and agents' },
    { name: 'Users', description: 'Accounts' },
    { name: 'Sessions', description: 'Sessions of work, and who is present in them' },
    { name: 'Secrets', description: 'Keeping, revealing, sharing and changing secrets' },
    { name: 'Operation', description: 'For machines that watch and verify' },
  ],
  components: {
    securitySchemes: {
      bearer: {
        type: 'http' as const,
        scheme: 'bearer',
        description: 'an access token, or a token that begins with kh_',
      },
    },
  },
};

/** Headers that a route may understand, as the document shows them. They are read where they act. */
const requestHeaders = {
  'X-Session-Id': {
    ...SessionName,
    description: 'the session of work in which this is asked: our id, or the platform’s own',
  },
  'Idempotency-Key': {
    type: 'string',
    pattern: '^[\\x21-\\x7e]{1,255}$',
    description: 'makes this creation safe to repeat for 24 hours',
  },
  'If-Match': {
    type: 'string',
    description: 'the ETag of the revision that is to be changed; another one is refused with 412',
  },
} as const;

export type RequestHeader = keyof typeof requestHeaders;

declare module 'fastify' {
  interface FastifyContextConfig {
    shownHeaders?: readonly RequestHeader[];
  }
}

const isTitled = (value: unknown): value is { title: string } => {
  const { type, title } = (value ?? {}) as { type?: unknown; title?: unknown };
  return type === 'object' && typeof title === 'string';
};

/** Shapes with a title stand once, in the components, under the name that typed clients give them. */
const shared: SwaggerTransformObject = (document) => {
  if (!('openapiObject' in document)) return document.swaggerObject;
  const schemas: Record<string, object> = {};
  const text = JSON.stringify(document.openapiObject, (_key, value: unknown) => {
    if (!isTitled(value)) return value;
    const { title, ...shape } = value;
    schemas[title] = { ...shape, examples: undefined };
    return { $ref: `#/components/schemas/${title}` };
  });
  const whole = JSON.parse(text);
  return { ...whole, components: { ...whole.components, schemas } };
};

/** How the document is made from the routes. */
export const swaggerOptions: FastifyDynamicSwaggerOptions = {
  openapi,
  convertConstToEnum: false,
  transform: ({ schema, url, route }) => {
    const names = route.config?.shownHeaders ?? [];
    const properties = Object.fromEntries(names.map((name) => [name, requestHeaders[name]]));
    return { schema: names.length === 0 ? schema : { ...schema, headers: { type: 'object', properties } }, url };
  },
  transformObject: shared,
};
