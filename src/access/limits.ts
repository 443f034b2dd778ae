import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Audit } from '../audit/index.ts';
import type { RequestOrigin } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import { network } from '../core/network.ts';
import type { Db } from '../db/database.ts';

/** Where a request came from and the token it carried; null where it carried none. */
export interface Sender {
  readonly origin: RequestOrigin;
  readonly token: string | null;
}

export interface Limits {
  /** Counts one request. Throws `rate_limited` when the sender has used up this second. */
  admit(sender: Sender): void;
  /** Remembers whose token it is: from then on, it counts for its user. */
  remember(sender: Sender, userId: UserId): void;
  /** Forgets a token that is no longer valid: from then on, it counts for its sender and not for its user. */
  forget(sender: Sender): void;
  /** Notes one request that a limit turned away. */
  turnedAway(sender: Sender): void;
  /** Records what was turned away since the last call: one record, with a count, for each user or network. */
  flush(): Promise<void>;
}

interface TurnedAway {
  readonly origin: RequestOrigin;
  readonly userId: UserId | null;
  count: number;
}

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  /** How many requests a second a user, or a network without a known token, may send. */
  readonly perSecond: number;
}

const windowMs = 1000;
const maxRemembered = 10_000;
const maxRecords = 1000;

/** Limits on requests, kept in memory. They act before authentication, so that guessing costs the service little. */
export const createLimits = ({ db, audit, perSecond }: Deps): Limits => {
  const users = new LRUCache<string, UserId>({ max: maxRemembered });
  const turned = new Map<string, TurnedAway>();
  const isOverLimit = createWindows(perSecond);

  const userOf = (sender: Sender): UserId | null => {
    const digest = digestOf(sender);
    return digest === null ? null : (users.get(digest) ?? null);
  };

  const note = (sender: Sender, userId: UserId | null): void => {
    const key = userId ?? networkOf(sender);
    const before = turned.get(key);
    if (before) before.count += 1;
    else if (turned.size < maxRecords) turned.set(key, { origin: sender.origin, userId, count: 1 });
  };

  return {
    admit: (sender) => {
      const userId = userOf(sender);
      if (!isOverLimit(userId ?? networkOf(sender))) return;
      note(sender, userId);
      throw new KeyholdError('rate_limited', 'Too many requests. Slow down.', { retryAfterSeconds: 1 });
    },
    remember: (sender, userId) => {
      const digest = digestOf(sender);
      if (digest !== null) users.set(digest, userId);
    },
    forget: (sender) => {
      users.delete(digestOf(sender) ?? '');
    },
    turnedAway: (sender) => note(sender, userOf(sender)),
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

/** Counts by key in windows of a second, each begun by its first request. True once a window holds more than `max`. */
const createWindows = (max: number): ((key: string) => boolean) => {
  const windows = new LRUCache<string, { readonly startedMs: number; count: number }>({ max: maxRemembered });
  return (key) => {
    const nowMs = performance.now();
    let window = windows.get(key);
    if (window === undefined || window.startedMs + windowMs <= nowMs) {
      window = { startedMs: nowMs, count: 0 };
      windows.set(key, window);
    }
    window.count += 1;
    return window.count > max;
  };
};

const digests = new WeakMap<Sender, string>();

/** The digest of the sender's token, made once for each sender; null without one. Tokens themselves are never kept. */
const digestOf = (sender: Sender): string | null => {
  if (sender.token === null) return null;
  const digest = digests.get(sender) ?? createHash('sha256').update(sender.token).digest('base64url');
  digests.set(sender, digest);
  return digest;
};

const networkOf = ({ origin }: Sender): string => network(origin.ip ?? '');
