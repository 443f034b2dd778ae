import { type Kysely, sql } from 'kysely';
import type { SealFormats } from './formats.ts';

/** What rotating keys needs: which root keys there are, which services hold them, and which one a login depends on. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

export const formats: SealFormats = { logins: 2 };

const upStatements = `
CREATE TABLE public.root_keys (
  id varchar(16) PRIMARY KEY,
  state varchar(10) NOT NULL,
  added_at timestamptz NOT NULL,
  last_signed_at timestamptz,
  unused_since timestamptz,
  retired_at timestamptz,
  seal bytea NOT NULL,
  CONSTRAINT ck_root_keys_state CHECK (state IN ('current', 'retired')),
  CONSTRAINT ck_root_keys_retired CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);

CREATE TABLE public.heartbeats (
  service_id uuid PRIMARY KEY,
  host varchar(255) NOT NULL,
  pid int NOT NULL,
  root_key_ids jsonb NOT NULL,
  known_generation int NOT NULL,
  sealing_generation int NOT NULL,
  started_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  seal bytea NOT NULL
);

ALTER TABLE public.service_keys
  ADD generation int NOT NULL DEFAULT 1,
  ADD state varchar(10) NOT NULL DEFAULT 'active',
  ADD promoted_at timestamptz,
  ADD CONSTRAINT ck_service_keys_state CHECK (state IN ('announced', 'active', 'retired'));

ALTER TABLE public.logins ADD root_key_id varchar(16);
CREATE INDEX ix_logins_root_key_id ON public.logins (root_key_id);
CREATE INDEX ix_owner_keys_retiring ON public.owner_keys (id) WHERE state = 'retiring';
`;

const downStatements = `
DO $$ BEGIN
  IF EXISTS (SELECT 1 FROM public.service_keys WHERE generation > 1) THEN
    RAISE EXCEPTION 'the seal key was rotated, and the version before this migration cannot read what the newer one seals';
  END IF;
END $$;
DROP INDEX public.ix_owner_keys_retiring;
DROP INDEX public.ix_logins_root_key_id;
ALTER TABLE public.logins DROP root_key_id;
ALTER TABLE public.service_keys DROP generation, DROP state, DROP promoted_at;
DROP TABLE public.heartbeats;
DROP TABLE public.root_keys;
`;
