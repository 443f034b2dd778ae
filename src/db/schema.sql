-- Made from the catalogues of a migrated database by "npm run derive".
CREATE TABLE audit_log (
  id uuid NOT NULL,
  recorded_at timestamp with time zone NOT NULL,
  request_id character varying(64) NOT NULL,
  actor_id uuid,
  agent character varying(128),
  session_id uuid,
  token_id uuid,
  action character varying(40) NOT NULL,
  target_type character varying(20),
  target_id uuid,
  outcome character varying(10) NOT NULL,
  reason character varying(40),
  ip character varying(64),
  user_agent character varying(256),
  details jsonb NOT NULL DEFAULT '{}'::jsonb,
  nonce bytea NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE closed_identities (
  entry bigint NOT NULL,
  mac bytea NOT NULL,
  kind character varying(10) NOT NULL,
  user_id uuid NOT NULL,
  state character varying(10) NOT NULL,
  created_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE closed_identity_count (
  id integer NOT NULL,
  entries bigint NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE event_log (
  id integer NOT NULL,
  last_position bigint NOT NULL,
  trimmed_position bigint NOT NULL
);
CREATE TABLE events (
  id uuid NOT NULL,
  event_id uuid NOT NULL,
  user_id uuid,
  lead boolean NOT NULL,
  "position" bigint,
  type character varying(64) NOT NULL,
  actor_id uuid,
  agent character varying(128),
  secret_id uuid,
  session_id uuid,
  revision bigint,
  details jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE handovers (
  id uuid NOT NULL,
  kind character varying(10) NOT NULL,
  secret_id uuid,
  from_user uuid NOT NULL,
  to_user uuid NOT NULL,
  requested_by uuid NOT NULL,
  keep_sharing boolean NOT NULL,
  state character varying(10) NOT NULL,
  ready_at timestamp with time zone NOT NULL,
  created_at timestamp with time zone NOT NULL,
  decided_at timestamp with time zone,
  seal bytea NOT NULL
);
CREATE TABLE heartbeats (
  service_id uuid NOT NULL,
  host character varying(255) NOT NULL,
  pid integer NOT NULL,
  root_key_ids jsonb NOT NULL,
  known_generation integer NOT NULL,
  sealing_generation integer NOT NULL,
  started_at timestamp with time zone NOT NULL,
  seen_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE holds (
  id uuid NOT NULL,
  noticed_at timestamp with time zone NOT NULL,
  seconds integer NOT NULL,
  released_at timestamp with time zone,
  seal bytea NOT NULL
);
CREATE TABLE idempotency_keys (
  user_id uuid NOT NULL,
  route character varying(256) NOT NULL,
  key character varying(255) NOT NULL,
  body_mac bytea NOT NULL,
  resource_ids jsonb NOT NULL,
  created_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE jobs (
  id uuid NOT NULL,
  kind character varying(40) NOT NULL,
  params jsonb NOT NULL,
  state character varying(10) NOT NULL,
  cancellable boolean NOT NULL,
  cursor jsonb,
  total integer,
  done integer NOT NULL,
  failed integer NOT NULL,
  counts jsonb NOT NULL,
  attempts integer NOT NULL,
  reason character varying(40),
  requested_by uuid,
  created_at timestamp with time zone NOT NULL,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  revision bigint NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE kysely_migration (
  name character varying(255) NOT NULL,
  "timestamp" character varying(255) NOT NULL
);
CREATE TABLE kysely_migration_lock (
  id character varying(255) NOT NULL,
  is_locked integer NOT NULL DEFAULT 0
);
CREATE TABLE login_failures (
  subject bytea NOT NULL,
  failures integer NOT NULL,
  window_started_at timestamp with time zone NOT NULL
);
CREATE TABLE logins (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  refresh_generation integer NOT NULL DEFAULT 0,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  ended_at timestamp with time zone,
  ip character varying(64),
  user_agent character varying(256),
  last_used_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL,
  root_key_id character varying(16)
);
CREATE TABLE memory_entities (
  id uuid NOT NULL,
  scope_id uuid,
  type character varying(128) NOT NULL,
  name character varying(400),
  attributes jsonb NOT NULL,
  tags jsonb NOT NULL,
  is_activity boolean NOT NULL,
  secret_id uuid,
  author_id uuid,
  agent character varying(128),
  version integer NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  search text NOT NULL,
  keys integer[] NOT NULL
);
CREATE TABLE memory_merges (
  merged_id uuid NOT NULL,
  entity_id uuid NOT NULL
);
CREATE TABLE memory_metadata (
  entity_id uuid NOT NULL,
  scope_id uuid NOT NULL,
  metadata jsonb NOT NULL,
  author_id uuid,
  agent character varying(128),
  updated_at timestamp with time zone NOT NULL
);
CREATE TABLE memory_names (
  scope_id uuid NOT NULL,
  name character varying(400) NOT NULL,
  entity_id uuid NOT NULL,
  is_alias boolean NOT NULL
);
CREATE TABLE memory_observations (
  id uuid NOT NULL,
  entity_id uuid NOT NULL,
  scope_id uuid NOT NULL,
  content text NOT NULL,
  digest bytea NOT NULL,
  source character varying(1024),
  confidence double precision,
  author_id uuid,
  agent character varying(128),
  valid_at timestamp with time zone,
  invalid_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL,
  search text NOT NULL,
  keys integer[] NOT NULL
);
CREATE TABLE memory_relations (
  id uuid NOT NULL,
  scope_id uuid NOT NULL,
  from_id uuid NOT NULL,
  to_id uuid NOT NULL,
  type character varying(128) NOT NULL,
  attributes jsonb NOT NULL,
  source character varying(1024),
  confidence double precision,
  author_id uuid,
  agent character varying(128),
  valid_at timestamp with time zone,
  invalid_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL
);
CREATE TABLE memory_scopes (
  id uuid NOT NULL,
  user_id uuid,
  session_id uuid
);
CREATE TABLE memory_uses (
  use_id uuid NOT NULL,
  activity_id uuid NOT NULL
);
CREATE TABLE notice_marks (
  user_id uuid NOT NULL,
  "position" bigint NOT NULL
);
CREATE TABLE owner_keys (
  id uuid NOT NULL,
  owner_id uuid NOT NULL,
  wrapped_key text NOT NULL,
  root_key_id character varying(16) NOT NULL,
  state character varying(10) NOT NULL DEFAULT 'active'::character varying,
  created_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE reminders (
  secret_id uuid NOT NULL,
  kind character varying(10) NOT NULL,
  due_at timestamp with time zone NOT NULL,
  step integer NOT NULL
);
CREATE TABLE restores (
  id uuid NOT NULL,
  backup_id uuid NOT NULL,
  backup_created_at timestamp with time zone NOT NULL,
  restored_at timestamp with time zone NOT NULL,
  released_at timestamp with time zone,
  seal bytea NOT NULL
);
CREATE TABLE root_keys (
  id character varying(16) NOT NULL,
  state character varying(10) NOT NULL,
  added_at timestamp with time zone NOT NULL,
  last_signed_at timestamp with time zone,
  unused_since timestamp with time zone,
  retired_at timestamp with time zone,
  seal bytea NOT NULL
);
CREATE TABLE secret_versions (
  secret_id uuid NOT NULL,
  version integer NOT NULL,
  encrypted_value text,
  key_id uuid NOT NULL,
  created_by uuid NOT NULL,
  created_at timestamp with time zone NOT NULL,
  destroyed_at timestamp with time zone,
  seal bytea NOT NULL
);
CREATE TABLE secrets (
  id uuid NOT NULL,
  owner_id uuid NOT NULL,
  name character varying(256) NOT NULL,
  type character varying(50) NOT NULL,
  scope character varying(20) NOT NULL DEFAULT 'user'::character varying,
  session_id character varying(128),
  shared_with jsonb NOT NULL DEFAULT '[]'::jsonb,
  encrypted_value text NOT NULL,
  description character varying(1024),
  tags jsonb NOT NULL DEFAULT '[]'::jsonb,
  expires_at timestamp with time zone,
  is_active boolean NOT NULL DEFAULT true,
  metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  version integer NOT NULL DEFAULT 1,
  key_id uuid NOT NULL,
  exposure character varying(10) NOT NULL DEFAULT 'reveal'::character varying,
  rotate_after timestamp with time zone,
  deleted_at timestamp with time zone,
  value_set_at timestamp with time zone NOT NULL DEFAULT now(),
  revision bigint NOT NULL DEFAULT 1,
  seal bytea NOT NULL
);
CREATE TABLE service_keys (
  id uuid NOT NULL,
  root_key_id character varying(16) NOT NULL,
  purpose character varying(20) NOT NULL,
  wrapped_key text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  generation integer NOT NULL DEFAULT 1,
  state character varying(10) NOT NULL DEFAULT 'active'::character varying,
  promoted_at timestamp with time zone
);
CREATE TABLE session_participants (
  session_id uuid NOT NULL,
  user_id uuid NOT NULL,
  role character varying(12) NOT NULL DEFAULT 'collaborator'::character varying,
  joined_at timestamp with time zone,
  left_at timestamp with time zone,
  named_since timestamp with time zone,
  seal bytea NOT NULL,
  invited_at timestamp with time zone,
  invited_by uuid,
  removed_at timestamp with time zone
);
CREATE TABLE sessions (
  id uuid NOT NULL,
  external_id character varying(128),
  owner_id uuid NOT NULL,
  title character varying(256),
  status character varying(10) NOT NULL DEFAULT 'active'::character varying,
  expires_at timestamp with time zone,
  ended_at timestamp with time zone,
  metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL,
  issuer text,
  idle_after integer,
  last_active_at timestamp with time zone,
  erase_after timestamp with time zone,
  cleaned_up_at timestamp with time zone
);
CREATE TABLE tokens (
  id uuid NOT NULL,
  user_id uuid NOT NULL,
  name character varying(128) NOT NULL,
  token_hash bytea NOT NULL,
  permissions jsonb NOT NULL,
  agent character varying(128),
  session_id uuid,
  created_at timestamp with time zone NOT NULL,
  expires_at timestamp with time zone NOT NULL,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  seal bytea NOT NULL
);
CREATE TABLE users (
  id uuid NOT NULL,
  username character varying(128) NOT NULL,
  username_key character varying(256) NOT NULL,
  email character varying(254),
  display_name character varying(128),
  password_hash text,
  previous_password_hash text,
  password_reset_at timestamp with time zone,
  issuer text,
  subject character varying(255),
  role character varying(10) NOT NULL DEFAULT 'member'::character varying,
  status character varying(10) NOT NULL DEFAULT 'active'::character varying,
  secrets_from timestamp with time zone,
  metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
  revision bigint NOT NULL DEFAULT 1,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  seal bytea NOT NULL
);
CREATE TABLE webhook_deliveries (
  id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  event_id uuid NOT NULL,
  event_row_id uuid,
  event_type character varying(64) NOT NULL,
  secret_id uuid,
  "position" bigint NOT NULL,
  payload text NOT NULL,
  created_at timestamp with time zone NOT NULL,
  state character varying(10) NOT NULL,
  attempts integer NOT NULL,
  next_attempt_at timestamp with time zone NOT NULL,
  attempted_at timestamp with time zone,
  last_status integer,
  last_error character varying(32),
  delivered_at timestamp with time zone,
  host text NOT NULL,
  seal bytea NOT NULL
);
CREATE TABLE webhooks (
  id uuid NOT NULL,
  owner_id uuid,
  url text NOT NULL,
  event_types jsonb NOT NULL,
  state character varying(10) NOT NULL,
  off_reason character varying(10),
  secret text NOT NULL,
  previous_secret text,
  previous_until timestamp with time zone,
  revision bigint NOT NULL,
  created_at timestamp with time zone NOT NULL,
  updated_at timestamp with time zone NOT NULL,
  seal bytea NOT NULL
);

ALTER TABLE audit_log ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);
ALTER TABLE audit_log ADD CONSTRAINT ck_audit_log_outcome CHECK (((outcome)::text = ANY ((ARRAY['allowed'::character varying, 'refused'::character varying, 'failed'::character varying])::text[])));
ALTER TABLE closed_identities ADD CONSTRAINT closed_identities_pkey PRIMARY KEY (entry);
ALTER TABLE closed_identities ADD CONSTRAINT ck_closed_identities_kind CHECK (((kind)::text = ANY ((ARRAY['id'::character varying, 'subject'::character varying])::text[])));
ALTER TABLE closed_identities ADD CONSTRAINT ck_closed_identities_state CHECK (((state)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying])::text[])));
ALTER TABLE closed_identity_count ADD CONSTRAINT closed_identity_count_pkey PRIMARY KEY (id);
ALTER TABLE closed_identity_count ADD CONSTRAINT ck_closed_identity_count_id CHECK ((id = 1));
ALTER TABLE event_log ADD CONSTRAINT event_log_pkey PRIMARY KEY (id);
ALTER TABLE event_log ADD CONSTRAINT ck_event_log_id CHECK ((id = 1));
ALTER TABLE events ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE handovers ADD CONSTRAINT handovers_pkey PRIMARY KEY (id);
ALTER TABLE handovers ADD CONSTRAINT handovers_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES secrets(id) ON DELETE CASCADE;
ALTER TABLE handovers ADD CONSTRAINT ck_handovers_kind CHECK (((((kind)::text = 'secret'::text) AND (secret_id IS NOT NULL)) OR (((kind)::text = 'user'::text) AND (secret_id IS NULL))));
ALTER TABLE handovers ADD CONSTRAINT ck_handovers_state CHECK (((state)::text = ANY ((ARRAY['pending'::character varying, 'accepted'::character varying, 'cancelled'::character varying])::text[])));
ALTER TABLE heartbeats ADD CONSTRAINT heartbeats_pkey PRIMARY KEY (service_id);
ALTER TABLE holds ADD CONSTRAINT holds_pkey PRIMARY KEY (id);
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, route, key);
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE jobs ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);
ALTER TABLE jobs ADD CONSTRAINT ck_jobs_finished CHECK ((((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying])::text[])) = (finished_at IS NULL)));
ALTER TABLE jobs ADD CONSTRAINT ck_jobs_state CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'done'::character varying, 'cancelled'::character varying, 'failed'::character varying])::text[])));
ALTER TABLE kysely_migration ADD CONSTRAINT kysely_migration_pkey PRIMARY KEY (name);
ALTER TABLE kysely_migration_lock ADD CONSTRAINT kysely_migration_lock_pkey PRIMARY KEY (id);
ALTER TABLE login_failures ADD CONSTRAINT login_failures_pkey PRIMARY KEY (subject);
ALTER TABLE logins ADD CONSTRAINT logins_pkey PRIMARY KEY (id);
ALTER TABLE logins ADD CONSTRAINT logins_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE memory_entities ADD CONSTRAINT memory_entities_pkey PRIMARY KEY (id);
ALTER TABLE memory_entities ADD CONSTRAINT memory_entities_scope_id_fkey FOREIGN KEY (scope_id) REFERENCES memory_scopes(id) ON DELETE CASCADE;
ALTER TABLE memory_entities ADD CONSTRAINT memory_entities_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES secrets(id) ON DELETE CASCADE;
ALTER TABLE memory_merges ADD CONSTRAINT memory_merges_pkey PRIMARY KEY (merged_id);
ALTER TABLE memory_merges ADD CONSTRAINT memory_merges_entity_id_fkey FOREIGN KEY (entity_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE memory_metadata ADD CONSTRAINT memory_metadata_pkey PRIMARY KEY (entity_id, scope_id);
ALTER TABLE memory_metadata ADD CONSTRAINT memory_metadata_entity_id_fkey FOREIGN KEY (entity_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE memory_metadata ADD CONSTRAINT memory_metadata_scope_id_fkey FOREIGN KEY (scope_id) REFERENCES memory_scopes(id) ON DELETE CASCADE;
ALTER TABLE memory_names ADD CONSTRAINT memory_names_pkey PRIMARY KEY (scope_id, name);
ALTER TABLE memory_names ADD CONSTRAINT memory_names_entity_id_fkey FOREIGN KEY (entity_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE memory_names ADD CONSTRAINT memory_names_scope_id_fkey FOREIGN KEY (scope_id) REFERENCES memory_scopes(id) ON DELETE CASCADE;
ALTER TABLE memory_observations ADD CONSTRAINT memory_observations_pkey PRIMARY KEY (id);
ALTER TABLE memory_observations ADD CONSTRAINT memory_observations_entity_id_fkey FOREIGN KEY (entity_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE memory_observations ADD CONSTRAINT memory_observations_scope_id_fkey FOREIGN KEY (scope_id) REFERENCES memory_scopes(id) ON DELETE CASCADE;
ALTER TABLE memory_relations ADD CONSTRAINT memory_relations_pkey PRIMARY KEY (id);
ALTER TABLE memory_relations ADD CONSTRAINT memory_relations_from_id_fkey FOREIGN KEY (from_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE memory_relations ADD CONSTRAINT memory_relations_scope_id_fkey FOREIGN KEY (scope_id) REFERENCES memory_scopes(id) ON DELETE CASCADE;
ALTER TABLE memory_relations ADD CONSTRAINT memory_relations_to_id_fkey FOREIGN KEY (to_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE memory_scopes ADD CONSTRAINT memory_scopes_session_id_key UNIQUE (session_id);
ALTER TABLE memory_scopes ADD CONSTRAINT memory_scopes_user_id_key UNIQUE (user_id);
ALTER TABLE memory_scopes ADD CONSTRAINT memory_scopes_pkey PRIMARY KEY (id);
ALTER TABLE memory_scopes ADD CONSTRAINT ck_memory_scopes_kind CHECK (((user_id IS NULL) <> (session_id IS NULL)));
ALTER TABLE memory_uses ADD CONSTRAINT memory_uses_pkey PRIMARY KEY (use_id);
ALTER TABLE memory_uses ADD CONSTRAINT memory_uses_activity_id_fkey FOREIGN KEY (activity_id) REFERENCES memory_entities(id) ON DELETE CASCADE;
ALTER TABLE notice_marks ADD CONSTRAINT notice_marks_pkey PRIMARY KEY (user_id);
ALTER TABLE owner_keys ADD CONSTRAINT owner_keys_pkey PRIMARY KEY (id);
ALTER TABLE owner_keys ADD CONSTRAINT owner_keys_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users(id);
ALTER TABLE owner_keys ADD CONSTRAINT ck_owner_keys_state CHECK (((state)::text = ANY ((ARRAY['active'::character varying, 'retiring'::character varying, 'destroyed'::character varying])::text[])));
ALTER TABLE reminders ADD CONSTRAINT reminders_pkey PRIMARY KEY (secret_id, kind);
ALTER TABLE reminders ADD CONSTRAINT reminders_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES secrets(id) ON DELETE CASCADE;
ALTER TABLE reminders ADD CONSTRAINT ck_reminders_kind CHECK (((kind)::text = ANY ((ARRAY['expires'::character varying, 'rotate'::character varying])::text[])));
ALTER TABLE restores ADD CONSTRAINT restores_pkey PRIMARY KEY (id);
ALTER TABLE root_keys ADD CONSTRAINT root_keys_pkey PRIMARY KEY (id);
ALTER TABLE root_keys ADD CONSTRAINT ck_root_keys_retired CHECK ((((state)::text = 'retired'::text) = (retired_at IS NOT NULL)));
ALTER TABLE root_keys ADD CONSTRAINT ck_root_keys_state CHECK (((state)::text = ANY ((ARRAY['current'::character varying, 'retired'::character varying])::text[])));
ALTER TABLE secret_versions ADD CONSTRAINT secret_versions_pkey PRIMARY KEY (secret_id, version);
ALTER TABLE secret_versions ADD CONSTRAINT secret_versions_key_id_fkey FOREIGN KEY (key_id) REFERENCES owner_keys(id);
ALTER TABLE secret_versions ADD CONSTRAINT secret_versions_secret_id_fkey FOREIGN KEY (secret_id) REFERENCES secrets(id) ON DELETE CASCADE;
ALTER TABLE secret_versions ADD CONSTRAINT ck_secret_versions_destroyed CHECK (((encrypted_value IS NULL) = (destroyed_at IS NOT NULL)));
ALTER TABLE secrets ADD CONSTRAINT secrets_pkey PRIMARY KEY (id);
ALTER TABLE secrets ADD CONSTRAINT secrets_key_id_fkey FOREIGN KEY (key_id) REFERENCES owner_keys(id);
ALTER TABLE secrets ADD CONSTRAINT secrets_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users(id);
ALTER TABLE secrets ADD CONSTRAINT ck_secrets_exposure CHECK (((exposure)::text = ANY ((ARRAY['reveal'::character varying, 'use'::character varying])::text[])));
ALTER TABLE secrets ADD CONSTRAINT ck_secrets_scope CHECK (((scope)::text = ANY ((ARRAY['user'::character varying, 'session'::character varying, 'shared'::character varying])::text[])));
ALTER TABLE secrets ADD CONSTRAINT ck_secrets_session CHECK ((((scope)::text = 'session'::text) = (session_id IS NOT NULL)));
ALTER TABLE secrets ADD CONSTRAINT ck_secrets_shared_with CHECK (
CASE
    WHEN (shared_with = '[]'::jsonb) THEN true
    WHEN (jsonb_typeof(shared_with) = 'array'::text) THEN ((jsonb_array_length(shared_with) <= 1000) AND keyhold_distinct_ids(shared_with) AND (((scope)::text = 'shared'::text) OR (jsonb_array_length(shared_with) = 0)))
    ELSE false
END);
ALTER TABLE secrets ADD CONSTRAINT ck_secrets_tags CHECK ((jsonb_typeof(tags) = 'array'::text));
ALTER TABLE service_keys ADD CONSTRAINT service_keys_pkey PRIMARY KEY (id, root_key_id);
ALTER TABLE service_keys ADD CONSTRAINT ck_service_keys_state CHECK (((state)::text = ANY ((ARRAY['announced'::character varying, 'active'::character varying, 'retired'::character varying])::text[])));
ALTER TABLE session_participants ADD CONSTRAINT session_participants_pkey PRIMARY KEY (session_id, user_id);
ALTER TABLE session_participants ADD CONSTRAINT session_participants_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE;
ALTER TABLE session_participants ADD CONSTRAINT session_participants_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id);
ALTER TABLE session_participants ADD CONSTRAINT ck_session_participants_role CHECK (((role)::text = ANY ((ARRAY['owner'::character varying, 'collaborator'::character varying])::text[])));
ALTER TABLE sessions ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
ALTER TABLE sessions ADD CONSTRAINT sessions_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users(id);
ALTER TABLE sessions ADD CONSTRAINT ck_sessions_ended CHECK ((((status)::text = 'ended'::text) = (ended_at IS NOT NULL)));
ALTER TABLE sessions ADD CONSTRAINT ck_sessions_idle_after CHECK ((idle_after > 0));
ALTER TABLE sessions ADD CONSTRAINT ck_sessions_status CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'ended'::character varying])::text[])));
ALTER TABLE tokens ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);
ALTER TABLE tokens ADD CONSTRAINT tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id);
ALTER TABLE tokens ADD CONSTRAINT tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
ALTER TABLE users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE users ADD CONSTRAINT ck_users_issuer CHECK (((issuer IS NULL) = (subject IS NULL)));
ALTER TABLE users ADD CONSTRAINT ck_users_role CHECK (((role)::text = ANY ((ARRAY['member'::character varying, 'auditor'::character varying, 'admin'::character varying])::text[])));
ALTER TABLE users ADD CONSTRAINT ck_users_status CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'disabled'::character varying, 'erased'::character varying])::text[])));
ALTER TABLE webhook_deliveries ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);
ALTER TABLE webhook_deliveries ADD CONSTRAINT webhook_deliveries_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES webhooks(id) ON DELETE CASCADE;
ALTER TABLE webhook_deliveries ADD CONSTRAINT ck_webhook_deliveries_state CHECK (((state)::text = ANY ((ARRAY['pending'::character varying, 'delivered'::character varying, 'dead'::character varying, 'cancelled'::character varying])::text[])));
ALTER TABLE webhooks ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);
ALTER TABLE webhooks ADD CONSTRAINT webhooks_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users(id);
ALTER TABLE webhooks ADD CONSTRAINT ck_webhooks_off CHECK ((((state)::text = 'off'::text) = (off_reason IS NOT NULL)));
ALTER TABLE webhooks ADD CONSTRAINT ck_webhooks_previous CHECK (((previous_secret IS NULL) = (previous_until IS NULL)));
ALTER TABLE webhooks ADD CONSTRAINT ck_webhooks_state CHECK (((state)::text = ANY ((ARRAY['active'::character varying, 'off'::character varying])::text[])));

CREATE INDEX ix_audit_log_actor_id ON public.audit_log USING btree (actor_id, id);
CREATE INDEX ix_audit_log_target_id ON public.audit_log USING btree (target_id, id);
CREATE INDEX ix_closed_identities_mac ON public.closed_identities USING btree (mac);
CREATE INDEX ix_closed_identities_user_id ON public.closed_identities USING btree (user_id);
CREATE INDEX ix_events_position ON public.events USING btree ("position");
CREATE INDEX ix_events_user_position ON public.events USING btree (user_id, "position");
CREATE INDEX ix_events_without_position ON public.events USING btree (id) WHERE ("position" IS NULL);
CREATE INDEX ix_handovers_from_user ON public.handovers USING btree (from_user, id);
CREATE INDEX ix_handovers_requested_by ON public.handovers USING btree (requested_by, id);
CREATE INDEX ix_handovers_secret_id ON public.handovers USING btree (secret_id);
CREATE INDEX ix_handovers_to_user ON public.handovers USING btree (to_user, id);
CREATE UNIQUE INDEX ux_handovers_secret ON public.handovers USING btree (secret_id) WHERE ((state)::text = 'pending'::text);
CREATE UNIQUE INDEX ux_handovers_user ON public.handovers USING btree (from_user) WHERE (((state)::text = 'pending'::text) AND ((kind)::text = 'user'::text));
CREATE INDEX ix_idempotency_keys_created_at ON public.idempotency_keys USING btree (created_at);
CREATE INDEX ix_jobs_requested_by ON public.jobs USING btree (requested_by);
CREATE INDEX ix_jobs_unfinished ON public.jobs USING btree (id) WHERE ((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying])::text[]));
CREATE INDEX ix_login_failures_window ON public.login_failures USING btree (window_started_at);
CREATE INDEX ix_logins_root_key_id ON public.logins USING btree (root_key_id);
CREATE INDEX ix_logins_user_id ON public.logins USING btree (user_id);
CREATE INDEX ix_memory_entities_activity ON public.memory_entities USING btree (scope_id, id) WHERE is_activity;
CREATE INDEX ix_memory_entities_author_id ON public.memory_entities USING btree (author_id, id) WHERE (author_id IS NOT NULL);
CREATE INDEX ix_memory_entities_keys ON public.memory_entities USING gin (keys) WITH (fastupdate=off);
CREATE INDEX ix_memory_entities_scope_id ON public.memory_entities USING btree (scope_id, id);
CREATE INDEX ix_memory_entities_secret_id ON public.memory_entities USING btree (secret_id) WHERE (secret_id IS NOT NULL);
CREATE INDEX ix_memory_merges_entity_id ON public.memory_merges USING btree (entity_id);
CREATE INDEX ix_memory_metadata_scope_id ON public.memory_metadata USING btree (scope_id);
CREATE INDEX ix_memory_names_entity_id ON public.memory_names USING btree (entity_id);
CREATE INDEX ix_memory_observations_author_id ON public.memory_observations USING btree (author_id, id) WHERE (author_id IS NOT NULL);
CREATE INDEX ix_memory_observations_digest ON public.memory_observations USING btree (entity_id, digest);
CREATE INDEX ix_memory_observations_entity_id ON public.memory_observations USING btree (entity_id, id);
CREATE INDEX ix_memory_observations_keys ON public.memory_observations USING gin (keys) WITH (fastupdate=off);
CREATE INDEX ix_memory_observations_scope_id ON public.memory_observations USING btree (scope_id, id);
CREATE INDEX ix_memory_relations_author_id ON public.memory_relations USING btree (author_id, id) WHERE (author_id IS NOT NULL);
CREATE INDEX ix_memory_relations_from_id ON public.memory_relations USING btree (from_id, id) INCLUDE (scope_id, to_id, type, valid_at, invalid_at);
CREATE INDEX ix_memory_relations_scope_id ON public.memory_relations USING btree (scope_id, id);
CREATE INDEX ix_memory_relations_to_id ON public.memory_relations USING btree (to_id, id) INCLUDE (scope_id, from_id, type, valid_at, invalid_at);
CREATE INDEX ix_memory_uses_activity_id ON public.memory_uses USING btree (activity_id);
CREATE INDEX ix_owner_keys_owner_id ON public.owner_keys USING btree (owner_id);
CREATE INDEX ix_owner_keys_retiring ON public.owner_keys USING btree (id) WHERE ((state)::text = 'retiring'::text);
CREATE INDEX ix_owner_keys_root_key_id ON public.owner_keys USING btree (root_key_id);
CREATE UNIQUE INDEX ux_owner_keys_active ON public.owner_keys USING btree (owner_id) WHERE ((state)::text = 'active'::text);
CREATE INDEX ix_secret_versions_key_id ON public.secret_versions USING btree (key_id);
CREATE INDEX ix_secrets_deleted_at ON public.secrets USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX ix_secrets_expires_at ON public.secrets USING btree (expires_at) WHERE ((expires_at IS NOT NULL) AND (deleted_at IS NULL));
CREATE INDEX ix_secrets_key_id ON public.secrets USING btree (key_id);
CREATE INDEX ix_secrets_name ON public.secrets USING btree (name);
CREATE INDEX ix_secrets_owner_id ON public.secrets USING btree (owner_id, id DESC);
CREATE INDEX ix_secrets_owner_scope ON public.secrets USING btree (owner_id, scope);
CREATE INDEX ix_secrets_rotate_after ON public.secrets USING btree (rotate_after) WHERE ((rotate_after IS NOT NULL) AND (deleted_at IS NULL));
CREATE INDEX ix_secrets_scope ON public.secrets USING btree (scope);
CREATE INDEX ix_secrets_session_id ON public.secrets USING btree (session_id, id DESC);
CREATE INDEX ix_secrets_shared_with ON public.secrets USING gin (shared_with jsonb_path_ops);
CREATE INDEX ix_secrets_type ON public.secrets USING btree (type);
CREATE UNIQUE INDEX ux_secrets_owner_name ON public.secrets USING btree (owner_id, name) WHERE (((scope)::text <> 'session'::text) AND (deleted_at IS NULL));
CREATE UNIQUE INDEX ux_secrets_session_owner_name ON public.secrets USING btree (session_id, owner_id, name) WHERE (((scope)::text = 'session'::text) AND (deleted_at IS NULL));
CREATE INDEX ix_session_participants_user_id ON public.session_participants USING btree (user_id, session_id);
CREATE INDEX ix_sessions_external_id ON public.sessions USING btree (external_id) WHERE (external_id IS NOT NULL);
CREATE INDEX ix_sessions_lapsing ON public.sessions USING btree (id) WHERE (((status)::text = 'active'::text) AND ((expires_at IS NOT NULL) OR (idle_after IS NOT NULL)));
CREATE INDEX ix_sessions_not_cleaned_up ON public.sessions USING btree (id) WHERE (((status)::text = 'ended'::text) AND (cleaned_up_at IS NULL));
CREATE INDEX ix_sessions_owner_id ON public.sessions USING btree (owner_id, id);
CREATE UNIQUE INDEX ux_sessions_issuer_external_id ON public.sessions USING btree (issuer, external_id) WHERE (issuer IS NOT NULL);
CREATE UNIQUE INDEX ux_sessions_owner_external_id ON public.sessions USING btree (owner_id, external_id) WHERE ((external_id IS NOT NULL) AND (issuer IS NULL));
CREATE INDEX ix_tokens_session_id ON public.tokens USING btree (session_id);
CREATE INDEX ix_tokens_user_id ON public.tokens USING btree (user_id);
CREATE INDEX ix_users_username_key_prefix ON public.users USING btree (username_key text_pattern_ops);
CREATE UNIQUE INDEX ux_users_issuer_subject ON public.users USING btree (issuer, subject) WHERE (issuer IS NOT NULL);
CREATE UNIQUE INDEX ux_users_username_key ON public.users USING btree (username_key);
CREATE INDEX ix_webhook_deliveries_due ON public.webhook_deliveries USING btree (host, next_attempt_at) WHERE ((state)::text = 'pending'::text);
CREATE INDEX ix_webhook_deliveries_first ON public.webhook_deliveries USING btree (webhook_id, secret_id, "position") WHERE (((state)::text = 'pending'::text) AND (attempted_at IS NULL));
CREATE INDEX ix_webhook_deliveries_settled ON public.webhook_deliveries USING btree (created_at) WHERE ((state)::text <> 'pending'::text);
CREATE INDEX ix_webhook_deliveries_webhook_id ON public.webhook_deliveries USING btree (webhook_id, id);
CREATE INDEX ix_webhooks_owner_id ON public.webhooks USING btree (owner_id, id);

CREATE OR REPLACE FUNCTION public.keyhold_append_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $function$
;
CREATE OR REPLACE FUNCTION public.keyhold_distinct_ids(ids jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT count(*) = count(DISTINCT item) AND coalesce(bool_and(jsonb_typeof(item) = 'string'
    AND item #>> '{}' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'), true)
  FROM jsonb_array_elements(ids) AS item
$function$
;

CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE ON public.audit_log FOR EACH ROW EXECUTE FUNCTION keyhold_append_only();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_append_only;
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION keyhold_append_only();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_no_truncate;

GRANT INSERT, SELECT ON audit_log TO keyhold_service;
GRANT INSERT, SELECT ON closed_identities TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON closed_identity_count TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON event_log TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON events TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON handovers TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON heartbeats TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON holds TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON jobs TO keyhold_service;
GRANT SELECT ON kysely_migration TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON login_failures TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON logins TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_entities TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_merges TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_metadata TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_names TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_observations TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_relations TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_scopes TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON memory_uses TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON notice_marks TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON owner_keys TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON reminders TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON restores TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON root_keys TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON secret_versions TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON secrets TO keyhold_service;
GRANT DELETE, INSERT, SELECT ON service_keys TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON session_participants TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON sessions TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON tokens TO keyhold_service;
GRANT INSERT, SELECT, UPDATE ON users TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON webhook_deliveries TO keyhold_service;
GRANT DELETE, INSERT, SELECT, UPDATE ON webhooks TO keyhold_service;
