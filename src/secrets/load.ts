import { type Action, decide, type Refusal, type SecretFacts, waitingPeriod } from '../access/index.ts';
import type { AuditEntry } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { OwnerKeyRow, SecretRow } from '../db/tables.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import { type LockMode, type SecretBeside, secretsBeside } from './queries.ts';
import { factsOf } from './secret.ts';

/** A secret whose row and surroundings were verified, ready to be decided about at `now`. */
export interface Loaded {
  readonly row: SecretRow;
  readonly facts: SecretFacts;
  readonly key: OwnerKeyRow | null;
  readonly now: Date;
}

/** What one caller's one request comes to for one secret. `broken`: its row is not as the service wrote it. */
export type Judged =
  | { readonly kind: 'allowed'; readonly loaded: Loaded; readonly because: 'owner' | 'session' | 'shared' }
  | { readonly kind: 'refused'; readonly error: KeyholdError; readonly reason: string }
  | { readonly kind: 'broken'; readonly error: KeyholdError };

const stateSentences = {
  inactive: 'This secret is inactive. Activate it first.',
  expired: 'This secret has expired. Give it a later expires_at first.',
  deleted: 'This secret is deleted. Recover it first.',
} as const;

const refusalError = (reason: Refusal): KeyholdError => {
  switch (reason) {
    case 'permission':
      return new KeyholdError('permission_missing', 'This credential lacks the permission for it.');
    case 'waiting':
      return waitingPeriod();
    case 'nothing':
      return notFound();
    case 'owner_only':
      return new KeyholdError('owner_only', 'Only the owner of the secret may do this.');
    case 'use_only':
      return new KeyholdError('use_only', 'The owner lets this secret be used, not revealed.');
    case 'inactive':
    case 'expired':
    case 'deleted':
      return new KeyholdError('state_conflict', stateSentences[reason]);
  }
};

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

export interface LoadOptions {
  readonly lock?: LockMode;
  readonly value?: boolean;
}

export interface Load {
  /** Decides about each of these secrets for this caller. One that doesn't exist is refused like one that is foreign. */
  judge(
    db: Db,
    caller: Caller,
    action: Action,
    ids: readonly SecretId[],
    options?: LoadOptions,
  ): Promise<Map<SecretId, Judged>>;
  judgeOne(db: Db, caller: Caller, action: Action, id: SecretId, options?: LoadOptions): Promise<Judged>;
}

export const createLoad = ({ seals, clock }: Deps): Load => {
  const ownerOf = ({ owner, presence }: SecretBeside) => ({
    active: owner !== null && owner.status === 'active' && seals.holds('users', owner),
    present: presence !== null && presence.left_at === null && seals.holds('session_participants', presence),
  });

  const keyOf = ({ secret, key }: SecretBeside): OwnerKeyRow | null =>
    key !== null && key.owner_id === secret.owner_id && seals.holds('owner_keys', key) ? key : null;

  const verified = (beside: SecretBeside): Loaded | null => {
    const { secret, dbNow } = beside;
    if (!seals.holds('secrets', secret)) return null;
    return { row: secret, facts: factsOf(secret, ownerOf(beside)), key: keyOf(beside), now: later(clock.now(), dbNow) };
  };

  const decided = (caller: Caller, action: Action, loaded: Loaded | null): Judged => {
    const decision = decide(caller, action, loaded?.facts ?? null, loaded?.now ?? clock.now());
    if (loaded && decision.allowed) return { kind: 'allowed', loaded, because: decision.because };
    const reason = decision.allowed ? 'nothing' : decision.reason;
    return { kind: 'refused', error: refusalError(reason), reason };
  };

  /** A broken row is nothing to anybody but the one whom it names as owner, who is told once. */
  const broken = (caller: Caller, { secret }: SecretBeside): Judged => ({
    kind: 'broken',
    error: secret.owner_id === caller.userId ? integrityBroken() : notFound(),
  });

  const judgeBeside = (caller: Caller, action: Action, beside: SecretBeside | undefined): Judged => {
    if (!beside) return decided(caller, action, null);
    const loaded = verified(beside);
    return loaded ? decided(caller, action, loaded) : broken(caller, beside);
  };

  const judge: Load['judge'] = async (db, caller, action, ids, options = {}) => {
    const found = await secretsBeside(db, ids, caller.session, {
      lock: options.lock ?? 'none',
      value: options.value ?? false,
    });
    const byId = new Map(found.map((beside) => [beside.secret.id, beside]));
    return new Map(ids.map((id) => [id, judgeBeside(caller, action, byId.get(id))]));
  };

  return {
    judge,
    judgeOne: async (db, caller, action, id, options) => {
      const judged = (await judge(db, caller, action, [id], options)).get(id);
      return judged ?? { kind: 'refused', error: notFound(), reason: 'nothing' };
    },
  };
};

/** The record of what was not allowed: a refusal by the rule, or a row that somebody else wrote. */
export const refusalEntry = (
  action: AuditEntry['action'],
  id: SecretId,
  judged: Exclude<Judged, { kind: 'allowed' }>,
): AuditEntry =>
  judged.kind === 'broken'
    ? {
        action: 'row.integrity_broken',
        target: { type: 'secret', id },
        outcome: 'failed',
        reason: 'seal',
        details: { table: 'secrets', during: action },
      }
    : { action, target: { type: 'secret', id }, outcome: 'refused', reason: judged.reason };
