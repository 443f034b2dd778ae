import { dayMs } from '../core/durations.ts';
import type { Sweep } from '../core/sweep.ts';
import type { Tx } from '../db/database.ts';
import type { WebhookQueries } from './queries.ts';

const keptMs = 30 * dayMs;

/** Deletes deliveries that are over 30 days after they were made, dead letters included. */
export const trimDeliveries = ({ trim }: Pick<WebhookQueries, 'trim'>): Sweep<Tx> => ({
  name: 'webhook deliveries',
  isFinal: true,
  step: async (tx, now, _after, limit) => {
    const done = await trim(tx, new Date(now.getTime() - keptMs), limit);
    return { done, after: done < limit ? null : 'more' };
  },
});
