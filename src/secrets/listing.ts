import { visibleBranches } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Page, pageOf, readCursor } from '../core/page.ts';
import { inTransaction, type Tx } from '../db/database.ts';
import type { SecretsContext } from './context.ts';
import { refusalEntry } from './load.ts';
import { type CountRow, countVisible, type SecretFilter, visibleIds } from './queries.ts';
import { type SecretView, viewOf } from './view.ts';

export interface SecretPage {
  readonly items: readonly SecretView[];
  readonly next_cursor: string | null;
  /** Own secrets of this page whose rows were changed outside of Keyhold; they are not shown and not used. */
  readonly damaged: readonly string[];
}

/** The filter with its session by our id: a client may name it as the platform does. One unknown to the caller matches nothing. */
const placed = async (context: SecretsContext, tx: Tx, caller: Caller, filter: SecretFilter): Promise<SecretFilter> => {
  if (filter.sessionId === undefined) return filter;
  const named = await context.sessions.named(tx, caller.userId, filter.sessionId);
  return { ...filter, sessionId: named ?? filter.sessionId.toLowerCase() };
};

/** One page of what the caller may see. SQL chooses the rows, the rule has the last word over each. */
export const listSecrets = (
  context: SecretsContext,
  caller: Caller,
  filter: SecretFilter,
  page: Page,
): Promise<SecretPage> =>
  inTransaction(context.db, async (tx) => {
    const now = context.clock.now();
    const places = await placed(context, tx, caller, filter);
    const ids = await visibleIds(tx, visibleBranches(caller, now), places, caller.userId, now, page);
    const cut = pageOf(ids, page.limit, (id) => id);
    const evaluated = await context.load.evaluate(tx, caller, 'list', cut.items);
    const items: SecretView[] = [];
    const damaged: string[] = [];
    for (const [id, one] of evaluated) {
      if (one.kind === 'allowed') items.push(viewOf(one.loaded.row, one.because, caller.userId, one.loaded.now));
      if (one.kind !== 'broken') continue;
      if (one.error.code === 'integrity_broken') damaged.push(id);
      await context.audit.record(tx, caller, refusalEntry('secret.list', id, one));
    }
    await context.audit.record(tx, caller, {
      action: 'secret.list',
      target: { type: 'secrets', id: null },
      outcome: 'allowed',
      details: { count: items.length, filters: Object.keys(filter) },
    });
    return { items, next_cursor: cut.next_cursor, damaged };
  });

/**
 * The secrets of one session that the caller sees: its own ones always, others' ones while the caller is present in it,
 * whether or not this request named it as its own.
 */
export const secretsInSession = async (
  context: SecretsContext,
  caller: Caller,
  sessionId: string,
): Promise<SecretView[]> => {
  const session = caller.boundToSession
    ? caller.session
    : await context.sessions.verify(context.db, caller.userId, sessionId);
  const inside = { ...caller, session };
  const seen: SecretView[] = [];
  let cursor: string | null = null;
  do {
    const page: SecretPage = await listSecrets(context, inside, { sessionId }, { limit: 200, cursor });
    seen.push(...page.items);
    cursor = readCursor(page.next_cursor ?? undefined);
  } while (cursor !== null);
  return seen;
};

export interface SecretStats {
  readonly total: number;
  readonly own: number;
  readonly from_others: number;
  readonly by_scope: Readonly<Record<string, number>>;
  readonly by_type: Readonly<Record<string, number>>;
  readonly by_state: Readonly<Record<string, number>>;
}

const sumBy = (rows: readonly CountRow[], key: (row: CountRow) => string): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const row of rows) sums[key(row)] = (sums[key(row)] ?? 0) + row.count;
  return sums;
};

const total = (rows: readonly CountRow[]): number => rows.reduce((sum, row) => sum + row.count, 0);

/** Counts of exactly what the caller could list. */
export const secretStats = (context: SecretsContext, caller: Caller): Promise<SecretStats> =>
  inTransaction(context.db, async (tx) => {
    const now = context.clock.now();
    const rows = await countVisible(tx, visibleBranches(caller, now), caller.userId, now);
    const all = total(rows);
    await context.audit.record(tx, caller, {
      action: 'secret.list',
      target: { type: 'secrets', id: null },
      outcome: 'allowed',
      reason: 'stats',
      details: { count: all },
    });
    return {
      total: all,
      own: total(rows.filter((row) => row.mine)),
      from_others: total(rows.filter((row) => !row.mine)),
      by_scope: sumBy(rows, (row) => row.scope),
      by_type: sumBy(rows, (row) => row.type),
      by_state: sumBy(rows, (row) => row.state),
    };
  });
