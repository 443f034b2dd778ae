import { type Kysely, sql } from 'kysely';

/** Everything that the vault stands on: people, their logins, their sessions, their secrets, and the record. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

const upStatements = `
CREATE TABLE service_keys (
  id uuid NOT NULL,
  root_key_id varchar(16) NOT NULL,
  purpose varchar(20) NOT NULL,
  wrapped_key text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (id, root_key_id)
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  username varchar(128) NOT NULL,
  username_key varchar(256) NOT NULL,
  email varchar(254),
  display_name varchar(128),
  password_hash text,
  previous_password_hash text,
  password_reset_at timestamptz,
  issuer text,
  subject varchar(255),
  role varchar(10) NOT NULL DEFAULT 'member',
  status varchar(10) NOT NULL DEFAULT 'active',
  secrets_from timestamptz,
  metadata jsonb NOT NULL DEFAULT '{}',
  revision bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  seal bytea NOT NULL,
  CONSTRAINT ck_users_role CHECK (role IN ('member', 'auditor', 'admin')),
  CONSTRAINT ck_users_status CHECK (status IN ('active', 'disabled', 'erased')),
  CONSTRAINT ck_users_issuer CHECK ((issuer IS NULL) = (subject IS NULL))
);
CREATE UNIQUE INDEX ux_users_username_key ON users (username_key);
CREATE UNIQUE INDEX ux_users_issuer_subject ON users (issuer, subject) WHERE issuer IS NOT NULL;
CREATE INDEX ix_users_username_key_prefix ON users (username_key text_pattern_ops);

CREATE TABLE logins (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  refresh_generation int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  ended_at timestamptz,
  ip varchar(64),
  user_agent varchar(256),
  last_used_at timestamptz NOT NULL,
  seal bytea NOT NULL
);
CREATE INDEX ix_logins_user_id ON logins (user_id);

CREATE TABLE login_failures (
  subject bytea PRIMARY KEY,
  failures int NOT NULL,
  window_started_at timestamptz NOT NULL
);
CREATE INDEX ix_login_failures_window ON login_failures (window_started_at);

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  external_id varchar(128),
  owner_id uuid NOT NULL REFERENCES users,
  title varchar(256),
  status varchar(10) NOT NULL DEFAULT 'active',
  expires_at timestamptz,
  ended_at timestamptz,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_sessions_status CHECK (status IN ('active', 'ended')),
  CONSTRAINT ck_sessions_ended CHECK ((status = 'ended') = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX ux_sessions_owner_external_id ON sessions (owner_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX ix_sessions_external_id ON sessions (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE session_participants (
  session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users,
  role varchar(12) NOT NULL DEFAULT 'collaborator',
  joined_at timestamptz NOT NULL,
  left_at timestamptz,
  named_since timestamptz,
  seal bytea NOT NULL,
  PRIMARY KEY (session_id, user_id),
  CONSTRAINT ck_session_participants_role CHECK (role IN ('owner', 'collaborator'))
);
CREATE INDEX ix_session_participants_user_id ON session_participants (user_id, session_id);

CREATE TABLE tokens (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  name varchar(128) NOT NULL,
  token_hash bytea NOT NULL,
  permissions jsonb NOT NULL,
  agent varchar(128),
  session_id uuid REFERENCES sessions,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  last_used_at timestamptz,
  seal bytea NOT NULL
);
CREATE INDEX ix_tokens_user_id ON tokens (user_id);
CREATE INDEX ix_tokens_session_id ON tokens (session_id);

CREATE TABLE owner_keys (
  id uuid PRIMARY KEY,
  owner_id uuid NOT NULL REFERENCES users,
  wrapped_key text NOT NULL,
  root_key_id varchar(16) NOT NULL,
  state varchar(10) NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_owner_keys_state CHECK (state IN ('active', 'retiring'))
);
CREATE UNIQUE INDEX ux_owner_keys_active ON owner_keys (owner_id) WHERE state = 'active';
CREATE INDEX ix_owner_keys_owner_id ON owner_keys (owner_id);
CREATE INDEX ix_owner_keys_root_key_id ON owner_keys (root_key_id);

CREATE FUNCTION keyhold_distinct_ids(ids jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT count(*) = count(DISTINCT item) AND coalesce(bool_and(jsonb_typeof(item) = 'string'
    AND item #>> '{}' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'), true)
  FROM jsonb_array_elements(ids) AS item
$$;

CREATE TABLE secrets (
  id uuid PRIMARY KEY,
  owner_id uuid NOT NULL REFERENCES users,
  name varchar(256) NOT NULL,
  type varchar(50) NOT NULL,
  scope varchar(20) NOT NULL DEFAULT 'user',
  session_id varchar(128),
  shared_with jsonb NOT NULL DEFAULT '[]',
  encrypted_value text NOT NULL,
  description varchar(1024),
  tags jsonb NOT NULL DEFAULT '[]',
  expires_at timestamptz,
  is_active boolean NOT NULL DEFAULT true,
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  version int NOT NULL DEFAULT 1,
  key_id uuid NOT NULL REFERENCES owner_keys,
  exposure varchar(10) NOT NULL DEFAULT 'reveal',
  rotate_after timestamptz,
  deleted_at timestamptz,
  value_set_at timestamptz NOT NULL DEFAULT now(),
  revision bigint NOT NULL DEFAULT 1,
  seal bytea NOT NULL,
  CONSTRAINT ck_secrets_scope CHECK (scope IN ('user', 'session', 'shared')),
  CONSTRAINT ck_secrets_session CHECK ((scope = 'session') = (session_id IS NOT NULL)),
  CONSTRAINT ck_secrets_exposure CHECK (exposure IN ('reveal', 'use')),
  CONSTRAINT ck_secrets_shared_with CHECK (
    CASE WHEN jsonb_typeof(shared_with) = 'array'
      THEN jsonb_array_length(shared_with) <= 1000 AND keyhold_distinct_ids(shared_with)
        AND (scope = 'shared' OR jsonb_array_length(shared_with) = 0)
      ELSE false END),
  CONSTRAINT ck_secrets_tags CHECK (jsonb_typeof(tags) = 'array')
);
CREATE INDEX ix_secrets_owner_id ON secrets (owner_id, id DESC);
CREATE INDEX ix_secrets_name ON secrets (name);
CREATE INDEX ix_secrets_type ON secrets (type);
CREATE INDEX ix_secrets_scope ON secrets (scope);
CREATE INDEX ix_secrets_session_id ON secrets (session_id, id DESC);
CREATE INDEX ix_secrets_owner_scope ON secrets (owner_id, scope);
CREATE INDEX ix_secrets_key_id ON secrets (key_id);
CREATE INDEX ix_secrets_shared_with ON secrets USING gin (shared_with jsonb_path_ops);
CREATE UNIQUE INDEX ux_secrets_owner_name ON secrets (owner_id, name) WHERE scope <> 'session' AND deleted_at IS NULL;
CREATE UNIQUE INDEX ux_secrets_session_owner_name ON secrets (session_id, owner_id, name)
  WHERE scope = 'session' AND deleted_at IS NULL;

CREATE TABLE secret_versions (
  secret_id uuid NOT NULL REFERENCES secrets ON DELETE CASCADE,
  version int NOT NULL,
  encrypted_value text,
  key_id uuid NOT NULL REFERENCES owner_keys,
  created_by uuid NOT NULL,
  created_at timestamptz NOT NULL,
  destroyed_at timestamptz,
  seal bytea NOT NULL,
  PRIMARY KEY (secret_id, version),
  CONSTRAINT ck_secret_versions_destroyed CHECK ((encrypted_value IS NULL) = (destroyed_at IS NOT NULL))
);
CREATE INDEX ix_secret_versions_key_id ON secret_versions (key_id);

CREATE TABLE idempotency_keys (
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  route varchar(256) NOT NULL,
  key varchar(255) NOT NULL,
  body_mac bytea NOT NULL,
  resource_ids jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  seal bytea NOT NULL,
  PRIMARY KEY (user_id, route, key)
);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);

CREATE TABLE audit_log (
  id uuid PRIMARY KEY,
  recorded_at timestamptz NOT NULL,
  request_id varchar(64) NOT NULL,
  actor_id uuid,
  agent varchar(128),
  session_id uuid,
  token_id uuid,
  action varchar(40) NOT NULL,
  target_type varchar(20),
  target_id uuid,
  outcome varchar(10) NOT NULL,
  reason varchar(40),
  ip varchar(64),
  user_agent varchar(256),
  details jsonb NOT NULL DEFAULT '{}',
  nonce bytea NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_audit_log_outcome CHECK (outcome IN ('allowed', 'refused', 'failed'))
);
CREATE INDEX ix_audit_log_actor_id ON audit_log (actor_id, id);
CREATE INDEX ix_audit_log_target_id ON audit_log (target_id, id);

CREATE FUNCTION keyhold_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION keyhold_append_only();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION keyhold_append_only();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_truncate;
`;

const downStatements = `
DROP TABLE audit_log;
DROP FUNCTION keyhold_append_only();
DROP TABLE idempotency_keys;
DROP TABLE secret_versions;
DROP TABLE secrets;
DROP FUNCTION keyhold_distinct_ids(jsonb);
DROP TABLE owner_keys;
DROP TABLE tokens;
DROP TABLE session_participants;
DROP TABLE sessions;
DROP TABLE login_failures;
DROP TABLE logins;
DROP TABLE users;
DROP TABLE service_keys;
`;
