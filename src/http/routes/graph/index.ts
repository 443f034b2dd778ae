import type { FastifyInstance } from 'fastify';
import { KeyholdError } from '../../../core/errors.ts';
import type { Graph } from '../../../graph/index.ts';
import type { HttpGate } from '../../gate.ts';
import { createRoutes } from '../../route.ts';
import { nodeRoutes } from './nodes.ts';
import { readRoutes } from './reads.ts';
import { exportRoutes, importGraphRoute } from './transfer.ts';
import { typeRoutes } from './types.ts';
import { writeRoutes } from './writes.ts';

interface Services {
  readonly graph: Graph;
}

/** Adds the routes of the memory graph, in a scope of their own, whose largest bodies are refused with advice. */
export const graphRoutes = (scope: FastifyInstance, gate: HttpGate, { graph }: Services): void => {
  const routes = createRoutes(scope, gate);
  scope.setErrorHandler((error) => {
    throw (error as { code?: unknown }).code === 'FST_ERR_CTP_BODY_TOO_LARGE' ? tooLarge(error) : error;
  });
  typeRoutes(routes);
  nodeRoutes(routes, graph);
  readRoutes(routes, graph);
  writeRoutes(routes, graph);
  exportRoutes(routes, graph);
  scope.register((inner, _options, done) => {
    importGraphRoute(inner, createRoutes(inner, gate), graph);
    done();
  });
};

const tooLarge = (cause: unknown): KeyholdError =>
  new KeyholdError(
    'payload_too_large',
    'A request that writes facts can have at most 16 MiB, and an import at most 64 MiB. Send several requests, or use POST /api/v1/graph/import.',
    { cause },
  );
