import { type Caller, isOperator, type RequestOrigin } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { publicRandom } from '../core/random.ts';
import { type Db, mapDbErrors, type Tx } from '../db/database.ts';
import type { AuditRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import type { AuditAction, AuditTarget } from './actions.ts';

export interface AuditEntry {
  readonly action: AuditAction;
  readonly target?: AuditTarget;
  readonly outcome: AuditRow['outcome'];
  /** A word of a closed list: why it was allowed, refused or failed. Never anything that the caller sent. */
  readonly reason?: string | null;
  /** Ids, numbers and names of fields only: never a name, a value, a token or a search word. */
  readonly details?: JsonObject;
}

/** Who did it: an authenticated caller, or a request that isn't anybody's (yet). */
export type Actor = Caller | { readonly origin: RequestOrigin; readonly userId: Caller['userId'] | null };

export interface ActorEntry {
  readonly actor: Actor;
  readonly entry: AuditEntry;
}

/** Writes those of the records whose target it made, and resolves to their targets' ids. */
export type WriteRecords = (rows: readonly Unsealed<'audit_log'>[]) => Promise<ReadonlySet<string>>;

export interface Audit {
  /** Adds one record in the transaction of what it tells about. */
  record(tx: Tx, actor: Actor, entry: AuditEntry): Promise<void>;
  recordAll(tx: Tx, actor: Actor, entries: readonly AuditEntry[]): Promise<void>;
  /** Adds records that are committed when it resolves, all in one statement; of several callers, if need be. */
  commit(db: Db, records: readonly ActorEntry[]): Promise<void>;
  /** Adds records by the one statement that does what they tell about; resolves to the targets of those it has written. */
  commitWith(records: readonly ActorEntry[], write: WriteRecords): Promise<ReadonlySet<string>>;
  /** Adds and commits one record, for what is decided outside of any transaction. */
  recordAlone(db: Db, actor: Actor, entry: AuditEntry): Promise<void>;
}

const bounded = (text: string | null, length: number): string | null => {
  if (text === null) return null;
  // The column's text may hold neither a NUL nor half a surrogate pair, whatever a client sent as a header.
  return text.replaceAll('\0', '').slice(0, length).toWellFormed();
};

const credentialId = (actor: Actor): string | null =>
  'credential' in actor && 'id' in actor.credential ? actor.credential.id : null;

const byOperator = (actor: Actor): boolean => 'credential' in actor && isOperator(actor);

const agentOf = (actor: Actor): string | null => ('agent' in actor ? actor.agent : null);
const sessionOf = (actor: Actor): string | null => ('session' in actor ? actor.session : null);

const rowOf = (now: Date, actor: Actor, entry: AuditEntry): Unsealed<'audit_log'> => ({
  id: newId<string>(),
  recorded_at: now,
  request_id: bounded(actor.origin.requestId, 64) ?? '',
  actor_id: byOperator(actor) ? null : actor.userId,
  agent: bounded(agentOf(actor), 128),
  session_id: sessionOf(actor),
  token_id: credentialId(actor),
  action: entry.action,
  target_type: entry.target?.type ?? null,
  target_id: entry.target?.id ?? null,
  outcome: entry.outcome,
  reason: entry.reason ?? (byOperator(actor) ? 'operator' : null),
  ip: bounded(actor.origin.ip, 64),
  user_agent: bounded(actor.origin.userAgent, 256),
  details: byOperator(actor) ? { ...entry.details, operator: true } : (entry.details ?? {}),
  nonce: publicRandom(16),
});

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  /** Told of each record as it is written, for counting. */
  readonly onRecord: (entry: AuditEntry) => void;
}

export const createAudit = ({ clock, seals, onRecord }: Deps): Audit => {
  const rowsOf = (records: readonly ActorEntry[]): Unsealed<'audit_log'>[] => {
    const now = clock.now();
    return records.map(({ actor, entry }) => rowOf(now, actor, entry));
  };
  const write = async (db: Db, records: readonly ActorEntry[]): Promise<void> => {
    await seals.insertAll(db, 'audit_log', rowsOf(records));
    for (const { entry } of records) onRecord(entry);
  };
  const ofOne = (actor: Actor, entries: readonly AuditEntry[]): ActorEntry[] =>
    entries.map((entry) => ({ actor, entry }));
  const commit = (db: Db, records: readonly ActorEntry[]): Promise<void> => mapDbErrors(write(db, records));
  return {
    record: (tx, actor, entry) => write(tx, [{ actor, entry }]),
    recordAll: (tx, actor, entries) => write(tx, ofOne(actor, entries)),
    commit,
    commitWith: async (records, writeRecords) => {
      const written = await writeRecords(rowsOf(records));
      for (const { entry } of records) if (written.has(entry.target?.id ?? '')) onRecord(entry);
      return written;
    },
    recordAlone: (db, actor, entry) => commit(db, [{ actor, entry }]),
  };
};
