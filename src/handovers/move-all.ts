import { type Actor, systemActor } from '../audit/index.ts';
import type { HandoverId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { HandoverRow } from '../db/tables/index.ts';
import { type JobKind, jobKind } from '../jobs/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { CloseHandovers } from './close.ts';
import type { HandoverQueries } from './queries.ts';

export const handoverJob = 'handover';

interface Deps {
  readonly seals: Seals;
  readonly secrets: Pick<Secrets, 'handOver'>;
  readonly closing: CloseHandovers;
  readonly moveSecrets: MoveSecrets;
  readonly queries: Pick<HandoverQueries, 'byId'>;
}

interface Batch {
  readonly after: string | null;
  readonly limit: number;
}

export type MoveSecrets = (
  tx: Tx,
  actor: Actor,
  row: HandoverRow,
  batch: Batch,
) => Promise<{ readonly done: number; readonly failed: number; readonly after: string | null }>;

/** Gives away a batch of what a disabled user owns. What they had offered of it to others ends. */
export const createMoveSecrets =
  ({ secrets, closing }: Pick<Deps, 'secrets' | 'closing'>): MoveSecrets =>
  async (tx, actor, row, batch) => {
    const how = { to: row.to_user, keepSharing: row.keep_sharing };
    const { moved, failed, after } = await secrets.handOver.moveAll(tx, actor, row.from_user, how, batch);
    await closing.cancelOffersOf(tx, actor, moved);
    return { done: moved.length, failed, after };
  };

const stepSize = 50;

/** The kind of job that goes on with what an acceptance has begun. It ends early where either user is no longer as they must be. */
export const createHandoverJob = ({
  seals,
  moveSecrets,
  queries,
}: Pick<Deps, 'seals' | 'moveSecrets' | 'queries'>): JobKind =>
  jobKind<{ handover_id: HandoverId }, string>({
    step: async (tx, { params, cursor }) => {
      const row = await queries.byId(tx, params.handover_id);
      const giver = row && (await lockUser(tx, seals, row.from_user, 'disabled'));
      const receiver = row && (await lockUser(tx, seals, row.to_user, 'active'));
      if (row?.state !== 'accepted' || !giver || !receiver) return { next: 'fail', reason: 'state_conflict' };
      const batch = { after: cursor, limit: stepSize };
      const actor = { ...systemActor(handoverJob), userId: row.to_user };
      const { done, failed, after } = await moveSecrets(tx, actor, row, batch);
      return after === null ? { done, failed, next: 'finish' } : { done, failed, next: 'step', cursor: after };
    },
  });

const lockUser = (tx: Tx, seals: Seals, id: HandoverRow['from_user'], status: 'active' | 'disabled') =>
  seals.loadOne(tx, 'users', { id, status }, { lock: 'share' });
