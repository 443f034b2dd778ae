import { type Caller, isOperator, type RequestOrigin } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { KeyholdError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { publicRandom } from '../core/random.ts';
import { boundedText } from '../core/text.ts';
import { type Db, mapDbErrors, refusedWith, type Tx } from '../db/database.ts';
import type { AuditRow } from '../db/tables/index.ts';
import { type EventActor, eventRows, type NewEvent } from '../events/index.ts';
import type { AnyInsert, Seals, Unchanged, Unsealed } from '../keys/index.ts';
import type { AuditAction, AuditDetails, AuditTarget } from './actions.ts';
import type { AuditReason } from './reasons.ts';

/** What every record holds. */
interface EntryBase<A extends AuditAction> {
  /** The id of the record, by `newId`, where it has to be known before it is written. */
  readonly id?: string;
  readonly action: A;
  readonly target?: AuditTarget | null | undefined;
  /** Why it was allowed, refused or failed. */
  readonly reason?: AuditReason | null;
  /** The events that tell people of it, written with the record. */
  readonly tells?: readonly NewEvent[];
}

/** The record of an action with the details that belong to it. */
interface EntryOf<A extends AuditAction> extends EntryBase<A> {
  readonly outcome: AuditRow['outcome'];
  readonly details: AuditDetails[A];
}

/** A refusal or a failure may leave out the details. */
interface EntryWithoutDetails extends EntryBase<AuditAction> {
  readonly outcome: Exclude<AuditRow['outcome'], 'allowed'>;
  readonly details?: undefined;
}

export type AuditEntry = { [A in AuditAction]: EntryOf<A> }[AuditAction] | EntryWithoutDetails;

/** Any entry, for the functions behind `Audit`, whose callers have been held to details that match the action. */
type MatchedEntry = EntryOf<AuditAction> | EntryWithoutDetails;

/** Who acted: an authenticated caller, or a request that belongs to no known caller (yet). */
export type Actor = Caller | { readonly origin: RequestOrigin; readonly userId: Caller['userId'] | null };

/** The service itself, by the name of what it does on its own. */
export const systemActor = (name: string): Actor => ({
  origin: { requestId: name, ip: null, userAgent: null },
  userId: null,
});

export interface ActorEntry {
  readonly actor: Actor;
  readonly entry: AuditEntry;
}

/** What the record of an allowed action holds in addition to its name. */
export interface Allowed<A extends AuditAction> {
  readonly target?: AuditTarget;
  readonly details: AuditDetails[A];
  readonly reason?: AuditReason;
  /** The events that tell people of it. */
  readonly tells?: readonly NewEvent[];
}

/** The refusal of an action. The reason in its record is the error's code unless another is given. */
interface Refused {
  readonly target?: AuditTarget | null;
  readonly error: KeyholdError;
  readonly reason?: AuditReason;
}

export interface Audit {
  /** Adds one record in the transaction of the action that it describes. */
  record(tx: Tx, actor: Actor, entry: AuditEntry): Promise<void>;
  /** Records that an action was done. */
  allow<A extends AuditAction>(tx: Tx, actor: Actor, action: A, what: Allowed<A>): Promise<void>;
  /** Records that an action was refused and returns the refusal. */
  refuse(tx: Tx, actor: Actor, action: AuditAction, why: Refused): Promise<{ readonly refused: KeyholdError }>;
  /** Adds records that are committed when it resolves, all in one statement, of several callers if need be. */
  commit(db: Db, records: readonly ActorEntry[]): Promise<void>;
  /** Adds and commits one record, for decisions made outside a transaction. */
  recordAlone(db: Db, actor: Actor, entry: AuditEntry): Promise<void>;
  /**
   * Writes new rows with the records that tell of them in one statement, if `unchanged` still holds; resolves to whether it
   * did. Every creation goes through here, in a transaction or as a statement by itself.
   */
  insert(db: Db, rows: readonly AnyInsert[], records: readonly ActorEntry[], unchanged?: Unchanged): Promise<boolean>;
}

const credentialId = (actor: Actor): string | null =>
  'credential' in actor && 'id' in actor.credential ? actor.credential.id : null;

const byOperator = (actor: Actor): boolean => 'credential' in actor && isOperator(actor);

const agentOf = (actor: Actor): string | null => ('agent' in actor ? actor.agent : null);
const sessionOf = (actor: Actor): string | null => ('session' in actor ? actor.session : null);

/** The details as they are stored. */
const detailsOf = (actor: Actor, entry: MatchedEntry): AuditDetails[AuditAction] & { readonly operator?: true } => ({
  ...entry.details,
  ...(byOperator(actor) ? { operator: true } : {}),
});

const rowOf = (now: Date, actor: Actor, entry: MatchedEntry): Unsealed<'audit_log'> => ({
  id: entry.id ?? newId<string>(),
  recorded_at: now,
  request_id: boundedText(actor.origin.requestId, 64) ?? '',
  actor_id: byOperator(actor) ? null : actor.userId,
  agent: boundedText(agentOf(actor), 128),
  session_id: sessionOf(actor),
  token_id: credentialId(actor),
  action: entry.action,
  target_type: entry.target?.type ?? null,
  target_id: entry.target?.id ?? null,
  outcome: entry.outcome,
  reason: entry.reason ?? (byOperator(actor) ? 'operator' : null),
  ip: boundedText(actor.origin.ip, 64),
  user_agent: boundedText(actor.origin.userAgent, 256),
  details: detailsOf(actor, entry),
  nonce: publicRandom(16),
});

const eventActor = (actor: Actor): EventActor => ({
  userId: byOperator(actor) ? null : actor.userId,
  agent: boundedText(agentOf(actor), 128),
});

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  /** Called for each record as it is written, for counting. */
  readonly onRecord: (entry: Pick<AuditEntry, 'action' | 'outcome'>) => void;
}

export const createAudit = ({ clock, seals, onRecord }: Deps): Audit => {
  const insert = async (
    db: Db,
    inserts: readonly AnyInsert[],
    records: readonly { readonly actor: Actor; readonly entry: MatchedEntry }[],
    unchanged?: Unchanged,
  ): Promise<boolean> => {
    const now = clock.now();
    const rows = records.map(({ actor, entry }) => rowOf(now, actor, entry));
    const told = records.flatMap(({ actor, entry: { tells = [] } }) =>
      tells.length === 0 ? [] : eventRows(tells, eventActor(actor), now),
    );
    const all = [...inserts, { table: 'events', rows: told }, { table: 'audit_log', rows }] as const;
    const written = await seals.insertAll(db, all, unchanged);
    if (written) for (const { entry } of records) onRecord(entry);
    return written;
  };

  const record = async (tx: Tx, actor: Actor, entry: MatchedEntry): Promise<void> => {
    await insert(tx, [], [{ actor, entry }]);
  };

  const commit: Audit['commit'] = async (db, records) => {
    await mapDbErrors(insert(db, [], records));
  };

  return {
    record,
    allow: <A extends AuditAction>(
      tx: Tx,
      actor: Actor,
      action: A,
      { target, details, reason, tells = [] }: Allowed<A>,
    ) => {
      const entry: EntryOf<A> = { action, target, outcome: 'allowed', details, reason: reason ?? null, tells };
      return record(tx, actor, entry);
    },
    refuse: async (tx, actor, action, { target, error, reason = error.code }) => {
      await record(tx, actor, { action, target, outcome: 'refused', reason });
      return refusedWith(error);
    },
    commit,
    recordAlone: (db, actor, entry) => commit(db, [{ actor, entry }]),
    insert,
  };
};
