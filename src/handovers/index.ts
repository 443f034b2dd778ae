import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { notFound } from '../core/errors.ts';
import type { HandoverId, SecretId, UserId } from '../core/ids.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { HandoverRow } from '../db/tables/index.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { JobKinds, Jobs } from '../jobs/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Users } from '../users/index.ts';
import { createClose } from './close.ts';
import { createDecisions } from './decide.ts';
import { type HandoverView, isVisible, viewOf } from './handover.ts';
import { createHandoverJob, createMoveSecrets, handoverJob } from './move-all.ts';
import { createOffers, type Offer } from './offer.ts';
import { createQueries } from './queries.ts';

export type { HandoverView } from './handover.ts';
export type { Offer } from './offer.ts';
export { createHandoverWithdrawals } from './withdraw.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly jobs: Jobs;
  readonly users: Users;
  readonly secrets: Secrets;
  readonly waitingMs: number;
}

export type Handovers = ReturnType<typeof createHandovers>;

/** Giving secrets away: one's own, one by one, or by an administrator everything that a disabled user owns. */
export const createHandovers = (deps: Deps) => {
  const { db, clock, seals, audit, mutate, idempotency, jobs, users, secrets, waitingMs } = deps;
  const queries = createQueries(seals);
  const offers = createOffers({ clock, seals, audit, mutate, idempotency, users, secrets, queries, waitingMs });
  const closing = createClose({ clock, seals, audit });
  const moveSecrets = createMoveSecrets({ secrets, closing });
  const decisions = createDecisions({ clock, seals, audit, mutate, jobs, secrets, queries, closing, moveSecrets });
  const kinds: JobKinds = { [handoverJob]: createHandoverJob({ seals, moveSecrets, queries }) };

  const show = async (caller: Caller, rows: readonly HandoverRow[]): Promise<HandoverView[]> => {
    const ids = rows.flatMap((row) => (row.secret_id === null ? [] : [row.secret_id]));
    const shown = ids.length === 0 ? [] : await seals.load(db, 'secrets', { id: ids }, { except: ['encrypted_value'] });
    const people = rows.flatMap((row) => [row.from_user, row.to_user, row.requested_by]);
    const cards = await users.cards(db, [...new Set(people)]);
    const byId = new Map(shown.map((row) => [row.id as string, row]));
    return rows.map((row) => viewOf(row, caller, { cards, secrets: byId }));
  };

  const get = async (caller: Caller, id: HandoverId): Promise<HandoverView> => {
    const row = await mapDbErrors(queries.byId(db, id));
    const [view] = row && isVisible(row, caller) ? await mapDbErrors(show(caller, [row])) : [];
    if (!view) throw notFound();
    return view;
  };

  return {
    offerSecret: async (caller: Caller, id: SecretId, offer: Offer, request: IdempotentRequest | null) =>
      await get(caller, await offers.offerSecret(caller, id, offer, request)),
    offerAll: async (caller: Caller, from: UserId, offer: Offer, request: IdempotentRequest | null) =>
      await get(caller, await offers.offerAll(caller, from, offer, request)),
    /** `name`: another name for one secret. */
    accept: async (caller: Caller, id: HandoverId, name?: string): Promise<HandoverView> => {
      await decisions.accept(caller, id, name);
      return await get(caller, id);
    },
    cancel: async (caller: Caller, id: HandoverId): Promise<HandoverView> => {
      await decisions.cancel(caller, id);
      return await get(caller, id);
    },
    /** What the caller gives, gets or has asked for, newest first; for administrators also what is handed over of users. */
    list: async (caller: Caller, page: Page): Promise<Paged<HandoverView>> => {
      const ids = await mapDbErrors(queries.pageOfIds(db, caller.userId, caller.permissions.has('admin'), page));
      const { items, next_cursor } = pageOf(ids, page.limit, (id) => id);
      const rows = (await mapDbErrors(queries.byIds(db, items))).filter((row) => isVisible(row, caller));
      return { items: await mapDbErrors(show(caller, rows)), next_cursor };
    },
    /** What an erased user leaves behind of hand-overs. */
    erasing: { purge: queries.purge, count: queries.countOf },
    jobKinds: kinds,
  };
};
