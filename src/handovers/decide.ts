import type { Mutate } from '../access/index.ts';
import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid, KeyholdError, notFound } from '../core/errors.ts';
import type { HandoverId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { HandoverRow } from '../db/tables/index.ts';
import type { Jobs } from '../jobs/index.ts';
import type { Seals } from '../keys/index.ts';
import { orNameTaken, type Secrets } from '../secrets/index.ts';
import { type CloseHandovers, targetOf, toldOf } from './close.ts';
import { gone, isVisible, notDisabled, reachesOwnSecrets } from './handover.ts';
import { handoverJob, type MoveSecrets } from './move-all.ts';
import type { HandoverQueries } from './queries.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly jobs: Pick<Jobs, 'start' | 'nudge'>;
  readonly secrets: Pick<Secrets, 'handOver'>;
  readonly queries: Pick<HandoverQueries, 'byId' | 'lock'>;
  readonly closing: CloseHandovers;
  readonly moveSecrets: MoveSecrets;
}

type Deciding = Extract<AuditAction, 'handover.accept' | 'handover.cancel'>;

/** Nobody gives for a user who can do so themselves, and a disabled user gives nothing. */
const giverStatus = { secret: 'active', user: 'disabled' } as const;

/** How many secrets move with the acceptance itself; a job does the rest. */
const atOnce = 100;

/** Accepting and calling off what was offered. */
export const createDecisions = (deps: Deps) => {
  const { clock, seals, audit, mutate, jobs, secrets, queries, closing, moveSecrets } = deps;

  const refuse = (tx: Tx, caller: Caller, action: Deciding, row: HandoverRow | null, error: KeyholdError) =>
    audit.refuse(tx, caller, action, { target: row && targetOf(row), error });

  /** Locks the giver and then the offer, so that nobody else can accept or cancel it meanwhile. */
  const decide = async <T>(
    tx: Tx,
    caller: Caller,
    { id, action }: { readonly id: HandoverId; readonly action: Deciding },
    work: (row: HandoverRow) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> => {
    if (!reachesOwnSecrets(caller)) return await refuse(tx, caller, action, null, boundElsewhere());
    const seen = await queries.byId(tx, id);
    if (!seen || !isVisible(seen, caller)) return await refuse(tx, caller, action, null, notFound());
    await seals.loadOne(tx, 'users', { id: seen.from_user }, { lock: 'share' });
    const row = await queries.lock(tx, id);
    if (!row) return await refuse(tx, caller, action, null, notFound());
    return row.state === 'pending' ? await work(row) : await refuse(tx, caller, action, row, decided(row));
  };

  /** Why the caller cannot accept this now, or null. */
  const refusalOf = async (tx: Tx, caller: Caller, row: HandoverRow): Promise<KeyholdError | null> => {
    if (row.to_user !== caller.userId)
      return new KeyholdError('owner_only', 'Only the user to whom it was offered can accept it.');
    const giver = await seals.loadOne(tx, 'users', { id: row.from_user, status: giverStatus[row.kind] });
    if (!giver) return row.kind === 'user' ? notDisabled() : gone();
    // By the service's own clock, so that a database whose clock is ahead shortens nothing.
    return clock.now().getTime() < row.ready_at.getTime() ? tooEarly(row.ready_at) : null;
  };

  const acceptSecret = async (tx: Tx, caller: Caller, row: HandoverRow, name?: string): Promise<Outcome<number>> => {
    const secret = row.secret_id && (await secrets.handOver.lockOwned(tx, row.from_user, row.secret_id));
    if (!secret || secret.deleted_at !== null || secret.scope === 'session')
      return await refuse(tx, caller, 'handover.accept', row, gone());
    const how = { to: row.to_user, keepSharing: row.keep_sharing, name };
    const moved = await secrets.handOver.move(tx, caller, secret, how);
    if ('ok' in moved) return { ok: 1 };
    const error = moved.refused.code === 'name_taken' ? nameTaken() : moved.refused;
    return await refuse(tx, caller, 'handover.accept', row, error);
  };

  const acceptAll = async (tx: Tx, caller: Caller, row: HandoverRow) => {
    const { done, after } = await moveSecrets(tx, caller, row, { after: null, limit: atOnce });
    if (after === null) return { done };
    const total = done + (await secrets.handOver.count(tx, row.from_user));
    const job = await jobs.start(tx, caller, {
      kind: handoverJob,
      params: { handover_id: row.id },
      cancellable: false,
      total,
      progress: { cursor: after, done, counts: {} },
    });
    return { done, job_id: job.id };
  };

  const accept = async (tx: Tx, caller: Caller, row: HandoverRow, name?: string): Promise<Outcome<boolean>> => {
    const refusal = (await refusalOf(tx, caller, row)) ?? nameRefused(row, name);
    if (refusal) return await refuse(tx, caller, 'handover.accept', row, refusal);
    let result: { readonly done: number; readonly job_id?: string };
    if (row.kind === 'secret') {
      const moved = await acceptSecret(tx, caller, row, name);
      if ('refused' in moved) return moved;
      result = { done: moved.ok };
    } else result = await acceptAll(tx, caller, row);
    await closing.close(tx, row, 'accepted');
    await audit.allow(tx, caller, 'handover.accept', {
      target: targetOf(row),
      details: { handover_id: row.id, secrets: result.done, ...(result.job_id ? { job_id: result.job_id } : {}) },
      tells: [toldOf('handover.accepted', row)],
    });
    return { ok: result.job_id !== undefined };
  };

  return {
    /**
     * Accepts what was offered to the caller: they own it from then on, one secret under another name if one is given. Throws `name_taken`,
     * `state_conflict` before the waiting time is over and for what cannot be given away any more, `not_found`.
     */
    accept: async (caller: Caller, id: HandoverId, name?: string): Promise<void> => {
      const goesOn = await orNameTaken(
        mutate(caller, (tx) =>
          decide(tx, caller, { id, action: 'handover.accept' }, (row) => accept(tx, caller, row, name)),
        ),
      );
      if (goesOn) jobs.nudge();
    },

    /** Calls it off: who gives, who gets, who asked for it, and any administrator where everything of a user is given. */
    cancel: (caller: Caller, id: HandoverId): Promise<void> =>
      mutate(caller, (tx) =>
        decide(tx, caller, { id, action: 'handover.cancel' }, async (row) => {
          await closing.cancel(tx, caller, row);
          return { ok: undefined };
        }),
      ),
  };
};

const boundElsewhere = (): KeyholdError =>
  new KeyholdError('permission_missing', 'A token that is bound to a session cannot accept or cancel hand-overs.');

const nameTaken = (): KeyholdError =>
  new KeyholdError('name_taken', 'You have a secret of this name already. Accept this one under another name.');

/** Names that clash get a number where there are many. */
const nameRefused = (row: HandoverRow, name: string | undefined): KeyholdError | null =>
  row.kind === 'user' && name !== undefined ? invalid('name', 'can be given for one secret only.') : null;

const decided = ({ state }: HandoverRow): KeyholdError =>
  new KeyholdError('state_conflict', `This hand-over was ${state} already.`);

const tooEarly = (readyAt: Date): KeyholdError =>
  new KeyholdError('state_conflict', `Until ${readyAt.toISOString()}, this can be called off. Accept it after that.`);
