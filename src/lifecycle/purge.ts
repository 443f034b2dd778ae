import type { UserId } from '../core/ids.ts';
import type { Purge, PurgeOptions } from '../core/purge.ts';
import type { Db, Tx } from '../db/database.ts';
import type { EventErasing } from '../events/index.ts';
import type { memoryErasing } from '../graph/index.ts';
import type { Handovers } from '../handovers/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import type { Webhooks } from '../webhooks/index.ts';

interface Deps {
  readonly users: Pick<Users, 'erasing'>;
  readonly sessions: Pick<Sessions, 'erasing'>;
  readonly secrets: Pick<Secrets, 'erasing'>;
  readonly events: EventErasing;
  readonly handovers: Pick<Handovers, 'erasing'>;
  readonly webhooks: Pick<Webhooks, 'erasing'>;
  readonly graph: { readonly erasing: typeof memoryErasing };
}

/** What is purged of an erased user, in this order. The keys come last, since secrets and versions refer to them. */
const stages = [
  ...(['logins', 'tokens', 'repeats', 'deliveries', 'webhooks', 'memories'] as const),
  ...(['sessions', 'participations', 'shares', 'handovers', 'secrets', 'events', 'keys'] as const),
] as const;

type Stage = (typeof stages)[number];

/** Where a purge goes on: a stage, and how far it is. */
export type PurgeCursor = { readonly stage: Stage; readonly after: string | null };

/** What an erasure takes away, for its receipt. */
export const erasedNames = [
  ...(['secrets', 'versions', 'shares', 'sessions', 'participations', 'handovers'] as const),
  ...(['logins', 'tokens', 'webhooks', 'memories'] as const),
] as const;

export type ErasedCounts = Readonly<Record<(typeof erasedNames)[number], number>>;

/** The counts under their names, those that are missing as zero. */
export const erasedCounts = (counts: Readonly<Record<string, number>>): ErasedCounts =>
  Object.fromEntries(erasedNames.map((name) => [name, counts[name] ?? 0])) as ErasedCounts;

/** What a purge did, and where it goes on; null when nothing is left. */
export interface Purged {
  readonly rows: number;
  readonly broken: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly cursor: PurgeCursor | null;
}

interface PurgeBounds extends Pick<PurgeOptions, 'locked'> {
  readonly limit: number;
  readonly batch: number;
}

export const purgeStart: PurgeCursor = { stage: stages[0], after: null };

const nextOf = ({ stage }: PurgeCursor, after: string | null): PurgeCursor | null => {
  if (after !== null) return { stage, after };
  const next = stages[stages.indexOf(stage) + 1];
  return next === undefined ? null : { stage: next, after: null };
};

const add = (a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> => {
  const sum = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
};

/**
 * Deletes what an erased user leaves behind. Since nobody can be that user any more, nothing is added meanwhile: each row is
 * met once, in whatever batches.
 */
export const createPurge = ({ users, sessions, secrets, handovers, webhooks, graph, events }: Deps) => {
  const work: Readonly<Record<Stage, Purge<Tx, UserId>>> = {
    logins: users.erasing.purgeLogins,
    tokens: users.erasing.purgeTokens,
    repeats: users.erasing.purgeRepeats,
    deliveries: webhooks.erasing.purgeDeliveries,
    webhooks: webhooks.erasing.purgeWebhooks,
    memories: graph.erasing.purge,
    sessions: sessions.erasing.purgeOwned,
    participations: sessions.erasing.purgePresences,
    shares: secrets.erasing.purgeShares,
    handovers: handovers.erasing.purge,
    secrets: secrets.erasing.purgeOwned,
    events: events.purge,
    keys: users.erasing.purgeKeys,
  };

  return {
    /** Purges until about `limit` rows are done, in batches of `batch` rows, or nothing is left, or rows are locked. */
    purge: async (
      tx: Tx,
      userId: UserId,
      from: PurgeCursor,
      { limit, batch, locked }: PurgeBounds,
    ): Promise<Purged> => {
      let purged: Purged = { rows: 0, broken: 0, counts: {}, cursor: from };
      while (purged.cursor !== null && purged.rows < limit) {
        const { stage, after } = purged.cursor;
        const done = await work[stage](tx, userId, { after, limit: batch, locked });
        const cursor = done.skipped ? { stage, after: null } : nextOf(purged.cursor, done.after);
        const broken = purged.broken + (done.broken ?? 0);
        purged = { rows: purged.rows + done.rows, broken, counts: add(purged.counts, done.counts), cursor };
        if (done.skipped) return purged;
      }
      return purged;
    },

    /** What an erasure would take away now, and how many rows that are. */
    count: async (db: Db, userId: UserId) => {
      const { logins, tokens, repeats } = await users.erasing.countCredentials(db, userId);
      const { owned, sessions: running, participations } = await sessions.erasing.countForErasing(db, userId);
      const { secrets: mine, versions, shares, shared } = await secrets.erasing.countForErasing(db, userId);
      const told = await events.count(db, userId);
      const offered = await handovers.erasing.count(db, userId);
      const { webhooks: hooks, deliveries } = await webhooks.erasing.countForErasing(db, userId);
      const memories = await graph.erasing.count(db, userId);
      const counts: ErasedCounts = {
        secrets: mine,
        versions,
        shares,
        sessions: running,
        participations,
        handovers: offered,
        logins,
        tokens,
        webhooks: hooks,
        memories,
      };
      const others = logins + tokens + repeats + hooks + deliveries + told + offered + memories;
      return { counts, shared, rows: mine + versions + shares + owned + participations + others };
    },
  };
};

export type PurgeOfUsers = ReturnType<typeof createPurge>;
