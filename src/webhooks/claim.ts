import { sql } from 'kysely';
import { type DeliveryId, idsOf } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { WebhookDeliveryRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** How much more this process can attempt now. */
export interface Capacity {
  readonly free: number;
  /** For hosts where it is not `perHost`: how many more at this one. */
  readonly hosts: ReadonlyMap<string, number>;
  readonly perHost: number;
}

export interface Claimed {
  readonly rows: readonly WebhookDeliveryRow[];
  /** Rows that somebody has changed. Nothing is sent of them. */
  readonly broken: readonly DeliveryId[];
}

interface Moment {
  readonly now: Date;
  /** Until when the rows are this process's. Should it end before it has settled them, they are due again then. */
  readonly until: Date;
}

const table = sql.table('public.webhook_deliveries');

/**
 * Takes deliveries that are due, so that no other process attempts them as well. Hosts are visited one by one, so that however
 * much waits for one of them, the others come to their turn. A first attempt waits for those of the same webhook and secret before
 * it; a delivery that has been attempted holds up nothing.
 */
export const createClaim =
  (db: Db, seals: Seals) =>
  async ({ free, hosts, perHost }: Capacity, { now, until }: Moment): Promise<Claimed> => {
    const room = JSON.stringify(Object.fromEntries(hosts));
    const { rows } = await sql<RawRow>`with recursive hosts(host) as (
        (select host from ${table} where state = 'pending' order by host limit 1)
        union all
        select (select next.host from ${table} as next where next.state = 'pending' and next.host > hosts.host
          order by next.host limit 1) from hosts where hosts.host is not null),
      due as materialized (
        select taken.id from hosts cross join lateral (
          select d.id, d.next_attempt_at from ${table} as d
          where d.state = 'pending' and d.host = hosts.host and d.next_attempt_at <= ${now}
            and (d.attempted_at is not null or d.secret_id is null or not exists (
              select 1 from ${table} as e where e.webhook_id = d.webhook_id and e.secret_id = d.secret_id
                and e.state = 'pending' and e.attempted_at is null and e.position < d.position))
          order by d.next_attempt_at, d.position
          limit greatest(coalesce((${room}::jsonb ->> hosts.host)::int, ${sql.lit(perHost)}), 0)
          for update of d skip locked) as taken
        where hosts.host is not null order by taken.next_attempt_at limit ${sql.lit(free)})
      update ${table} as t set next_attempt_at = ${until} from due where t.id = due.id returning t.*`.execute(db);
    const ids = idsOf<DeliveryId>(rows.map((row) => row['id']));
    const intact = ids.length === 0 ? [] : seals.verify('webhook_deliveries', rows, { id: ids });
    const known = new Set(intact.map(({ id }) => id));
    return {
      rows: intact.toSorted((a, b) => a.position - b.position),
      broken: ids.filter((id) => !known.has(id)),
    };
  };
