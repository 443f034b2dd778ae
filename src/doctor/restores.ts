import { sql } from 'kysely';
import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { type Check, type Finding, fine, found } from './finding.ts';
import type { IsIntact } from './seals.ts';

const remedy =
  'Review it, then run "keyhold restore --release". Until then, nothing is deleted because of its age, whoever it belongs to.';

/** Whether what time makes due is held back, since a restore or a jump of the clock, and how much of it is due. */
export const checkRestores = async (db: Db, isIntact: IsIntact): Promise<Check> => {
  const { rows } = await sql<RawRow>`select * from public.restores order by id`.execute(db);
  const jumps = await sql<RawRow>`select * from public.holds order by id`.execute(db);
  const held = rows.filter((row) => !isIntact('restores', row) || row['released_at'] === null);
  const ahead = jumps.rows.filter((row) => !isIntact('holds', row) || row['released_at'] === null);
  if (held.length + ahead.length === 0) return fine('restores', `${rows.length} restores`);
  const due = await whatIsDue(db);
  return found('restores', `${rows.length} restores, ${held.length} not released`, [
    ...held.map((row) => findingOf(row, due)),
    ...ahead.map((row) => jumpFinding(row, due)),
  ]);
};

const findingOf = (row: RawRow, due: string): Finding => {
  const [restored, made] = [timeOf(row['restored_at']), timeOf(row['backup_created_at'])];
  const what = `The database was restored at ${restored} from a backup of ${made}. ${due}`;
  return { what, remedy };
};

const jumpFinding = (row: RawRow, due: string): Finding => {
  const what = `At ${timeOf(row['noticed_at'])} the clock was found to have gone ${Number(row['seconds'])} seconds ahead. ${due}`;
  return {
    what,
    remedy:
      'Set the clock right, then run "keyhold restore --release". Until then, nothing happens because of its time.',
  };
};

/** A row that was changed can hold anything. */
const timeOf = (value: unknown): string =>
  value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : 'an unknown time';

interface Due {
  readonly deleted: number;
  readonly expired: number;
  readonly sessions: number;
  /** Sessions in which secrets are erased. */
  readonly ended: number;
  readonly deliveries: number;
  readonly events: number;
}

const whatIsDue = async (db: Db): Promise<string> => {
  const { rows } = await sql<Due>`select
    (select count(*) from public.secrets where deleted_at is not null) as deleted,
    (select count(*) from public.secrets where deleted_at is null and expires_at <= clock_timestamp()) as expired,
    (select count(*) from public.sessions where status = 'active' and (expires_at <= clock_timestamp()
      or last_active_at + idle_after * interval '1 second' <= clock_timestamp())) as sessions,
    (select count(*) from public.sessions where status = 'ended' and cleaned_up_at is null) as ended,
    (select count(*) from public.webhook_deliveries where state <> 'pending'
      and created_at <= clock_timestamp() - interval '30 days') as deliveries,
    (select count(*) from public.events where created_at <= clock_timestamp() - interval '30 days') as events
    `.execute(db);
  const { deleted = 0, expired = 0, sessions = 0, ended = 0, deliveries = 0, events = 0 } = rows[0] ?? {};
  return `Deleted secrets: ${deleted}. Expired secrets: ${expired}. Sessions whose time is over: ${sessions}. Ended sessions whose secrets are to be erased: ${ended}. Old deliveries of webhooks: ${deliveries}. Old events: ${events}.`;
};
