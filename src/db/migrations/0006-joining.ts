import { type Kysely, sql } from 'kysely';
import type { SealFormats } from './formats.ts';

/** Participants are invited and join by themselves; an external id may belong to an external issuer. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

export const formats: SealFormats = { sessions: 2, session_participants: 2 };

const upStatements = `
ALTER TABLE public.session_participants
  ALTER joined_at DROP NOT NULL,
  ADD invited_at timestamptz,
  ADD invited_by uuid,
  ADD removed_at timestamptz;
ALTER TABLE public.sessions ADD issuer text;
DROP INDEX public.ux_sessions_owner_external_id;
CREATE UNIQUE INDEX ux_sessions_owner_external_id ON public.sessions (owner_id, external_id)
  WHERE external_id IS NOT NULL AND issuer IS NULL;
CREATE UNIQUE INDEX ux_sessions_issuer_external_id ON public.sessions (issuer, external_id) WHERE issuer IS NOT NULL;
`;

const downStatements = `
DROP INDEX public.ux_sessions_issuer_external_id;
DROP INDEX public.ux_sessions_owner_external_id;
CREATE UNIQUE INDEX ux_sessions_owner_external_id ON public.sessions (owner_id, external_id) WHERE external_id IS NOT NULL;
ALTER TABLE public.sessions DROP issuer;
ALTER TABLE public.session_participants
  DROP invited_at,
  DROP invited_by,
  DROP removed_at,
  ALTER joined_at SET NOT NULL;
`;
