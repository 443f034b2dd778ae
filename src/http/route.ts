import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { Static, TSchema } from 'typebox';
import type { Requirement } from '../access/index.ts';
import type { Caller, RequestOrigin } from '../core/caller.ts';
import { type IdempotentRequest, idempotentRequest } from '../idempotency/index.ts';
import { callerOf, type HttpGate } from './gate.ts';
import { originOf } from './origin.ts';
import { documentationOf, type RouteDocs, schemaOf } from './route-docs.ts';
import type { Nothing } from './schemas/common.ts';
import { validatorCompiler } from './validation.ts';

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

interface RouteShape<P extends TSchema, Q extends TSchema, B extends TSchema> extends RouteDocs {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly bodyLimit?: number;
  /** True where the body was checked while it was read, and is no longer what the schema describes. */
  readonly bodyIsChecked?: true;
  readonly handlerTimeout?: number;
  /** True where the answer carries a value or a token. */
  readonly confidential?: boolean;
  /** True where a credential could be guessed. */
  readonly guessable?: true;
  /** See `Operation` of access/gate.ts. */
  readonly outsideSession?: true;
}

type AnyRoute = RouteShape<TSchema, TSchema, TSchema>;

interface PublicRoute<P extends TSchema, Q extends TSchema, B extends TSchema> extends RouteShape<P, Q, B> {
  handler(context: RouteContext<Static<P>, Static<Q>, Static<B>>): Promise<unknown>;
}

interface GatedRoute<P extends TSchema, Q extends TSchema, B extends TSchema> extends RouteShape<P, Q, B> {
  readonly requires: Requirement;
  handler(caller: Caller, context: RouteContext<Static<P>, Static<Q>, Static<B>>): Promise<unknown>;
}

type Empty = typeof Nothing;

/** The two ways to add a route: `open` to everybody, and `gated` by authentication and what the route requires. */
export const createRoutes = (app: FastifyInstance, gate: HttpGate) => {
  const add = (
    route: AnyRoute,
    requires: Requirement | null,
    handle: (request: FastifyRequest, context: RouteContext<unknown, unknown, unknown>) => Promise<unknown>,
  ): void => {
    app.route({
      method: route.method,
      url: route.url,
      schema: schemaOf(route, requires !== null),
      config: { documentation: documentationOf(route, requires !== null) },
      ...(route.bodyLimit === undefined ? {} : { bodyLimit: route.bodyLimit }),
      ...(route.bodyIsChecked ? { validatorCompiler: validatorExceptBody } : {}),
      ...(route.handlerTimeout === undefined ? {} : { handlerTimeout: route.handlerTimeout }),
      ...(requires === null ? {} : gateHooks(gate, route, requires)),
      handler: async (request, reply) => {
        if (route.confidential) reply.header('cache-control', 'no-store');
        const answer = await gate.serve(request, handle(request, contextOf(request, reply)));
        reply.code(route.status);
        return answer;
      },
    });
  };

  return {
    open: <P extends TSchema = Empty, Q extends TSchema = Empty, B extends TSchema = Empty>(
      route: PublicRoute<P, Q, B>,
    ): void =>
      add(route, null, (_request, context) => route.handler(context as RouteContext<Static<P>, Static<Q>, Static<B>>)),
    gated: <P extends TSchema = Empty, Q extends TSchema = Empty, B extends TSchema = Empty>(
      route: GatedRoute<P, Q, B>,
    ): void =>
      add(route, route.requires, (request, context) =>
        route.handler(callerOf(request), context as RouteContext<Static<P>, Static<Q>, Static<B>>),
      ),
  };
};

export type Routes = ReturnType<typeof createRoutes>;

const gateHooks = (gate: HttpGate, route: AnyRoute, requires: Requirement) => {
  const operation = { requires, ...(route.outsideSession ? { outsideSession: true as const } : {}) };
  const enter = (request: FastifyRequest): Promise<void> => gate.enter(request, operation);
  // A body may come long after its headers. Where the answer carries a value, or a credential could be guessed, the caller
  // is authenticated again when the body is there.
  const again = (route.confidential || route.guessable) && route.body;
  return { onRequest: enter, ...(again ? { preHandler: enter } : {}) };
};

const contextOf = (request: FastifyRequest, reply: FastifyReply): RouteContext<unknown, unknown, unknown> => ({
  params: request.params,
  query: request.query,
  body: request.body,
  origin: originOf(request),
  request,
  reply,
  idempotent: idempotentRequest(
    request.headers['idempotency-key']?.toString(),
    `${request.method} ${request.url.replace(/\?.*$/, '')}`,
    request.body,
  ),
});

const validatorExceptBody: FastifySchemaCompiler<TSchema> = (definition) =>
  definition.httpPart === 'body' ? (data: unknown) => ({ value: data }) : validatorCompiler(definition);
