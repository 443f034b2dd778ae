import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid, KeyholdError } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { ParticipantRow, SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { Users } from '../users/index.ts';
import type { End } from './ending.ts';
import { changesOnLeaving } from './joining.ts';
import type { SessionQueries } from './queries.ts';
import type { Told } from './told.ts';

interface Deps {
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly users: Pick<Users, 'lockActive'>;
  readonly queries: Pick<SessionQueries, 'lockParticipant' | 'lockPresent' | 'ownersOf'>;
  readonly end: End;
  readonly told: Told;
}

export type HandOver = (tx: Tx, caller: Caller, session: SessionRow, newOwner: UserId | null) => Promise<Outcome<void>>;

/** The leaving of a session's owner. The caller owns the session, which is active and locked. */
export const createHandOver = ({ clock, now, seals, audit, users, queries, end: endOf, told }: Deps): HandOver => {
  const targetOf = (session: SessionRow) => ({ type: 'session', id: session.id }) as const;

  /** Takes the owner out; they may join again as anybody who left by themselves. */
  const takeOut = async (tx: Tx, session: SessionRow, role: ParticipantRow['role']): Promise<void> => {
    const { row, broken } = await queries.lockParticipant(tx, session.id, session.owner_id);
    if (broken || row === null) throw integrityBroken();
    const moment = clock.now();
    const left = changesOnLeaving(row, true, moment) ?? {};
    // A collaborator's row without an invitation would be one of somebody who never joined.
    await seals.update(tx, 'session_participants', row, { ...left, role, invited_at: row.invited_at ?? row.joined_at });
  };

  const end = async (tx: Tx, caller: Caller, session: SessionRow): Promise<Outcome<void>> => {
    const changes = endOf(session, await now(tx));
    const tells = [await told.end(tx, session, changes)];
    await takeOut(tx, session, 'owner');
    await seals.update(tx, 'sessions', session, changes);
    await audit.allow(tx, caller, 'session.end', { target: targetOf(session), details: {}, tells });
    return { ok: undefined };
  };

  const give = async (tx: Tx, caller: Caller, session: SessionRow, to: ParticipantRow): Promise<Outcome<void>> => {
    await takeOut(tx, session, 'collaborator');
    await seals.update(tx, 'session_participants', to, { role: 'owner' });
    await seals.update(tx, 'sessions', session, { owner_id: to.user_id, updated_at: clock.now() });
    const details = { from: session.owner_id, to: to.user_id };
    const present = await told.present(tx, session, 'session.handed_over', [session.owner_id, to.user_id]);
    const tells = [{ ...present, details }];
    await audit.allow(tx, caller, 'session.hand_over', { target: targetOf(session), details, tells });
    return { ok: undefined };
  };

  const refuse = (tx: Tx, caller: Caller, session: SessionRow, error: KeyholdError) =>
    audit.refuse(tx, caller, 'session.hand_over', { target: targetOf(session), error });

  /** Those who already have a session of this external id, which stays unique among the sessions of one owner. */
  const hinderedBy = async (
    tx: Tx,
    { external_id, issuer }: SessionRow,
    others: readonly ParticipantRow[],
  ): Promise<ReadonlySet<UserId>> => {
    if (external_id === null || issuer !== null) return new Set();
    return await queries.ownersOf(
      tx,
      external_id,
      others.map((row) => row.user_id),
    );
  };

  const lockOthers = async (tx: Tx, session: SessionRow): Promise<Others> => {
    const present = await queries.lockPresent(tx, session.id);
    const rows = present.filter((row) => row.user_id !== session.owner_id);
    return { rows, hindered: await hinderedBy(tx, session, rows) };
  };

  const isActive = async (tx: Tx, userId: UserId): Promise<boolean> =>
    (await users.lockActive(tx, { userId })) !== null;

  /** Hands the session to a user whom its owner named. */
  const giveTo = async (tx: Tx, caller: Caller, session: SessionRow, newOwner: UserId): Promise<Outcome<void>> => {
    const { rows, hindered } = await lockOthers(tx, session);
    const named = rows.find((row) => row.user_id === newOwner);
    if (!named || !(await isActive(tx, newOwner))) return await refuse(tx, caller, session, notPresent());
    if (hindered.has(newOwner)) return await refuse(tx, caller, session, hasSuchSession());
    return await give(tx, caller, session, named);
  };

  return async (tx, caller, session, newOwner) => {
    if (newOwner !== null) return await giveTo(tx, caller, session, newOwner);
    const { rows, hindered } = await lockOthers(tx, session);
    for (const row of rows) {
      if (!hindered.has(row.user_id) && (await isActive(tx, row.user_id))) return await give(tx, caller, session, row);
    }
    return await end(tx, caller, session);
  };
};

/** The others who are present, longest first, with those of them who cannot take the session over. */
interface Others {
  readonly rows: readonly ParticipantRow[];
  readonly hindered: ReadonlySet<UserId>;
}

const notPresent = (): KeyholdError => invalid('new_owner', 'names nobody else who is present in the session.');

/** Somebody started a session of this external id at the same moment, or has had one before. */
export const hasSuchSession = (cause?: unknown): KeyholdError =>
  new KeyholdError('name_taken', 'That user already has a session with this external_id. Name another new_owner.', {
    cause,
  });
