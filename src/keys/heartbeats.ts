import { hostname } from 'node:os';
import { sql } from 'kysely';
import type { Tx } from '../db/database.ts';
import type { HeartbeatRow } from '../db/tables/index.ts';
import type { Seals, Unsealed } from './seals.ts';

/** A service counts as live for this long after its last heartbeat. */
export const liveMs = 30_000;

/** Another service, and the root keys that it holds, the primary first. */
export type LiveService = Pick<
  HeartbeatRow,
  'service_id' | 'host' | 'pid' | 'root_key_ids' | 'known_generation' | 'sealing_generation'
>;

/** A service as people find it: "4f0c… (host, process 42)". */
export const serviceName = ({ service_id, host, pid }: LiveService): string =>
  `${service_id.slice(0, 8)} (${host}, process ${pid})`;

/** Runs `work` while no other service starts, reloads its keys or changes their state. */
export const lockKeys = async (tx: Tx): Promise<void> => {
  await sql`select pg_advisory_xact_lock(${lockId})`.execute(tx);
};

const lockId = 7_403_117_205;

/** Whether this heartbeat still counts at `now`. */
const isLive = ({ seen_at }: Pick<HeartbeatRow, 'seen_at'>, now: Date): boolean =>
  now.getTime() - seen_at.getTime() < liveMs;

/** The services whose heartbeat is at most 30 s old, by the database's clock, the oldest first. */
export const liveServices = async (tx: Tx, seals: Seals, now: Date): Promise<readonly HeartbeatRow[]> => {
  const since = new Date(now.getTime() - liveMs);
  const found = await tx.selectFrom('heartbeats').select('service_id').where('seen_at', '>', since).execute();
  const ids = found.flatMap(({ service_id: id }) => (typeof id === 'string' ? [id] : []));
  if (ids.length === 0) return [];
  const rows = await seals.load(tx, 'heartbeats', { service_id: ids }, { orderBy: sql`started_at` });
  return rows.filter((row) => isLive(row, now));
};

/**
 * Why services with these root keys must not run side by side, or null. Each wraps under its first key, so every other one has
 * to hold that key.
 */
export const conflictWith = (rootKeyIds: readonly string[], other: LiveService): string | null => {
  const [primary] = rootKeyIds;
  const [theirs] = other.root_key_ids;
  if (primary !== undefined && !other.root_key_ids.includes(primary))
    return `Root key ${primary} would be the primary here, but service ${serviceName(other)} does not hold it. Add it there as the last key and reload that service first.`;
  if (theirs !== undefined && !rootKeyIds.includes(theirs))
    return `Service ${serviceName(other)} wraps under root key ${theirs}, which is not configured here. Add it.`;
  return null;
};

/** What a service says of itself. */
export type Heartbeat = Omit<Unsealed<'heartbeats'>, 'host' | 'pid'>;

/** Writes this service's heartbeat anew, in place of whatever is there. */
export const enterHeartbeat = async (tx: Tx, seals: Seals, beat: Heartbeat): Promise<void> => {
  await removeHeartbeat(tx, beat.service_id);
  await seals.insert(tx, 'heartbeats', { ...beat, host: hostname().slice(0, 255), pid: process.pid });
};

/** Removes a service's heartbeat, and those of services that ended long ago without doing so. */
export const removeHeartbeat = async (tx: Tx, serviceId: string): Promise<void> => {
  await sql`delete from public.heartbeats
    where service_id = ${serviceId} or seen_at < clock_timestamp() - interval '1 day'`.execute(tx);
};
