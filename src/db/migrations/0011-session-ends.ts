import { type Kysely, sql } from 'kysely';
import type { SealFormats } from './formats.ts';

/** Sessions end by idleness too, and after their end the secrets in them are erased. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

export const formats: SealFormats = { sessions: 3 };

const upStatements = `
ALTER TABLE public.sessions
  ADD idle_after int,
  ADD last_active_at timestamptz,
  ADD erase_after timestamptz,
  ADD cleaned_up_at timestamptz,
  ADD CONSTRAINT ck_sessions_idle_after CHECK (idle_after > 0);
CREATE INDEX ix_sessions_lapsing ON public.sessions (id)
  WHERE status = 'active' AND (expires_at IS NOT NULL OR idle_after IS NOT NULL);
CREATE INDEX ix_sessions_not_cleaned_up ON public.sessions (id) WHERE status = 'ended' AND cleaned_up_at IS NULL;
`;

const downStatements = `
DROP INDEX public.ix_sessions_not_cleaned_up;
DROP INDEX public.ix_sessions_lapsing;
ALTER TABLE public.sessions
  DROP idle_after,
  DROP last_active_at,
  DROP erase_after,
  DROP cleaned_up_at;
`;
