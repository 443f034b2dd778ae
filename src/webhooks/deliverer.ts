import type { Clock } from '../core/clock.ts';
import { createComplaints, createLoop } from '../core/loop.ts';
import type { WebhookDeliveryRow } from '../db/tables/index.ts';
import type { Attempt } from './attempt.ts';
import type { Capacity, createClaim } from './claim.ts';
import type { createSettle } from './settle.ts';

/** Delivers while the service runs. */
export interface Deliverer {
  start(): void;
  /** Looks for deliveries that are due now, after some were committed. */
  nudge(): void;
  /** Ends the attempts under way after two seconds at most. They are made again by another service, or after the next start. */
  stop(): Promise<void>;
}

export interface DeliveryLog {
  warn(details: object, message: string): void;
}

interface Deps {
  readonly clock: Clock;
  readonly claim: ReturnType<typeof createClaim>;
  readonly attempt: Attempt;
  readonly settling: ReturnType<typeof createSettle>;
  readonly log: DeliveryLog;
}

const lookMs = 2000;
const maxInFlight = 32;
const maxPerHost = 4;
/** At a host whose last attempt timed out, so that hosts which hang cannot take every place. */
const maxPerSlowHost = 1;
const maxSlowHosts = 1000;
/** Longer than an attempt can take. */
const leaseMs = 45_000;
const stopMs = 2000;

/**
 * Attempts deliveries that are due, in every service. What is due is in rows: this only looks again and again, and the rows
 * say when. A delivery is taken for as long as an attempt can last, so that one whose service was killed is due again.
 */
export const createDeliverer = ({ clock, claim, attempt, settling, log }: Deps): Deliverer => {
  const inFlight = new Map<string, number>();
  const slowHosts = new Set<string>();
  const running = new Set<Promise<void>>();
  const stopped = new AbortController();
  const complaints = createComplaints((message) => log.warn({ message }, 'Webhooks are not delivered at the moment.'));

  const count = (host: string, change: number): void => {
    const next = (inFlight.get(host) ?? 0) + change;
    if (next === 0) inFlight.delete(host);
    else inFlight.set(host, next);
  };

  const capacity = (): Capacity => {
    const busy = new Set([...inFlight.keys(), ...slowHosts]);
    const roomAt = (host: string): number =>
      (slowHosts.has(host) ? maxPerSlowHost : maxPerHost) - (inFlight.get(host) ?? 0);
    const hosts = new Map([...busy].map((host) => [host, roomAt(host)]));
    return { free: maxInFlight - running.size, hosts, perHost: maxPerHost };
  };

  const noteSpeed = (host: string, isSlow: boolean): void => {
    if (slowHosts.size >= maxSlowHosts) slowHosts.clear();
    if (isSlow) slowHosts.add(host);
    else slowHosts.delete(host);
  };

  const deliver = async (row: WebhookDeliveryRow): Promise<void> => {
    try {
      const result = await attempt(row, stopped.signal);
      noteSpeed(row.host, result.kind === 'failed' && result.error === 'timeout');
      await settling.settle(row, result);
    } catch (error) {
      complaints.about(error);
    }
  };

  const begin = (row: WebhookDeliveryRow): void => {
    count(row.host, 1);
    const delivery = deliver(row).finally(() => {
      running.delete(delivery);
      count(row.host, -1);
      // There is room again.
      nudge();
    });
    running.add(delivery);
  };

  const look = async (): Promise<void> => {
    const room = capacity();
    if (room.free <= 0) return;
    try {
      const now = clock.now();
      const { rows, broken } = await claim(room, { now, until: new Date(now.getTime() + leaseMs) });
      rows.forEach(begin);
      await settling.giveUp(broken);
      complaints.over();
    } catch (error) {
      complaints.about(error);
    }
  };

  const loop = createLoop(look, lookMs);
  const nudge = (): void => void loop.nudge();
  return {
    start: loop.start,
    nudge,
    stop: async () => {
      const timer = setTimeout(() => stopped.abort(), stopMs);
      await loop.stop();
      await Promise.all(running);
      clearTimeout(timer);
    },
  };
};
