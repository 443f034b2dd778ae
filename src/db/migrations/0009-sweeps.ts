import { type Kysely, sql } from 'kysely';

/** What was done already of what time makes due, and the jumps of the clock after which it waits. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

const upStatements = `
CREATE TABLE public.reminders (
  secret_id uuid NOT NULL REFERENCES public.secrets ON DELETE CASCADE,
  kind varchar(10) NOT NULL,
  due_at timestamptz NOT NULL,
  step int NOT NULL,
  PRIMARY KEY (secret_id, kind),
  CONSTRAINT ck_reminders_kind CHECK (kind IN ('expires', 'rotate'))
);

CREATE TABLE public.holds (
  id uuid PRIMARY KEY,
  noticed_at timestamptz NOT NULL,
  seconds int NOT NULL,
  released_at timestamptz,
  seal bytea NOT NULL
);

CREATE INDEX ix_secrets_expires_at ON public.secrets (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX ix_secrets_rotate_after ON public.secrets (rotate_after) WHERE rotate_after IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX ix_secrets_deleted_at ON public.secrets (deleted_at) WHERE deleted_at IS NOT NULL;
`;

const downStatements = `
DROP INDEX public.ix_secrets_deleted_at;
DROP INDEX public.ix_secrets_rotate_after;
DROP INDEX public.ix_secrets_expires_at;
DROP TABLE public.holds;
DROP TABLE public.reminders;
`;
