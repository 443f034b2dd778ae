import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import { visibleBranches } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { dayMs } from '../core/durations.ts';
import { idsOf, type SecretId, type UserId } from '../core/ids.ts';
import { pageOf, readCursor } from '../core/page.ts';
import { type Db, inTransaction, mapDbErrors } from '../db/database.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { Users } from '../users/index.ts';
import type { Evaluation, Load } from './load.ts';
import { visibleIds } from './queries.ts';
import { stateOf } from './secret.ts';

/** A secret that the caller should look at, and the date because of which. */
export interface DatedSecret {
  readonly id: SecretId;
  readonly name: string;
  readonly at: Date;
}

export interface SecretStats {
  readonly total: number;
  readonly own: number;
  readonly from_others: number;
  readonly by_scope: Readonly<Record<string, number>>;
  readonly by_type: Readonly<Record<string, number>>;
  readonly by_state: Readonly<Record<string, number>>;
  /** Live secrets that expire within 14 days, the next first. */
  readonly expiring: Listed<DatedSecret>;
  /** The caller's own live secrets whose date of rotation comes within 14 days or has passed. */
  readonly rotation_due: Listed<DatedSecret>;
  /** The caller's own live secrets, at least 90 days old, that nobody revealed for 90 days, the oldest first. */
  readonly unused: Listed<DatedSecret>;
  /** With whom the caller shares how many of their own live secrets. */
  readonly shared_with: Listed<{
    readonly user_id: UserId;
    readonly username: string | null;
    readonly secrets: number;
  }>;
}

/** How many there are, and the first of them. */
export interface Listed<T> {
  readonly count: number;
  readonly first: readonly T[];
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly load: Load;
  readonly users: Pick<Users, 'cards'>;
}

const soonMs = 14 * dayMs;
const unusedMs = 90 * dayMs;
const pageSize = 200;
const listed = 20;

const firstOf = <T>(all: readonly T[], order: (a: T, b: T) => number): Listed<T> => ({
  count: all.length,
  first: [...all].sort(order).slice(0, listed),
});

const soonest = (a: DatedSecret, b: DatedSecret): number => a.at.getTime() - b.at.getTime() || (a.id < b.id ? -1 : 1);

/** What the counts need of one secret: never its value or what was written about it. */
type Counted = Pick<
  SecretRow,
  'id' | 'name' | 'owner_id' | 'scope' | 'type' | 'created_at' | 'expires_at' | 'rotate_after'
> & {
  readonly state: string;
  readonly shared_with: readonly UserId[];
};

const countedOf = (one: Evaluation): Counted[] => {
  if (one.kind !== 'allowed') return [];
  const { row, now } = one.loaded;
  const { id, name, owner_id, scope, type, created_at, expires_at, rotate_after, shared_with } = row;
  return [
    { id, name, owner_id, scope, type, created_at, expires_at, rotate_after, shared_with, state: stateOf(row, now) },
  ];
};

/** Those of these secrets that nobody revealed since then. */
const unusedSince = async (db: Db, ids: readonly SecretId[], since: Date): Promise<ReadonlySet<SecretId>> => {
  if (ids.length === 0) return new Set();
  const isUsed = sql`exists (select 1 from public.audit_log where target_id = s.id and action = 'secret.reveal'
    and outcome = 'allowed' and recorded_at > ${since})`;
  const select = sql<{ id: unknown }>`select s.id from unnest(${ids}::uuid[]) as s (id) where not ${isUsed}`;
  const { rows } = await mapDbErrors(select.execute(db));
  return new Set(idsOf<SecretId>(rows.map((row) => row.id)));
};

export const createStats = ({ db, clock, audit, load, users }: Deps) => {
  /** Every secret that the caller may list, as verified rows say. */
  const visible = async (caller: Caller): Promise<Counted[]> => {
    const now = clock.now();
    const viewer = { userId: caller.userId, branches: visibleBranches(caller, now), now };
    const found: Counted[] = [];
    let cursor: string | null = null;
    do {
      const ids: SecretId[] = await mapDbErrors(
        visibleIds(db, viewer, { filter: {}, page: { limit: pageSize, cursor } }),
      );
      const page: { readonly items: readonly SecretId[]; readonly next_cursor: string | null } = pageOf(
        ids,
        pageSize,
        (id) => id,
      );
      for (const one of (await mapDbErrors(load.evaluate(db, caller, 'list', page.items))).values())
        found.push(...countedOf(one));
      cursor = readCursor(page.next_cursor ?? undefined);
      // Others are served between two pages.
      await setImmediate();
    } while (cursor !== null);
    return found;
  };

  const sharing = async (live: readonly Counted[]): Promise<SecretStats['shared_with']> => {
    const counts = new Map<UserId, number>();
    for (const { shared_with } of live) for (const id of shared_with) counts.set(id, (counts.get(id) ?? 0) + 1);
    const most = firstOf([...counts], ([, a], [, b]) => b - a);
    const cards = await mapDbErrors(
      users.cards(
        db,
        most.first.map(([id]) => id),
      ),
    );
    const named = ([user_id, secrets]: readonly [UserId, number]) => ({
      user_id,
      username: cards.get(user_id)?.username ?? null,
      secrets,
    });
    return { count: most.count, first: most.first.map(named) };
  };

  return {
    /** Counts exactly what the caller could list, and names what needs a look. */
    stats: async (caller: Caller): Promise<SecretStats> => {
      const now = clock.now();
      const all = await visible(caller);
      const live = all.filter(({ state }) => state === 'live');
      const mine = live.filter(({ owner_id }) => owner_id === caller.userId);
      const before = (at: Date): boolean => at.getTime() <= now.getTime() + soonMs;
      const old = mine.filter(({ created_at }) => created_at.getTime() <= now.getTime() - unusedMs);
      const unused = await unusedSince(
        db,
        old.map(({ id }) => id),
        new Date(now.getTime() - unusedMs),
      );
      const shared_with = await sharing(mine);
      await inTransaction(db, (tx) =>
        audit.allow(tx, caller, 'secret.list', {
          target: everySecret,
          reason: 'stats',
          details: { count: all.length },
        }),
      );
      return {
        total: all.length,
        own: all.filter(({ owner_id }) => owner_id === caller.userId).length,
        from_others: all.filter(({ owner_id }) => owner_id !== caller.userId).length,
        by_scope: countBy(all, ({ scope }) => scope),
        by_type: countBy(all, ({ type }) => type),
        by_state: countBy(all, ({ state }) => state),
        expiring: firstOf(
          dated(live, ({ expires_at }) => expires_at, before),
          soonest,
        ),
        rotation_due: firstOf(
          dated(mine, ({ rotate_after }) => rotate_after, before),
          soonest,
        ),
        unused: firstOf(
          dated(
            old.filter(({ id }) => unused.has(id)),
            ({ created_at }) => created_at,
            () => true,
          ),
          soonest,
        ),
        shared_with,
      };
    },
  };
};

const everySecret = { type: 'secrets', id: null } as const;

const dated = (
  secrets: readonly Counted[],
  dateOf: (secret: Counted) => Date | null,
  isWanted: (at: Date) => boolean,
): DatedSecret[] =>
  secrets.flatMap((secret) => {
    const at = dateOf(secret);
    return at !== null && isWanted(at) ? [{ id: secret.id, name: secret.name, at }] : [];
  });

const countBy = (rows: readonly Counted[], key: (row: Counted) => string): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const row of rows) counts[key(row)] = (counts[key(row)] ?? 0) + 1;
  return counts;
};
