import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import type { Db } from '../db/database.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { Seals, WebhookSecrets } from '../keys/index.ts';
import { type AllowedHosts, createSend, type ResolveTarget } from '../outbound/index.ts';
import { createAddresses } from './address.ts';
import { createAttempt } from './attempt.ts';
import { createChanging } from './change.ts';
import { createClaim } from './claim.ts';
import { createMaking } from './create.ts';
import { createDeliverer, type Deliverer, type DeliveryLog } from './deliverer.ts';
import { createDeliveries } from './deliveries.ts';
import { webhooksErasing } from './erase.ts';
import { createFanOut } from './fan-out.ts';
import { createOpenWebhook, createRefuseBound } from './managed.ts';
import { createQueries } from './queries.ts';
import { createSettle } from './settle.ts';
import { createTelling } from './telling.ts';
import { trimDeliveries } from './trim.ts';

export { webhooksErasing } from './erase.ts';
export { createWebhookWithdrawals } from './withdraw.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly secrets: WebhookSecrets;
  readonly notices: Parameters<typeof createTelling>[0];
  readonly allowedHosts: AllowedHosts;
  readonly resolveTarget: ResolveTarget;
}

export type Webhooks = ReturnType<typeof createWebhooks>;

const attemptMs = 30_000;

/** Sends people's events to where they want them. */
export const createWebhooks = (deps: Deps) => {
  const { db, clock, seals, audit, mutate, notices, allowedHosts, resolveTarget } = deps;
  const telling = createTelling(notices);
  const queries = createQueries(seals);
  const addresses = createAddresses({ allowedHosts, resolveTarget });
  const refuseBound = createRefuseBound({ db, audit });
  const openWebhook = createOpenWebhook({ audit, mutate, queries });
  let running: Deliverer | null = null;
  const nudge = (): void => running?.nudge();
  return {
    ...createMaking({ ...deps, queries, addresses, refuseBound }),
    ...createChanging({ ...deps, queries, addresses, openWebhook }),
    ...createDeliveries({ db, clock, audit, queries, addresses, openWebhook, refuseBound, nudge }),

    /** Writes what is sent of events that have their position now. Call `nudge` after the commit. */
    fanOut: createFanOut({ clock, seals, queries, telling, hostOf: addresses.hostOf }),

    /** What becomes due because time passes. */
    sweeps: [trimDeliveries(queries)],

    erasing: webhooksErasing,

    /** Delivers, once it is started. */
    deliverer: (log: DeliveryLog): Deliverer => {
      const send = createSend({ resolveTarget, timeoutMs: attemptMs });
      const attempt = createAttempt({ ...deps, queries, telling, send });
      const settling = createSettle({ db, clock, seals, audit, queries });
      running = createDeliverer({ clock, claim: createClaim(db, seals), attempt, settling, log });
      return running;
    },

    /** Has this process look for what is due now. */
    nudge,
  };
};
