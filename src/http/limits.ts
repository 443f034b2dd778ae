import { createHash } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Audit } from '../audit/index.ts';
import type { RequestOrigin } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { network } from '../core/network.ts';
import type { Db } from '../db/database.ts';
import { originOf } from './origin.ts';

interface TurnedAway {
  readonly origin: RequestOrigin;
  readonly userId: UserId | null;
  count: number;
}

export interface Limits {
  /** What a request is counted by. */
  keyOf(request: FastifyRequest): string;
  /** Remembers whose credential it is, so that the record of what was turned away can say so. */
  seen(request: FastifyRequest, userId: UserId): void;
  /** Forgets a credential that is good no longer: what is sent with it counts for its sender, and not for its user. */
  gone(request: FastifyRequest): void;
  /** Notes one request that a limit turned away. */
  turnedAway(request: FastifyRequest): void;
  /** Writes what was turned away as one counted record for each caller. */
  flush(): Promise<void>;
}

const remembered = 10_000;
const maxCallers = 1000;

const digests = new WeakMap<FastifyRequest, string>();

/** A credential's digest, however its scheme is spelt; tokens themselves are kept nowhere. */
const digestOf = (request: FastifyRequest): string => {
  const known = digests.get(request);
  if (known !== undefined) return known;
  const token = (request.headers.authorization ?? '').replace(/^\S+\s+/, '');
  const digest = createHash('sha256').update(token).digest('base64url');
  digests.set(request, digest);
  return digest;
};

/** Requests a second for each caller. Limits act before authentication and before recording. */
export const createLimits = ({ db, audit }: { readonly db: Db; readonly audit: Audit }): Limits => {
  const users = new LRUCache<string, UserId>({ max: remembered });
  const turned = new Map<string, TurnedAway>();

  /** A credential that was good before counts for its user; whatever else somebody sends counts for their network. */
  const keyOf = (request: FastifyRequest): string => users.get(digestOf(request)) ?? network(request.ip);

  return {
    keyOf,
    seen: (request, userId) => {
      users.set(digestOf(request), userId);
    },
    gone: (request) => {
      users.delete(digestOf(request));
    },
    turnedAway: (request) => {
      const key = keyOf(request);
      const before = turned.get(key);
      if (before) before.count += 1;
      else if (turned.size < maxCallers)
        turned.set(key, { origin: originOf(request), userId: users.get(digestOf(request)) ?? null, count: 1 });
    },
    flush: async () => {
      for (const [key, { origin, userId, count }] of [...turned]) {
        turned.delete(key);
        await audit.recordAlone(
          db,
          { origin, userId },
          { action: 'request.limited', outcome: 'refused', reason: 'rate_limited', details: { count } },
        );
      }
    },
  };
};

export const registerRateLimit = async (app: FastifyInstance, perSecond: number, limits: Limits): Promise<void> => {
  await app.register(rateLimit, {
    // Not on each route, where it would come after authentication: below, before everything.
    global: false,
    max: perSecond,
    timeWindow: 1000,
    hook: 'onRequest',
    cache: remembered,
    keyGenerator: limits.keyOf,
    onExceeded: (request: FastifyRequest) => limits.turnedAway(request),
    errorResponseBuilder: () =>
      new KeyholdError('rate_limited', 'Too many requests. Slow down.', { retryAfterSeconds: 1 }),
    addHeadersOnExceeding: { 'x-ratelimit-limit': false, 'x-ratelimit-remaining': false, 'x-ratelimit-reset': false },
    addHeaders: {
      'x-ratelimit-limit': false,
      'x-ratelimit-remaining': false,
      'x-ratelimit-reset': false,
      'retry-after': false,
    },
  });
  app.addHook('onRequest', app.rateLimit());
};
