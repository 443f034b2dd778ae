import { type Kysely, sql } from 'kysely';

/** Offers to give away secrets. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw('DROP TABLE public.handovers;').execute(db);
};

const upStatements = `
CREATE TABLE public.handovers (
  id uuid PRIMARY KEY,
  kind varchar(10) NOT NULL,
  secret_id uuid REFERENCES public.secrets ON DELETE CASCADE,
  from_user uuid NOT NULL,
  to_user uuid NOT NULL,
  requested_by uuid NOT NULL,
  keep_sharing boolean NOT NULL,
  state varchar(10) NOT NULL,
  ready_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  decided_at timestamptz,
  seal bytea NOT NULL,
  CONSTRAINT ck_handovers_kind CHECK ((kind = 'secret' AND secret_id IS NOT NULL) OR (kind = 'user' AND secret_id IS NULL)),
  CONSTRAINT ck_handovers_state CHECK (state IN ('pending', 'accepted', 'cancelled'))
);
CREATE UNIQUE INDEX ux_handovers_secret ON public.handovers (secret_id) WHERE state = 'pending';
CREATE UNIQUE INDEX ux_handovers_user ON public.handovers (from_user) WHERE state = 'pending' AND kind = 'user';
CREATE INDEX ix_handovers_secret_id ON public.handovers (secret_id);
CREATE INDEX ix_handovers_from_user ON public.handovers (from_user, id);
CREATE INDEX ix_handovers_to_user ON public.handovers (to_user, id);
CREATE INDEX ix_handovers_requested_by ON public.handovers (requested_by, id);
`;
