import { type Kysely, sql } from 'kysely';

/** The memory graph: what is remembered, in the scope of one user or of one session. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

/*
 * The indexes on the two ends of a relation are not partial, since a partial index cannot serve the cascade of a deleted
 * entity. They include every column that a step from node to node reads, so that it need not visit the table.
 */
const upStatements = `
CREATE TABLE public.memory_scopes (
  id uuid PRIMARY KEY,
  user_id uuid UNIQUE,
  session_id uuid UNIQUE,
  CONSTRAINT ck_memory_scopes_kind CHECK ((user_id IS NULL) <> (session_id IS NULL))
);

CREATE TABLE public.memory_entities (
  id uuid PRIMARY KEY,
  scope_id uuid REFERENCES public.memory_scopes ON DELETE CASCADE,
  type varchar(128) NOT NULL,
  name varchar(400),
  attributes jsonb NOT NULL,
  tags jsonb NOT NULL,
  is_activity boolean NOT NULL,
  secret_id uuid REFERENCES public.secrets ON DELETE CASCADE,
  author_id uuid,
  agent varchar(128),
  version int NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  search text NOT NULL,
  keys int[] NOT NULL
);
CREATE INDEX ix_memory_entities_scope_id ON public.memory_entities (scope_id, id);
CREATE INDEX ix_memory_entities_author_id ON public.memory_entities (author_id, id) WHERE author_id IS NOT NULL;
CREATE INDEX ix_memory_entities_secret_id ON public.memory_entities (secret_id) WHERE secret_id IS NOT NULL;
CREATE INDEX ix_memory_entities_activity ON public.memory_entities (scope_id, id) WHERE is_activity;
CREATE INDEX ix_memory_entities_keys ON public.memory_entities USING gin (keys) WITH (fastupdate = off);

CREATE TABLE public.memory_names (
  scope_id uuid NOT NULL REFERENCES public.memory_scopes ON DELETE CASCADE,
  name varchar(400) NOT NULL,
  entity_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE,
  is_alias boolean NOT NULL,
  PRIMARY KEY (scope_id, name)
);
CREATE INDEX ix_memory_names_entity_id ON public.memory_names (entity_id);

CREATE TABLE public.memory_merges (
  merged_id uuid PRIMARY KEY,
  entity_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE
);
CREATE INDEX ix_memory_merges_entity_id ON public.memory_merges (entity_id);

CREATE TABLE public.memory_metadata (
  entity_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE,
  scope_id uuid NOT NULL REFERENCES public.memory_scopes ON DELETE CASCADE,
  metadata jsonb NOT NULL,
  author_id uuid,
  agent varchar(128),
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (entity_id, scope_id)
);
CREATE INDEX ix_memory_metadata_scope_id ON public.memory_metadata (scope_id);

CREATE TABLE public.memory_observations (
  id uuid PRIMARY KEY,
  entity_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE,
  scope_id uuid NOT NULL REFERENCES public.memory_scopes ON DELETE CASCADE,
  content text NOT NULL,
  digest bytea NOT NULL,
  source varchar(1024),
  confidence double precision,
  author_id uuid,
  agent varchar(128),
  valid_at timestamptz,
  invalid_at timestamptz,
  created_at timestamptz NOT NULL,
  search text NOT NULL,
  keys int[] NOT NULL
);
CREATE INDEX ix_memory_observations_entity_id ON public.memory_observations (entity_id, id);
CREATE INDEX ix_memory_observations_digest ON public.memory_observations (entity_id, digest);
CREATE INDEX ix_memory_observations_scope_id ON public.memory_observations (scope_id, id);
CREATE INDEX ix_memory_observations_author_id ON public.memory_observations (author_id, id) WHERE author_id IS NOT NULL;
CREATE INDEX ix_memory_observations_keys ON public.memory_observations USING gin (keys) WITH (fastupdate = off);

CREATE TABLE public.memory_relations (
  id uuid PRIMARY KEY,
  scope_id uuid NOT NULL REFERENCES public.memory_scopes ON DELETE CASCADE,
  from_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE,
  to_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE,
  type varchar(128) NOT NULL,
  attributes jsonb NOT NULL,
  source varchar(1024),
  confidence double precision,
  author_id uuid,
  agent varchar(128),
  valid_at timestamptz,
  invalid_at timestamptz,
  created_at timestamptz NOT NULL
);
CREATE INDEX ix_memory_relations_from_id ON public.memory_relations (from_id, id)
  INCLUDE (scope_id, to_id, type, valid_at, invalid_at);
CREATE INDEX ix_memory_relations_to_id ON public.memory_relations (to_id, id)
  INCLUDE (scope_id, from_id, type, valid_at, invalid_at);
CREATE INDEX ix_memory_relations_scope_id ON public.memory_relations (scope_id, id);
CREATE INDEX ix_memory_relations_author_id ON public.memory_relations (author_id, id) WHERE author_id IS NOT NULL;

CREATE TABLE public.memory_uses (
  use_id uuid PRIMARY KEY,
  activity_id uuid NOT NULL REFERENCES public.memory_entities ON DELETE CASCADE
);
CREATE INDEX ix_memory_uses_activity_id ON public.memory_uses (activity_id);
`;

const downStatements = `
DROP TABLE public.memory_uses;
DROP TABLE public.memory_relations;
DROP TABLE public.memory_observations;
DROP TABLE public.memory_metadata;
DROP TABLE public.memory_merges;
DROP TABLE public.memory_names;
DROP TABLE public.memory_entities;
DROP TABLE public.memory_scopes;
`;
