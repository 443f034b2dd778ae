import { type Kysely, sql } from 'kysely';

/**
 * The register of disabled and erased identities. The lookup key goes with it: a register that is begun again after this was
 * taken back has a key of its own.
 */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

const upStatements = `
CREATE TABLE public.closed_identities (
  entry bigint PRIMARY KEY,
  mac bytea NOT NULL,
  kind varchar(10) NOT NULL,
  user_id uuid NOT NULL,
  state varchar(10) NOT NULL,
  created_at timestamptz NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_closed_identities_kind CHECK (kind IN ('id', 'subject')),
  CONSTRAINT ck_closed_identities_state CHECK (state IN ('closed', 'open'))
);
CREATE INDEX ix_closed_identities_mac ON public.closed_identities (mac);
CREATE INDEX ix_closed_identities_user_id ON public.closed_identities (user_id);

CREATE TABLE public.closed_identity_count (
  id int PRIMARY KEY,
  entries bigint NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_closed_identity_count_id CHECK (id = 1)
);
`;

const downStatements = `
DROP TABLE public.closed_identity_count;
DROP TABLE public.closed_identities;
DELETE FROM public.service_keys WHERE purpose = 'lookup';
`;
