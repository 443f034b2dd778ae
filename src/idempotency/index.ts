import { createHmac, timingSafeEqual } from 'node:crypto';
import { sql } from 'kysely';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { dayMs } from '../core/durations.ts';
import { KeyholdError } from '../core/errors.ts';
import { canonicalJson } from '../core/json.ts';
import type { Outcome, Tx } from '../db/database.ts';
import { violatedIndex } from '../db/postgres-errors.ts';
import type { IdempotencyRow } from '../db/tables/index.ts';
import { integrityBroken, notWritten, type Seals } from '../keys/index.ts';
import type { IdempotentRequest } from './request.ts';

export { type IdempotentRequest, idempotentRequest } from './request.ts';

export interface Created {
  readonly ids: readonly string[];
  /** True when an earlier request with this key created them; access to them is then decided afresh. */
  readonly repeated: boolean;
}

interface Deps {
  readonly audit: Audit;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly digestKey: Buffer;
}

const keptMs = dayMs;

export type Idempotency = ReturnType<typeof createIdempotency>;

export const createIdempotency = ({ audit, clock, seals, digestKey }: Deps) => {
  /** The session of the request belongs to what it asks for, since it says where something is created. */
  const macOf = (caller: Caller, body: unknown): Buffer =>
    createHmac('sha256', digestKey)
      .update(`body\0${caller.session ?? ''}\0${canonicalJson(body)}`)
      .digest();

  /** The earlier request with this key, if it is kept still. Throws `unavailable` when the database kept it for too long. */
  const find = async (tx: Tx, caller: Caller, { route, key }: IdempotentRequest) => {
    const oldest = new Date(clock.now().getTime() - keptMs);
    await tx
      .deleteFrom('idempotency_keys')
      .where('user_id', '=', caller.userId)
      .where('created_at', '<', oldest)
      .execute();
    const found = await seals.find(tx, 'idempotency_keys', { user_id: caller.userId, route, key });
    if (found.row && found.row.created_at.getTime() < oldest.getTime()) throw notWritten('idempotency_keys');
    return found;
  };

  /** Throws `unavailable` when the key has a row after all, which the database did not show. */
  const insert = async (tx: Tx, row: Omit<IdempotencyRow, 'seal'>): Promise<void> => {
    try {
      await seals.insert(tx, 'idempotency_keys', row);
    } catch (error) {
      throw violatedIndex(error) === undefined ? error : notWritten('idempotency_keys');
    }
  };

  return {
    /**
     * Runs `create` at most once for the caller, route and key within 24 hours, in the transaction that creates. A refused
     * creation leaves the key free. Refuses and records the key with another body or session
     * (`idempotency_key_reused`).
     */
    once: async (
      tx: Tx,
      caller: Caller,
      request: IdempotentRequest | null,
      create: () => Promise<Outcome<readonly string[]>>,
    ): Promise<Outcome<Created>> => {
      if (request === null) return createdNow(await create());
      await lockKey(tx, caller, request);
      const bodyMac = macOf(caller, request.body);
      const { row, broken } = await find(tx, caller, request);
      if (broken) return await audit.refuse(tx, caller, 'request.refused', { error: integrityBroken() });
      if (row && !timingSafeEqual(row.body_mac, bodyMac))
        return await audit.refuse(tx, caller, 'request.refused', { error: keyReused() });
      if (row) return { ok: { ids: row.resource_ids, repeated: true } };
      const outcome = await create();
      if ('ok' in outcome) {
        const { route, key } = request;
        const resource_ids = outcome.ok;
        const created_at = clock.now();
        await insert(tx, { user_id: caller.userId, route, key, body_mac: bodyMac, resource_ids, created_at });
      }
      return createdNow(outcome);
    },
  };
};

/** Requests with one key at the same time run one after the other; the later ones find what the first one created. */
const lockKey = async (tx: Tx, caller: Caller, request: IdempotentRequest): Promise<void> => {
  const name = `${caller.userId} ${request.route} ${request.key}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 7403117))`.execute(tx);
};

const createdNow = (outcome: Outcome<readonly string[]>): Outcome<Created> =>
  'refused' in outcome ? outcome : { ok: { ids: outcome.ok, repeated: false } };

const keyReused = (): KeyholdError =>
  new KeyholdError(
    'idempotency_key_reused',
    'This Idempotency-Key was used with another body or session. Send a new key with a new request.',
  );
