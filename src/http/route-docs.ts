import type { TSchema } from 'typebox';
import { Nothing } from './schemas/common.ts';

/** What the OpenAPI document says about a route. */
export interface RouteDocs {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly url: string;
  /** The name by which generated clients call it: a verb first, in camel case. It never changes. */
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  /** Successful answer: its status and shape; null for one without content. */
  readonly status: 200 | 201 | 204;
  readonly answer: TSchema | null;
  /** The answer's media types with their shapes, where it isn't JSON alone. */
  readonly answerTypes?: Readonly<Record<string, TSchema>>;
  /** Headers of the answer beyond those of every answer. */
  readonly answerHeaders?: Readonly<Record<string, TSchema>>;
  /** The body's media types, where it isn't JSON. */
  readonly bodyTypes?: readonly string[];
  /** True where If-Match is heeded. */
  readonly ifMatch?: true;
  /** True where Idempotency-Key is honoured. */
  readonly idempotent?: true;
  /** Statuses of refusals beyond those that the parts of the request bring with them. */
  readonly refuses?: readonly (401 | 404 | 409)[];
}

export type RequestHeader = 'X-Session-Id' | 'Idempotency-Key' | 'If-Match';

/** What the document shows of a route beyond its Fastify schema. */
export interface Documentation {
  readonly headers: readonly RequestHeader[];
  /** Statuses of refusals. */
  readonly problems: readonly number[];
}

/** The schema of a route as Fastify takes it, to validate requests and serialise answers. */
export const schemaOf = (route: RouteDocs, gated: boolean) => ({
  operationId: route.operationId,
  tags: [route.tag],
  summary: route.summary,
  description: route.description,
  ...(gated ? {} : { security: [] }),
  params: route.params ?? Nothing,
  querystring: route.query ?? Nothing,
  ...(route.body === undefined ? {} : { body: route.body }),
  ...(route.bodyTypes === undefined ? {} : { consumes: [...route.bodyTypes] }),
  response: { [route.status]: answerOf(route) },
});

export const documentationOf = (route: RouteDocs, gated: boolean): Documentation => ({
  headers: [
    ...(gated ? (['X-Session-Id'] as const) : []),
    ...(route.idempotent ? (['Idempotency-Key'] as const) : []),
    ...(route.ifMatch ? (['If-Match'] as const) : []),
  ],
  problems: [
    ...new Set([
      400,
      ...(gated ? [401, 403] : []),
      ...(route.refuses ?? []),
      // A key may stand for something that is gone by now, or go with another body.
      ...(route.idempotent ? [404, 409] : []),
      ...(route.ifMatch ? [412] : []),
      ...(route.body === undefined ? [] : [413, 415]),
      429,
    ]),
  ].sort((a, b) => a - b),
});

const answerOf = ({ answer, answerTypes, answerHeaders, status }: RouteDocs): object => {
  if (answer === null) return { type: 'null', description: 'Done' };
  const described = status === 201 ? 'Created' : 'Done';
  if (answerTypes === undefined) return { ...answer, 'x-response-description': described };
  const content = Object.fromEntries(Object.entries(answerTypes).map(([type, schema]) => [type, { schema }]));
  return { description: described, ...(answerHeaders === undefined ? {} : { headers: answerHeaders }), content };
};
