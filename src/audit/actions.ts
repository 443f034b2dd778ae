import type { Permission } from '../core/permissions.ts';

type Revised = { readonly revision: number };

/**
 * Everything that is recorded, with the details of each action: ids, numbers and names of fields only, never a name, a value,
 * a token or a search word. The verifiable log will hash them, so a detail never changes its meaning.
 */
export interface AuditDetails {
  'secret.create': Revised & {
    readonly version: number;
    readonly scope: string;
    readonly session_id?: string;
    readonly shared_with: readonly string[];
  };
  'secret.list': { readonly count: number; readonly filters?: readonly string[] };
  'secret.get': NoDetails;
  /** A refused reveal by name lists the secrets that the name could have meant. */
  'secret.reveal': { readonly version: number } | { readonly candidates: readonly string[] };
  /** With the new exposure and expiry where they were given: either can take access away. */
  'secret.update': Revised & { readonly fields: readonly string[]; readonly exposure?: string } & NewExpiry;
  'secret.value_set': Revised & { readonly version: number };
  'secret.share': Revised & { readonly user_id: string };
  'secret.unshare': Revised & { readonly user_id: string };
  'secret.activate': Revised;
  'secret.deactivate': Revised;
  'secret.delete': Revised;
  'secret.purge': Revised;
  /** Owners were reminded of a date of their secrets. */
  'secret.remind': { readonly kind: string; readonly secrets: number };
  'secret.recover': Revised;
  'secret.transfer': Revised & { readonly scope: string; readonly from: string; readonly session_id?: string };
  'secret.hand_over': Revised & {
    readonly from: string;
    readonly to: string;
    readonly shared_with: readonly string[];
  };
  'handover.offer': Revised & { readonly handover_id: string; readonly to: string };
  /** Of everything that a disabled user owns. */
  'handover.offer_all': { readonly handover_id: string; readonly to: string; readonly ready_at: string };
  'handover.accept': { readonly handover_id: string; readonly secrets: number; readonly job_id?: string };
  'handover.cancel': { readonly handover_id: string; readonly kind: 'secret' | 'user' };
  'secret.access_list': NoDetails;
  'secret.versions_list': NoDetails;
  'secret.version_restore': Revised & { readonly version: number; readonly restored: number };
  'secret.import': {
    readonly created: number;
    readonly updated: number;
    readonly skipped: number;
    readonly renamed: number;
    readonly owner_id?: string;
  };
  'session.create': { readonly participants: readonly string[] };
  'session.update': { readonly fields: readonly string[] } & NewExpiry;
  'session.participant_add': { readonly user_id: string };
  'session.participant_remove': { readonly user_id: string };
  'session.join': { readonly user_id: string };
  'session.hand_over': { readonly from: string; readonly to: string };
  'session.end': NoDetails;
  /** After the grace period, the secrets that were left in it were erased. */
  'session.clean_up': NoDetails;
  'session.refused': NoDetails;
  'user.create': { readonly role?: string };
  'user.update': UserChange;
  'user.disable': UserChange & { readonly logins: number; readonly tokens: number };
  'user.enable': UserChange;
  /** What was purged with the erasure itself; `job_id` names the job that goes on with the rest. */
  'user.erase': {
    readonly secrets: number;
    readonly shares: number;
    readonly sessions: number;
    readonly versions: number;
    readonly participations: number;
    readonly handovers: number;
    readonly logins: number;
    readonly tokens: number;
    readonly webhooks: number;
    readonly memories: number;
    readonly job_id?: string;
  };
  'user.erase_preview': NoDetails;
  'user.password_change': Revised;
  'user.password_reset': Revised & { readonly secrets_from: string | null };
  'user.reset_cancel': Revised;
  'login.create': NoDetails;
  'login.refresh': NoDetails;
  'login.end': NoDetails;
  'login.refused': NoDetails;
  'token.create': { readonly permissions: readonly Permission[]; readonly session_id?: string };
  'token.revoke': NoDetails;
  'token.refused': NoDetails;
  'notice.read': NoDetails;
  'webhook.create': { readonly service: boolean; readonly event_types: readonly string[] };
  'webhook.change': Revised & { readonly fields: readonly string[]; readonly state?: string };
  'webhook.delete': NoDetails;
  'webhook.rotate_secret': Revised & { readonly keep_previous: boolean };
  'webhook.test': { readonly delivery_id: string };
  'webhook.redeliver': { readonly delivery_id: string };
  /** A read of the memory graph: how much it answered, and in which mode. */
  'graph.read': { readonly operation: string; readonly mode: string; readonly count: number };
  /** New facts, by kind; those that existed already are not counted. `session_ids` are where they went. */
  'graph.write': MemoryCounts & { readonly operation: string; readonly session_ids?: readonly string[] };
  'graph.update': { readonly operation: string; readonly id: string; readonly version?: number };
  'graph.merge': { readonly id: string; readonly into: string };
  'graph.delete': MemoryCounts & { readonly operation: string };
  'graph.import': MemoryCounts & { readonly session_id?: string };
  /** Somebody forgot what they remembered. */
  'graph.forget': MemoryCounts;
  'job.start': { readonly kind: string };
  'job.cancel': JobProgress;
  'job.finish': JobProgress;
  'backup.create': BackupContents;
  /** Of a restored database: which backup it came from. */
  'backup.restore': BackupContents & { readonly created_at: string };
  /** What was held back since a restore or a jump of the clock is carried out again. */
  'backup.release': { readonly restores: readonly string[]; readonly clock_jumps?: number };
  'clock.jump': { readonly seconds: number };
  /** What was taken away after the backup was taken away again. */
  'backup.revoke': {
    /** What had been taken away, as `keyhold restore` lists it. */
    readonly what: string;
    /** The record of the export that tells of it. */
    readonly record: string;
    readonly user_id?: string;
  };
  /** Everything that gives access was ended. */
  'backup.revoke_all': {
    readonly logins: number;
    readonly tokens: number;
    readonly shares: number;
    readonly webhooks: number;
  };
  'audit.export': { readonly records: number };
  'request.refused': NoDetails | { readonly route: string };
  'request.limited': { readonly count: number };
  'key.reload': NoDetails;
  'key.rotate_root': { readonly root_key_id: string; readonly step: 'added' | 'promoted' };
  'key.rewrap': { readonly job_id: string };
  'key.reencrypt': { readonly job_id: string; readonly owner_id?: string };
  'key.rotate_seal': { readonly job_id: string; readonly seal_key_id: string; readonly generation: number };
  'key.logins_end': { readonly root_key_id: string; readonly logins: number };
  'key.retire': { readonly root_key_id: string };
  'key.give_up': { readonly table: string; readonly key: string };
  'row.integrity_broken': {
    readonly table: string;
    /** The primary key of the row, where the record has no target. */
    readonly key?: string;
    /** The action in which it was met. */
    readonly during?: string;
  };
}

type BackupContents = { readonly backup_id: string; readonly rows: number; readonly broken: number };

type MemoryCounts = { readonly entities: number; readonly observations: number; readonly relations: number };

/** Left out where the expiry was not changed, and null where it was removed. */
type NewExpiry = { readonly expires_at?: string | null };

type NoDetails = Readonly<Record<string, never>>;

/** How far a job came: rows worked on, rows that could not be, and what was done, by names of its kind. */
type JobProgress = {
  readonly kind: string;
  readonly done: number;
  readonly failed: number;
  readonly counts: Readonly<Record<string, number>>;
};

type UserChange = Revised & { readonly fields: readonly string[]; readonly role?: string; readonly status?: string };

export type AuditAction = keyof AuditDetails;

export type AuditTarget =
  | { readonly type: 'secret' | 'session' | 'user' | 'login' | 'token' | 'job' | 'webhook'; readonly id: string }
  | { readonly type: 'secrets' | 'route' | 'keys' | 'graph'; readonly id: null };
