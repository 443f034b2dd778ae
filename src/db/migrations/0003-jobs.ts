import { type Kysely, sql } from 'kysely';
import { KeyholdError } from '../../core/errors.ts';

/**
 * Long work, and the state of an owner key that was destroyed while rows still refer to it. The schema of pg-boss is
 * installed beside the migrations (`db/job-schema.ts`) and goes with the table.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  const { rows } = await sql`select from public.owner_keys where state = 'destroyed' limit 1`.execute(db);
  if (rows.length > 0)
    throw new KeyholdError(
      'state_conflict',
      'The erasure of a user is not finished, and the previous version could not finish it. Start the service, wait until no job is running, and try again.',
    );
  await sql.raw(downStatements).execute(db);
};

const upStatements = `
CREATE TABLE public.jobs (
  id uuid PRIMARY KEY,
  kind varchar(40) NOT NULL,
  params jsonb NOT NULL,
  state varchar(10) NOT NULL,
  cancellable boolean NOT NULL,
  cursor jsonb,
  total int,
  done int NOT NULL,
  failed int NOT NULL,
  counts jsonb NOT NULL,
  attempts int NOT NULL,
  reason varchar(40),
  requested_by uuid,
  created_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz,
  revision bigint NOT NULL,
  updated_at timestamptz NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
  CONSTRAINT ck_jobs_finished CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL))
);
CREATE INDEX ix_jobs_unfinished ON public.jobs (id) WHERE state IN ('queued', 'running');
CREATE INDEX ix_jobs_requested_by ON public.jobs (requested_by);

CREATE INDEX ix_sessions_owner_id ON public.sessions (owner_id, id);

ALTER TABLE public.owner_keys DROP CONSTRAINT ck_owner_keys_state;
ALTER TABLE public.owner_keys ADD CONSTRAINT ck_owner_keys_state CHECK (state IN ('active', 'retiring', 'destroyed'));
`;

const downStatements = `
ALTER TABLE public.owner_keys DROP CONSTRAINT ck_owner_keys_state;
ALTER TABLE public.owner_keys ADD CONSTRAINT ck_owner_keys_state CHECK (state IN ('active', 'retiring'));
DROP INDEX public.ix_sessions_owner_id;
DROP TABLE public.jobs;
DROP SCHEMA IF EXISTS keyhold_jobs CASCADE;
`;
