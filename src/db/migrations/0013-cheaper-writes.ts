import { type Kysely, sql } from 'kysely';

/** What every row of a secret costs when it is written: the list of an unshared one is no longer looked at by a function. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(downStatements).execute(db);
};

const isList = `jsonb_array_length(shared_with) <= 1000 AND public.keyhold_distinct_ids(shared_with)
      AND (scope = 'shared' OR jsonb_array_length(shared_with) = 0)`;

const upStatements = `
ALTER TABLE public.secrets DROP CONSTRAINT ck_secrets_shared_with,
  ADD CONSTRAINT ck_secrets_shared_with CHECK (
    CASE WHEN shared_with = '[]'::jsonb THEN true
      WHEN jsonb_typeof(shared_with) = 'array' THEN ${isList}
      ELSE false END);
`;

const downStatements = `
ALTER TABLE public.secrets DROP CONSTRAINT ck_secrets_shared_with,
  ADD CONSTRAINT ck_secrets_shared_with CHECK (
    CASE WHEN jsonb_typeof(shared_with) = 'array' THEN ${isList}
      ELSE false END);
`;
