import type { Refusal } from '../access/index.ts';
import type { AuditEntry } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import { hourMs } from '../core/durations.ts';
import type { SecretId, UserId } from '../core/ids.ts';
import { createNews } from '../core/news.ts';
import type { SealedTableName } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';

/** A secret that does not open, or whose row somebody else wrote. */
export interface BrokenSecret {
  readonly id: SecretId;
  /** The owner whom its row names. */
  readonly ownerId: UserId | null;
  readonly table: SealedTableName;
  readonly reason: 'seal' | 'value';
  /** The action in which it was met. */
  readonly during: AuditEntry['action'];
}

/** What the rule says about a secret that it does not allow; the owner of a broken row is the one whom it names. */
type NotAllowed =
  | { readonly kind: 'refused'; readonly reason: Refusal }
  | { readonly kind: 'broken'; readonly ownerId: UserId | null };

/** The records of what the rule did not allow, and of secrets that are broken. */
export interface RefusalEntries {
  /** The record of what was not allowed: a refusal by the rule, or a row that somebody else wrote. */
  refusalEntry(action: AuditEntry['action'], id: SecretId, evaluation: NotAllowed): AuditEntry;
  /** The record of a broken secret. Its owner is told, though not of the same secret again within the hour. */
  brokenEntry(broken: BrokenSecret): AuditEntry;
}

const quietMs = hourMs;

export const createRefusalEntries = (clock: Clock): RefusalEntries => {
  const news = createNews(clock, quietMs);

  const told = ({ id, ownerId, table }: BrokenSecret): readonly NewEvent[] =>
    ownerId !== null && news.isNews(id)
      ? [{ type: 'integrity.broken', to: [ownerId], details: { table, secret_id: id }, byNobody: true }]
      : [];

  const brokenEntry = (broken: BrokenSecret): AuditEntry => ({
    action: 'row.integrity_broken',
    target: { type: 'secret', id: broken.id },
    outcome: 'failed',
    reason: broken.reason,
    details: { table: broken.table, during: broken.during },
    tells: told(broken),
  });

  return {
    brokenEntry,
    refusalEntry: (action, id, evaluation) =>
      evaluation.kind === 'broken'
        ? brokenEntry({ id, ownerId: evaluation.ownerId, table: 'secrets', reason: 'seal', during: action })
        : { action, target: { type: 'secret', id }, outcome: 'refused', reason: evaluation.reason },
  };
};
