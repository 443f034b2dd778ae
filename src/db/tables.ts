import type { Role } from '../core/caller.ts';
import type { LoginId, OwnerKeyId, SecretId, SessionId, TokenId, UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Permission } from '../core/permissions.ts';
import type { SecretType } from '../core/secret-types.ts';
import type { ColumnKind, SealedTable } from '../crypto/seal.ts';

/** The rows of every table, as they are read. Each sealed table's list of columns stands beside its row. */

export interface UserRow {
  id: UserId;
  username: string;
  username_key: string;
  email: string | null;
  display_name: string | null;
  password_hash: string | null;
  /** The password before an administrator's reset, kept while the reset can be called off. */
  previous_password_hash: string | null;
  password_reset_at: Date | null;
  issuer: string | null;
  subject: string | null;
  role: Role;
  status: 'active' | 'disabled' | 'erased';
  secrets_from: Date | null;
  metadata: JsonObject;
  revision: number;
  created_at: Date;
  updated_at: Date;
  seal: Buffer;
}

export interface LoginRow {
  id: LoginId;
  user_id: UserId;
  refresh_generation: number;
  created_at: Date;
  expires_at: Date;
  ended_at: Date | null;
  ip: string | null;
  user_agent: string | null;
  last_used_at: Date;
  seal: Buffer;
}

export interface TokenRow {
  id: TokenId;
  user_id: UserId;
  name: string;
  token_hash: Buffer;
  permissions: readonly Permission[];
  agent: string | null;
  session_id: SessionId | null;
  created_at: Date;
  expires_at: Date;
  revoked_at: Date | null;
  last_used_at: Date | null;
  seal: Buffer;
}

export interface SessionRow {
  id: SessionId;
  external_id: string | null;
  owner_id: UserId;
  title: string | null;
  status: 'active' | 'ended';
  expires_at: Date | null;
  ended_at: Date | null;
  metadata: JsonObject;
  created_at: Date;
  updated_at: Date;
  seal: Buffer;
}

export interface ParticipantRow {
  session_id: SessionId;
  user_id: UserId;
  role: 'owner' | 'collaborator';
  joined_at: Date;
  left_at: Date | null;
  /** Since when the session's external id means it to the user; null once they left by themself. See sessions/finding.ts. */
  named_since: Date | null;
  seal: Buffer;
}

export interface OwnerKeyRow {
  id: OwnerKeyId;
  owner_id: UserId;
  wrapped_key: string;
  root_key_id: string;
  state: 'active' | 'retiring';
  created_at: Date;
  seal: Buffer;
}

export type Scope = 'user' | 'session' | 'shared';

export interface SecretRow {
  id: SecretId;
  owner_id: UserId;
  name: string;
  type: SecretType;
  scope: Scope;
  /** The session's own id as text; null unless the scope is session. */
  session_id: string | null;
  shared_with: readonly UserId[];
  encrypted_value: string;
  description: string | null;
  tags: readonly string[];
  expires_at: Date | null;
  is_active: boolean;
  metadata: JsonObject;
  created_at: Date;
  updated_at: Date;
  version: number;
  key_id: OwnerKeyId;
  exposure: 'reveal' | 'use';
  rotate_after: Date | null;
  deleted_at: Date | null;
  /** When the current version of the value was written. */
  value_set_at: Date;
  revision: number;
  seal: Buffer;
}

export interface SecretVersionRow {
  secret_id: SecretId;
  version: number;
  /** Null once the version is destroyed. */
  encrypted_value: string | null;
  key_id: OwnerKeyId;
  created_by: UserId;
  created_at: Date;
  destroyed_at: Date | null;
  seal: Buffer;
}

export interface AuditRow {
  id: string;
  recorded_at: Date;
  request_id: string;
  actor_id: string | null;
  agent: string | null;
  session_id: string | null;
  token_id: string | null;
  action: string;
  target_type: string | null;
  target_id: string | null;
  outcome: 'allowed' | 'refused' | 'failed';
  reason: string | null;
  ip: string | null;
  user_agent: string | null;
  details: JsonObject;
  nonce: Buffer;
  seal: Buffer;
}

export interface IdempotencyRow {
  user_id: UserId;
  route: string;
  key: string;
  body_mac: Buffer;
  resource_ids: readonly string[];
  created_at: Date;
  seal: Buffer;
}

/** The service's own keys, each wrapped under every root key: opening them at start proves the root keys. */
export interface ServiceKeyRow {
  id: string;
  root_key_id: string;
  purpose: 'seal';
  wrapped_key: string;
  created_at: Date;
}

/** Failed logins by account and by address; it decides nothing but how soon someone may try again. */
export interface LoginFailureRow {
  subject: Buffer;
  failures: number;
  window_started_at: Date;
}

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
  service_keys: ServiceKeyRow;
  login_failures: LoginFailureRow;
}

type Columns<Row, Unsealed extends keyof Row> = Record<Exclude<keyof Row, Unsealed | 'seal'>, ColumnKind>;

interface TypedSealedTable<Row, Unsealed extends keyof Row & string> extends SealedTable {
  readonly sealed: Columns<Row, Unsealed>;
  readonly unsealed: Record<Unsealed, string>;
  readonly key: readonly (keyof Row & string)[];
}

const users: TypedSealedTable<UserRow, 'updated_at'> = {
  table: 'users',
  key: ['id'],
  sealed: {
    id: 'uuid',
    username: 'text',
    username_key: 'text',
    email: 'text',
    display_name: 'text',
    password_hash: 'text',
    previous_password_hash: 'text',
    password_reset_at: 'time',
    issuer: 'text',
    subject: 'text',
    role: 'text',
    status: 'text',
    secrets_from: 'time',
    metadata: 'json',
    revision: 'bigint',
    created_at: 'time',
  },
  unsealed: { updated_at: 'shown only' },
};

const logins: TypedSealedTable<LoginRow, 'last_used_at'> = {
  table: 'logins',
  key: ['id'],
  sealed: {
    id: 'uuid',
    user_id: 'uuid',
    refresh_generation: 'int',
    created_at: 'time',
    expires_at: 'time',
    ended_at: 'time',
    ip: 'text',
    user_agent: 'text',
  },
  unsealed: { last_used_at: 'shown only' },
};

const tokens: TypedSealedTable<TokenRow, 'last_used_at'> = {
  table: 'tokens',
  key: ['id'],
  sealed: {
    id: 'uuid',
    user_id: 'uuid',
    name: 'text',
    token_hash: 'bytes',
    permissions: 'json',
    agent: 'text',
    session_id: 'uuid',
    created_at: 'time',
    expires_at: 'time',
    revoked_at: 'time',
  },
  unsealed: { last_used_at: 'shown only' },
};

const sessions: TypedSealedTable<SessionRow, 'updated_at'> = {
  table: 'sessions',
  key: ['id'],
  sealed: {
    id: 'uuid',
    external_id: 'text',
    owner_id: 'uuid',
    title: 'text',
    status: 'text',
    expires_at: 'time',
    ended_at: 'time',
    metadata: 'json',
    created_at: 'time',
  },
  unsealed: { updated_at: 'shown only' },
};

const session_participants: TypedSealedTable<ParticipantRow, never> = {
  table: 'session_participants',
  key: ['session_id', 'user_id'],
  sealed: {
    session_id: 'uuid',
    user_id: 'uuid',
    role: 'text',
    joined_at: 'time',
    left_at: 'time',
    named_since: 'time',
  },
  unsealed: {},
};

const owner_keys: TypedSealedTable<OwnerKeyRow, never> = {
  table: 'owner_keys',
  key: ['id'],
  sealed: { id: 'uuid', owner_id: 'uuid', wrapped_key: 'text', root_key_id: 'text', state: 'text', created_at: 'time' },
  unsealed: {},
};

const selfSealing =
  'a Fernet token under a key made of owner key, secret and version: it opens in its own row only, and lists need not read it';

const secrets: TypedSealedTable<SecretRow, 'updated_at' | 'encrypted_value'> = {
  table: 'secrets',
  key: ['id'],
  sealed: {
    id: 'uuid',
    owner_id: 'uuid',
    name: 'text',
    type: 'text',
    scope: 'text',
    session_id: 'text',
    shared_with: 'json',
    description: 'text',
    tags: 'json',
    expires_at: 'time',
    is_active: 'bool',
    metadata: 'json',
    created_at: 'time',
    version: 'int',
    key_id: 'uuid',
    exposure: 'text',
    rotate_after: 'time',
    deleted_at: 'time',
    value_set_at: 'time',
    revision: 'bigint',
  },
  unsealed: { updated_at: 'shown only', encrypted_value: selfSealing },
};

const secret_versions: TypedSealedTable<SecretVersionRow, 'encrypted_value'> = {
  table: 'secret_versions',
  key: ['secret_id', 'version'],
  sealed: {
    secret_id: 'uuid',
    version: 'int',
    key_id: 'uuid',
    created_by: 'uuid',
    created_at: 'time',
    destroyed_at: 'time',
  },
  unsealed: { encrypted_value: selfSealing },
};

const audit_log: TypedSealedTable<AuditRow, never> = {
  table: 'audit_log',
  key: ['id'],
  sealed: {
    id: 'uuid',
    recorded_at: 'time',
    request_id: 'text',
    actor_id: 'uuid',
    agent: 'text',
    session_id: 'uuid',
    token_id: 'uuid',
    action: 'text',
    target_type: 'text',
    target_id: 'uuid',
    outcome: 'text',
    reason: 'text',
    ip: 'text',
    user_agent: 'text',
    details: 'json',
    nonce: 'bytes',
  },
  unsealed: {},
};

const idempotency_keys: TypedSealedTable<IdempotencyRow, never> = {
  table: 'idempotency_keys',
  key: ['user_id', 'route', 'key'],
  sealed: { user_id: 'uuid', route: 'text', key: 'text', body_mac: 'bytes', resource_ids: 'json', created_at: 'time' },
  unsealed: {},
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
} as const;

export type SealedTableName = keyof typeof sealedTables;
