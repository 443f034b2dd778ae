import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { callerOf } from './gate.ts';

/** Each import has its items in memory until its transaction is done, which bounds how many can run. */
const maxConcurrentImports = 3;

const busy = (): KeyholdError =>
  new KeyholdError('overloaded', 'Another import is running. Try again when it is done.', { retryAfterSeconds: 2 });

/**
 * Lets in one import of each user at a time to the routes of this scope, and few in all, so that a user who sends a body
 * slowly keeps no other user waiting. Returns a function that runs the work of a request that was let in.
 */
export const oneOfEachUser = (scope: FastifyInstance) => {
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
