import { type Kysely, sql } from 'kysely';

/** Where events are sent, and what is sent there. */
export const up = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw(upStatements).execute(db);
};

export const down = async (db: Kysely<unknown>): Promise<void> => {
  await sql.raw('DROP TABLE public.webhook_deliveries; DROP TABLE public.webhooks;').execute(db);
};

const upStatements = `
CREATE TABLE public.webhooks (
  id uuid PRIMARY KEY,
  owner_id uuid REFERENCES public.users,
  url text NOT NULL,
  event_types jsonb NOT NULL,
  state varchar(10) NOT NULL,
  off_reason varchar(10),
  secret text NOT NULL,
  previous_secret text,
  previous_until timestamptz,
  revision bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_webhooks_state CHECK (state IN ('active', 'off')),
  CONSTRAINT ck_webhooks_off CHECK ((state = 'off') = (off_reason IS NOT NULL)),
  CONSTRAINT ck_webhooks_previous CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);
CREATE INDEX ix_webhooks_owner_id ON public.webhooks (owner_id, id);

CREATE TABLE public.webhook_deliveries (
  id uuid PRIMARY KEY,
  webhook_id uuid NOT NULL REFERENCES public.webhooks ON DELETE CASCADE,
  event_id uuid NOT NULL,
  event_row_id uuid,
  event_type varchar(64) NOT NULL,
  secret_id uuid,
  position bigint NOT NULL,
  payload text NOT NULL,
  created_at timestamptz NOT NULL,
  state varchar(10) NOT NULL,
  attempts int NOT NULL,
  next_attempt_at timestamptz NOT NULL,
  attempted_at timestamptz,
  last_status int,
  last_error varchar(32),
  delivered_at timestamptz,
  host text NOT NULL,
  seal bytea NOT NULL,
  CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('pending', 'delivered', 'dead', 'cancelled'))
);
CREATE INDEX ix_webhook_deliveries_webhook_id ON public.webhook_deliveries (webhook_id, id);
CREATE INDEX ix_webhook_deliveries_due ON public.webhook_deliveries (host, next_attempt_at) WHERE state = 'pending';
CREATE INDEX ix_webhook_deliveries_first ON public.webhook_deliveries (webhook_id, secret_id, position)
  WHERE state = 'pending' AND attempted_at IS NULL;
CREATE INDEX ix_webhook_deliveries_settled ON public.webhook_deliveries (created_at) WHERE state <> 'pending';
`;
