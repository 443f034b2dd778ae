import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { Static, TSchema } from 'typebox';
import type { Audit } from '../audit/index.ts';
import type { Presented } from '../auth/index.ts';
import type { Caller, RequestOrigin } from '../core/caller.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import type { Permission } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import type { Limits } from './limits.ts';
import type { RequestHeader } from './openapi.ts';
import { originOf } from './origin.ts';
import { Nothing, ProblemSchema, problemExample } from './schemas/common.ts';
import { validatorCompiler } from './validation.ts';

/**
 * Who may ask at all: everybody, anybody with a credential, or whoever is a login or holds one of the permissions. It is
 * decided before anything is looked up.
 */
export type Gate = 'public' | 'anybody' | Narrow;

interface Narrow {
  readonly login?: true;
  readonly anyOf?: readonly Permission[];
}

export interface RouteContext<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly origin: RequestOrigin;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The client's Idempotency-Key with what it goes with; null without one. */
  readonly idempotent: IdempotentRequest | null;
}

interface RouteShape<P extends TSchema, Q extends TSchema, B extends TSchema> {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Successful answer: its status and shape; null for one without content. */
  readonly status: 200 | 201 | 204;
  readonly answer: TSchema | null;
  /** The answer's media type, where it isn't JSON. */
  readonly answerType?: string;
  /** True where If-Match is heeded. */
  readonly ifMatch?: true;
  readonly bodyLimit?: number;
  /** True where the body was checked while it was read, and is no longer what the schema describes. */
  readonly bodyIsChecked?: true;
  readonly handlerTimeout?: number;
  /** True where the answer carries a value or a token. */
  readonly confidential?: boolean;
  /** True where a credential could be guessed. */
  readonly guessable?: true;
}

export interface PublicRoute<P extends TSchema, Q extends TSchema, B extends TSchema> extends RouteShape<P, Q, B> {
  readonly gate: 'public';
  handler(context: RouteContext<Static<P>, Static<Q>, Static<B>>): Promise<unknown>;
}

export interface GatedRoute<P extends TSchema, Q extends TSchema, B extends TSchema> extends RouteShape<P, Q, B> {
  readonly gate: Exclude<Gate, 'public'>;
  handler(caller: Caller, context: RouteContext<Static<P>, Static<Q>, Static<B>>): Promise<unknown>;
}

export interface RouteDeps {
  readonly db: Db;
  readonly audit: Audit;
  readonly authenticate: (presented: Presented) => Promise<Caller>;
  readonly limits: Pick<Limits, 'seen' | 'gone' | 'turnedAway'>;
}

type Empty = typeof Nothing;

const callers = new WeakMap<FastifyRequest, Caller>();

/** Who asks, once the gate of a route has let them in. */
export const callerOf = (request: FastifyRequest): Caller => {
  const caller = callers.get(request);
  if (!caller) throw new Error('a gated route was reached without its gate');
  return caller;
};

const bearer = (request: FastifyRequest): string => {
  const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() === 'bearer' && token && rest.length === 0) return token;
  throw new KeyholdError('unauthenticated', 'Log in and send the access token as "Authorization: Bearer …".');
};

const sessionHeader = (request: FastifyRequest): string | null => {
  const header = request.headers['x-session-id'];
  return header === undefined ? null : String(header);
};

const idempotencyKey = (request: FastifyRequest): IdempotentRequest | null => {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw invalid('Idempotency-Key', 'must have 1 to 255 visible ASCII characters.');
  }
  const route = `${request.method} ${request.url.replace(/\?.*$/, '')}`.slice(0, 256);
  return { key, route, body: request.body };
};

const missing = ({ login, anyOf = [] }: Narrow): KeyholdError => {
  const permission = anyOf.length === 0 ? '' : `the permission ${anyOf.join(' or ')}`;
  const needed = [login ? 'a login in place of a token' : '', permission].filter((text) => text !== '').join(', or ');
  return new KeyholdError('permission_missing', `This needs ${needed}.`);
};

/** A login is a person's, ours or an issuer's; an agent that acts by one is none. */
const passes = ({ login, anyOf = [] }: Narrow, caller: Caller): boolean =>
  (login === true && caller.credential.kind !== 'token' && caller.agent === null) ||
  anyOf.some((permission) => caller.permissions.has(permission));

const answerOf = ({ answer, answerType, status }: RouteShape<TSchema, TSchema, TSchema>): object => {
  if (answer === null) return { type: 'null', description: 'Done' };
  const described = status === 201 ? 'Created' : 'Done';
  if (answerType === undefined) return { ...answer, 'x-response-description': described };
  return { description: described, content: { [answerType]: { schema: answer } } };
};

const operation = (route: RouteShape<TSchema, TSchema, TSchema>, gate: Gate) => ({
  tags: [route.tag],
  summary: route.summary,
  ...(route.description === undefined ? {} : { description: route.description }),
  ...(gate === 'public' ? { security: [] } : {}),
  params: route.params ?? Nothing,
  querystring: route.query ?? Nothing,
  ...(route.body === undefined ? {} : { body: route.body }),
  response: {
    [route.status]: answerOf(route),
    default: {
      description: 'Refused',
      content: { 'application/problem+json': { schema: ProblemSchema, example: problemExample } },
    },
  },
});

/** The request headers that the OpenAPI document shows for a route. */
const shownHeaders = (route: RouteShape<TSchema, TSchema, TSchema>, gate: Gate): RequestHeader[] => [
  ...(gate === 'public' ? [] : (['X-Session-Id'] as const)),
  ...(route.method === 'POST' && route.status === 201 ? (['Idempotency-Key'] as const) : []),
  ...(route.ifMatch ? (['If-Match'] as const) : []),
];

const contextOf = (request: FastifyRequest, reply: FastifyReply): RouteContext<unknown, unknown, unknown> => ({
  params: request.params,
  query: request.query,
  body: request.body,
  origin: originOf(request),
  request,
  reply,
  idempotent: idempotencyKey(request),
});

const validatorExceptBody: FastifySchemaCompiler<TSchema> = (definition) =>
  definition.httpPart === 'body' ? (data: unknown) => ({ value: data }) : validatorCompiler(definition);

/** The two ways to add a route: one for everybody, one behind authentication and its gate. */
export const createRoutes = (app: FastifyInstance, { db, audit, authenticate, limits }: RouteDeps) => {
  const identified = async (request: FastifyRequest): Promise<Caller> => {
    const presented = { origin: originOf(request), token: bearer(request), sessionName: sessionHeader(request) };
    try {
      return await authenticate(presented);
    } catch (error) {
      if (error instanceof KeyholdError && error.code === 'unauthenticated') limits.gone(request);
      throw error;
    }
  };

  const enter = async (request: FastifyRequest, gate: Exclude<Gate, 'public'>): Promise<void> => {
    const caller = await identified(request);
    callers.set(request, caller);
    limits.seen(request, caller.userId);
    if (gate === 'anybody' || passes(gate, caller)) return;
    await audit.recordAlone(db, caller, {
      action: 'request.refused',
      target: { type: 'route', id: null },
      outcome: 'refused',
      reason: 'permission_missing',
      details: { route: request.routeOptions.url ?? '' },
    });
    throw missing(gate);
  };

  /** What a limit of a domain turns away is recorded like what the limit on requests does: counted, once a minute. */
  const counted = async <T>(request: FastifyRequest, answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof KeyholdError && error.code === 'rate_limited') limits.turnedAway(request);
      throw error;
    }
  };

  const add = (
    route: RouteShape<TSchema, TSchema, TSchema>,
    gate: Gate,
    handle: (request: FastifyRequest, context: RouteContext<unknown, unknown, unknown>) => Promise<unknown>,
  ): void => {
    app.route({
      method: route.method,
      url: route.url,
      schema: operation(route, gate),
      config: { shownHeaders: shownHeaders(route, gate) },
      ...(route.bodyLimit === undefined ? {} : { bodyLimit: route.bodyLimit }),
      ...(route.bodyIsChecked ? { validatorCompiler: validatorExceptBody } : {}),
      ...(route.handlerTimeout === undefined ? {} : { handlerTimeout: route.handlerTimeout }),
      ...(gate === 'public' ? {} : { onRequest: (request) => enter(request, gate) }),
      // A body may come long after its headers: what gives out values, or could, then looks at the caller once more.
      ...(gate !== 'public' && (route.confidential || route.guessable) && route.body
        ? { preHandler: (request) => enter(request, gate) }
        : {}),
      handler: async (request, reply) => {
        if (route.confidential) reply.header('cache-control', 'no-store');
        const answer = await counted(request, handle(request, contextOf(request, reply)));
        reply.code(route.status);
        return answer;
      },
    });
  };

  return {
    open: <P extends TSchema = Empty, Q extends TSchema = Empty, B extends TSchema = Empty>(
      route: PublicRoute<P, Q, B>,
    ): void =>
      add(route, 'public', (_request, context) =>
        route.handler(context as RouteContext<Static<P>, Static<Q>, Static<B>>),
      ),
    gated: <P extends TSchema = Empty, Q extends TSchema = Empty, B extends TSchema = Empty>(
      route: GatedRoute<P, Q, B>,
    ): void =>
      add(route, route.gate, (request, context) =>
        route.handler(callerOf(request), context as RouteContext<Static<P>, Static<Q>, Static<B>>),
      ),
  };
};

export type Routes = ReturnType<typeof createRoutes>;
