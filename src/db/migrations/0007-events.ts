import { type Kysely, sql } from 'kysely';

/** What people and their programs are told: events, and how far each user has read them. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw('DROP TABLE public.notice_marks; DROP TABLE public.event_log; DROP TABLE public.events;').execute(db);
};

const upStatements = `
CREATE TABLE public.events (
  id uuid PRIMARY KEY,
  event_id uuid NOT NULL,
  user_id uuid,
  lead boolean NOT NULL,
  position bigint,
  type varchar(64) NOT NULL,
  actor_id uuid,
  agent varchar(128),
  secret_id uuid,
  session_id uuid,
  revision bigint,
  details jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  seal bytea NOT NULL
);
CREATE INDEX ix_events_without_position ON public.events (id) WHERE position IS NULL;
CREATE INDEX ix_events_position ON public.events (position);
CREATE INDEX ix_events_user_position ON public.events (user_id, position);

CREATE TABLE public.event_log (
  id int PRIMARY KEY,
  last_position bigint NOT NULL,
  trimmed_position bigint NOT NULL,
  CONSTRAINT ck_event_log_id CHECK (id = 1)
);

CREATE TABLE public.notice_marks (
  user_id uuid PRIMARY KEY,
  position bigint NOT NULL
);
`;
