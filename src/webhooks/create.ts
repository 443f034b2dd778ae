import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { newId, type UserId, type WebhookId } from '../core/ids.ts';
import { type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Unsealed, WebhookSecrets } from '../keys/index.ts';
import type { Addresses } from './address.ts';
import { isAdministrator, manages, type RefuseBound, sessionBound } from './managed.ts';
import type { WebhookQueries } from './queries.ts';
import { newSigningKey, textOfSigningKey } from './signature.ts';
import {
  maxWebhooks,
  sortedTypes,
  viewOf,
  type WebhookView,
  type WebhookWithSecret,
  webhookTarget,
} from './webhook.ts';

export interface CreateWebhook {
  readonly url: string;
  /** Left out or empty, all types. */
  readonly event_types?: readonly string[];
  /** One that gets everybody's events, as ids without names. */
  readonly service?: boolean;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly secrets: WebhookSecrets;
  readonly queries: WebhookQueries;
  readonly addresses: Addresses;
  readonly refuseBound: RefuseBound;
}

const tooMany = (): KeyholdError =>
  new KeyholdError('state_conflict', `There are ${maxWebhooks} webhooks already. Delete one that is no longer needed.`);

/** Making webhooks and looking at them. */
export const createMaking = (deps: Deps) => {
  const { db, clock, audit, mutate, idempotency, secrets, queries, addresses, refuseBound } = deps;

  const newWebhook = (owner_id: UserId | null, url: string, types: readonly string[], key: Buffer) => {
    const id = newId<WebhookId>();
    const now = clock.now();
    const row: Unsealed<'webhooks'> = {
      id,
      owner_id,
      url,
      event_types: sortedTypes(types),
      state: 'active',
      off_reason: null,
      secret: secrets.encrypt(id, key),
      previous_secret: null,
      previous_until: null,
      revision: 1,
      created_at: now,
      updated_at: now,
    };
    return row;
  };

  const refusalOf = async (tx: Tx, caller: Caller, owner: UserId | null): Promise<KeyholdError | null> => {
    if (caller.boundToSession) return sessionBound();
    if (owner === null && !isAdministrator(caller))
      return new KeyholdError('permission_missing', 'Only an administrator can make a webhook of the service.');
    await queries.lockCreation(tx, owner);
    return (await queries.ofOwner(tx, owner)).length >= maxWebhooks ? tooMany() : null;
  };

  const insert = async (
    tx: Tx,
    caller: Caller,
    { service = false, event_types = [] }: CreateWebhook,
    { url, key }: { readonly url: Outcome<string>; readonly key: Buffer },
  ): Promise<Outcome<string[]>> => {
    const owner = service ? null : caller.userId;
    const error = (await refusalOf(tx, caller, owner)) ?? ('refused' in url ? url.refused : null);
    if (error !== null || 'refused' in url)
      return await audit.refuse(tx, caller, 'webhook.create', { error: error ?? notFound() });
    const row = newWebhook(owner, url.ok, event_types, key);
    const details = { service, event_types: row.event_types };
    const entry = { action: 'webhook.create', target: webhookTarget(row.id), outcome: 'allowed', details } as const;
    await audit.insert(tx, [{ table: 'webhooks', rows: [row] }], [{ actor: caller, entry }]);
    return { ok: [row.id] };
  };

  return {
    /**
     * Makes a webhook, once for an idempotency key; its secret is shown this once. Throws `invalid_request` for an address
     * that webhooks must not have, `permission_missing` for one of the service by anybody but an administrator, and
     * `state_conflict` where there are too many.
     */
    create: async (
      caller: Caller,
      input: CreateWebhook,
      request: IdempotentRequest | null,
    ): Promise<WebhookWithSecret> => {
      const url = await addresses.check(input.url);
      const key = newSigningKey();
      const { ids, repeated } = await mutate(caller, (tx) =>
        idempotency.once(tx, caller, request, () => insert(tx, caller, input, { url, key })),
      );
      const row = await mapDbErrors(queries.byId(db, (ids[0] ?? '') as WebhookId));
      if (!row || !manages(caller, row)) throw notFound();
      const view = viewOf(row, clock.now());
      return repeated ? view : { ...view, secret: textOfSigningKey(key) };
    },

    /** The caller's own webhooks, and for an administrator those of the service; oldest first. */
    list: async (caller: Caller): Promise<readonly WebhookView[]> => {
      await refuseBound(caller);
      const own = await mapDbErrors(queries.ofOwner(db, caller.userId));
      const ofService = isAdministrator(caller) ? await mapDbErrors(queries.ofOwner(db, null)) : [];
      return [...own, ...ofService].map((row) => viewOf(row, clock.now()));
    },

    /** One webhook. Throws `not_found` for one that is not the caller's. */
    get: async (caller: Caller, id: WebhookId): Promise<WebhookView> => {
      await refuseBound(caller);
      const row = await mapDbErrors(queries.byId(db, id));
      if (!row || !manages(caller, row)) throw notFound();
      return viewOf(row, clock.now());
    },
  };
};
