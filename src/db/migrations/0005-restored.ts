import { type Kysely, sql } from 'kysely';

/** When the database was restored from a backup, and whether an operator has released what waits since then. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw('DROP TABLE public.restores;').execute(db);
};

const upStatements = `
CREATE TABLE public.restores (
  id uuid PRIMARY KEY,
  backup_id uuid NOT NULL,
  backup_created_at timestamptz NOT NULL,
  restored_at timestamptz NOT NULL,
  released_at timestamptz,
  seal bytea NOT NULL
);
`;
