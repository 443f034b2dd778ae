import type { Contents, Item, Skipped } from './item.ts';

export interface ExpiryOptions {
  /** Import expired secrets without an expiry instead of leaving them out. */
  readonly keepExpired: boolean;
  readonly now: Date;
}

const checkExpiry = (item: Item, { keepExpired, now }: ExpiryOptions): Item | Skipped => {
  if (item.expiresAt === null || item.expiresAt.getTime() > now.getTime()) return item;
  const expiredAt = item.expiresAt.toISOString();
  if (!keepExpired) return { source: item.source, reason: `it expired at ${expiredAt}` };
  return { ...item, expiresAt: null, metadata: { ...item.metadata, expired_at: expiredAt } };
};

/** Leaves expired secrets out, or on demand keeps them without an expiry, which their metadata then holds. */
export const withoutExpired = ({ items, skipped }: Contents, options: ExpiryOptions): Contents => {
  const checked = items.map((item) => checkExpiry(item, options));
  return {
    items: checked.filter((one): one is Item => 'value' in one),
    skipped: [...skipped, ...checked.filter((one): one is Skipped => 'reason' in one)],
  };
};
