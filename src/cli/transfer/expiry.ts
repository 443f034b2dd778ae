import type { Contents, Item, Skipped } from './item.ts';

export interface ExpiryOptions {
  /** Import what has expired as a secret without expiry, instead of leaving it out. */
  readonly keepExpired: boolean;
  readonly now: Date;
}

const judge = (item: Item, { keepExpired, now }: ExpiryOptions): Item | Skipped => {
  if (item.expiresAt === null || item.expiresAt.getTime() > now.getTime()) return item;
  const moment = item.expiresAt.toISOString();
  if (!keepExpired) return { source: item.source, reason: `it expired at ${moment}` };
  return { ...item, expiresAt: null, metadata: { ...item.metadata, expired_at: moment } };
};

/** Expired secrets are left out, or on demand kept without expiry, with the moment in their metadata. */
export const withoutExpired = ({ items, skipped }: Contents, options: ExpiryOptions): Contents => {
  const judged = items.map((item) => judge(item, options));
  return {
    items: judged.filter((one): one is Item => 'value' in one),
    skipped: [...skipped, ...judged.filter((one): one is Skipped => 'reason' in one)],
  };
};
