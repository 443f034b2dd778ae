import type { ColumnType } from 'kysely';
import { type AuditRow, audit_log } from './audit-log.ts';
import {
  type ClosedIdentityCountRow,
  type ClosedIdentityRow,
  closed_identities,
  closed_identity_count,
} from './closed-identities.ts';
import { type EventLogRow, type EventRow, events } from './events.ts';
import { type HandoverRow, handovers } from './handovers.ts';
import { type HeartbeatRow, heartbeats } from './heartbeats.ts';
import { type HoldRow, holds } from './holds.ts';
import { type IdempotencyRow, idempotency_keys } from './idempotency-keys.ts';
import { type JobRow, jobs } from './jobs.ts';
import type { LoginFailureRow } from './login-failures.ts';
import { type LoginRow, logins } from './logins.ts';
import type {
  MemoryEntityRow,
  MemoryMergeRow,
  MemoryMetadataRow,
  MemoryNameRow,
  MemoryObservationRow,
  MemoryRelationRow,
  MemoryScopeRow,
  MemoryUseRow,
} from './memory.ts';
import type { NoticeMarkRow } from './notice-marks.ts';
import { type OwnerKeyRow, owner_keys } from './owner-keys.ts';
import { type ParticipantRow, session_participants } from './participants.ts';
import type { ReminderRow } from './reminders.ts';
import { type RestoreRow, restores } from './restores.ts';
import { type RootKeyRow, root_keys } from './root-keys.ts';
import { type SecretVersionRow, secret_versions } from './secret-versions.ts';
import { type SecretRow, secrets } from './secrets.ts';
import type { ServiceKeyRow } from './service-keys.ts';
import { type SessionRow, sessions } from './sessions.ts';
import { type TokenRow, tokens } from './tokens.ts';
import { type UserRow, users } from './users.ts';
import { type WebhookDeliveryRow, webhook_deliveries } from './webhook-deliveries.ts';
import { type WebhookRow, webhooks } from './webhooks.ts';

export type { AuditRow } from './audit-log.ts';
export type { ClosedIdentityCountRow, ClosedIdentityRow } from './closed-identities.ts';
export type { EventRow } from './events.ts';
export type { HandoverRow } from './handovers.ts';
export type { HeartbeatRow } from './heartbeats.ts';
export type { HoldRow } from './holds.ts';
export type { IdempotencyRow } from './idempotency-keys.ts';
export type { JobRow } from './jobs.ts';
export type { LoginRow } from './logins.ts';
export type {
  MemoryEntityRow,
  MemoryNameRow,
  MemoryObservationRow,
  MemoryRelationRow,
  MemoryScopeRow,
  MemoryUseRow,
} from './memory.ts';
export type { OwnerKeyRow } from './owner-keys.ts';
export type { ParticipantRow } from './participants.ts';
export type { ReminderRow } from './reminders.ts';
export type { RestoreRow } from './restores.ts';
export type { RootKeyRow } from './root-keys.ts';
export type { SecretVersionRow } from './secret-versions.ts';
export type { SecretRow } from './secrets.ts';
export type { ServiceKeyRow } from './service-keys.ts';
export type { SessionRow } from './sessions.ts';
export type { TokenRow } from './tokens.ts';
export type { UserRow } from './users.ts';
export type { WebhookDeliveryRow } from './webhook-deliveries.ts';
export type { WebhookRow } from './webhooks.ts';

/** The rows of every table, as they are read. */
export interface Tables {
  users: UserRow;
  logins: LoginRow;
  tokens: TokenRow;
  sessions: SessionRow;
  session_participants: ParticipantRow;
  owner_keys: OwnerKeyRow;
  secrets: SecretRow;
  secret_versions: SecretVersionRow;
  audit_log: AuditRow;
  idempotency_keys: IdempotencyRow;
  closed_identities: ClosedIdentityRow;
  closed_identity_count: ClosedIdentityCountRow;
  root_keys: RootKeyRow;
  heartbeats: HeartbeatRow;
  jobs: JobRow;
  restores: RestoreRow;
  holds: HoldRow;
  handovers: HandoverRow;
  events: EventRow;
  event_log: EventLogRow;
  notice_marks: NoticeMarkRow;
  reminders: ReminderRow;
  webhooks: WebhookRow;
  webhook_deliveries: WebhookDeliveryRow;
  service_keys: ServiceKeyRow;
  login_failures: LoginFailureRow;
  memory_scopes: MemoryScopeRow;
  memory_entities: MemoryEntityRow;
  memory_names: MemoryNameRow;
  memory_merges: MemoryMergeRow;
  memory_metadata: MemoryMetadataRow;
  memory_observations: MemoryObservationRow;
  memory_relations: MemoryRelationRow;
  memory_uses: MemoryUseRow;
}

/** Columns of a sealed table for the query builder: any statement may name them, but what it reads has no type yet. */
type Unverified<Row> = { [Column in keyof Row]: ColumnType<unknown, Row[Column], Row[Column]> };

/**
 * The database as the query builder sees it. A row read from a sealed table is not typed until `Seals` has verified its seal
 * and compared it with what it was asked by, so a row that was not verified cannot be used by mistake.
 */
export type Schema = {
  [Table in keyof Tables]: Table extends SealedTableName ? Unverified<Tables[Table]> : Tables[Table];
};

export const sealedTables = {
  users,
  logins,
  tokens,
  sessions,
  session_participants,
  owner_keys,
  secrets,
  secret_versions,
  audit_log,
  idempotency_keys,
  closed_identities,
  closed_identity_count,
  root_keys,
  heartbeats,
  jobs,
  restores,
  holds,
  handovers,
  events,
  webhooks,
  webhook_deliveries,
} as const;

export type SealedTableName = keyof typeof sealedTables;
