import { createHmac, timingSafeEqual } from 'node:crypto';
import { sql } from 'kysely';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { canonicalJson } from '../core/json.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { IdempotencyRow } from '../db/tables/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';

/** A creation that its client may send twice: the key it chose, the route it went to, and the body as parsed. */
export interface IdempotentRequest {
  readonly key: string;
  readonly route: string;
  readonly body: unknown;
}

export interface Created {
  readonly ids: readonly string[];
  /** True when an earlier request with this key had made them: the answer is then decided afresh. */
  readonly repeated: boolean;
}

export interface Idempotency {
  /**
   * Runs `create` at most once for the caller, route and key, in the transaction of what is created. A refused creation
   * leaves the key free. Another body under the same key is refused.
   */
  once(
    tx: Tx,
    caller: Caller,
    request: IdempotentRequest | null,
    create: () => Promise<Outcome<readonly string[]>>,
  ): Promise<Outcome<Created>>;
}

const keptMs = 24 * 3_600_000;

const reused = (): KeyholdError =>
  new KeyholdError(
    'idempotency_key_reused',
    'This Idempotency-Key was used with another body or session. Take a new key for a new request.',
  );

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly digestKey: Buffer;
}

export const createIdempotency = ({ clock, seals, digestKey }: Deps): Idempotency => {
  /** The session that the request names is part of what it asks for: it says where something is made. */
  const macOf = (caller: Caller, body: unknown): Buffer =>
    createHmac('sha256', digestKey)
      .update(`body\0${caller.session ?? ''}\0${canonicalJson(body)}`)
      .digest();

  /** Two requests with one key at the same time take turns here; the second then finds what the first made. */
  const takeTurn = async (tx: Tx, caller: Caller, request: IdempotentRequest): Promise<void> => {
    const name = `${caller.userId} ${request.route} ${request.key}`;
    await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 7403117))`.execute(tx);
  };

  const find = async (tx: Tx, caller: Caller, { route, key }: IdempotentRequest) => {
    const oldest = new Date(clock.now().getTime() - keptMs);
    await tx
      .deleteFrom('idempotency_keys')
      .where('user_id', '=', caller.userId)
      .where('created_at', '<', oldest)
      .execute();
    return await seals.find(tx, 'idempotency_keys', { user_id: caller.userId, route, key });
  };

  /** What an earlier request with this key comes to; the answer to it is then decided afresh. */
  const repeat = (found: IdempotencyRow, bodyMac: Buffer): Outcome<Created> =>
    timingSafeEqual(found.body_mac, bodyMac)
      ? { ok: { ids: found.resource_ids, repeated: true } }
      : refusedWith(reused());

  const first = (outcome: Outcome<readonly string[]>): Outcome<Created> =>
    'refused' in outcome ? outcome : { ok: { ids: outcome.ok, repeated: false } };

  const keep = async (
    tx: Tx,
    caller: Caller,
    { route, key }: IdempotentRequest,
    body_mac: Buffer,
    ids: readonly string[],
  ) => {
    const row = { user_id: caller.userId, route, key, body_mac, resource_ids: ids, created_at: clock.now() };
    await seals.insert(tx, 'idempotency_keys', row);
  };

  return {
    once: async (tx, caller, request, create) => {
      if (request === null) return first(await create());
      await takeTurn(tx, caller, request);
      const bodyMac = macOf(caller, request.body);
      const { row, broken } = await find(tx, caller, request);
      if (broken) return refusedWith(integrityBroken());
      if (row) return repeat(row, bodyMac);
      const outcome = await create();
      if ('ok' in outcome) await keep(tx, caller, request, bodyMac, outcome.ok);
      return first(outcome);
    },
  };
};
