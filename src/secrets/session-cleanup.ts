import { sql } from 'kysely';
import { type Audit, type AuditEntry, systemActor } from '../audit/index.ts';
import type { Clock } from '../core/clock.ts';
import { idsOf, nilId, type SecretId, type SessionId } from '../core/ids.ts';
import { afterIds } from '../core/purge.ts';
import type { Sweep } from '../core/sweep.ts';
import type { Tx } from '../db/database.ts';
import type { SecretRow, SessionRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
}

/**
 * Erases what is left in sessions whose grace period is over, values and versions, one session after the other. The session is
 * locked, then its secrets, so that an owner who moves one out at the same moment either keeps it or is refused.
 */
export const createSessionCleanup = ({ clock, seals, audit }: Deps): Sweep<Tx> => {
  /** The next session whose time has come, locked; null where there is none. */
  const nextSession = async (tx: Tx, now: Date, after: string): Promise<SessionRow | 'broken' | null> => {
    const { rows } = await sql<{ id: unknown }>`select id from public.sessions where status = 'ended'
      and cleaned_up_at is null and erase_after <= ${now}::timestamptz and id > ${after} order by id limit 1
      for update skip locked`.execute(tx);
    const [id] = idsOf<SessionId>(rows.map((row) => row.id));
    if (id === undefined) return null;
    const row = await seals.loadOne(tx, 'sessions', { id, status: 'ended', cleaned_up_at: null }, { lock: 'update' });
    const isDue = row !== null && row.erase_after !== null && row.erase_after.getTime() <= now.getTime();
    return isDue ? row : 'broken';
  };

  /** The next secrets in the session, intact ones, locked. What is broken stays, and is passed by however much it is. */
  const nextSecrets = async (tx: Tx, session: SessionRow, limit: number): Promise<SecretRow[]> => {
    for (let after: string | null = nilId; after !== null; ) {
      const found = await sql<{ id: unknown }>`select id from public.secrets where session_id = ${session.id}::text
        and id > ${after} order by id limit ${sql.lit(limit)} for update`.execute(tx);
      const ids: SecretId[] = idsOf<SecretId>(found.rows.map((row) => row.id));
      const asked = { id: ids, scope: 'session', session_id: session.id } as const;
      const rows = ids.length === 0 ? [] : await seals.load(tx, 'secrets', asked, { lock: 'update', orderBy: sql`id` });
      if (rows.length > 0) return rows;
      after = afterIds(ids, limit);
    }
    return [];
  };

  const erase = async (tx: Tx, session: SessionRow, limit: number): Promise<number> => {
    const rows = await nextSecrets(tx, session, limit);
    await seals.remove(tx, 'secrets', rows);
    for (const row of rows) await audit.record(tx, systemActor('session-cleanup'), erasedEntry(row));
    return rows.length;
  };

  return {
    name: 'session-cleanup',
    isFinal: true,
    step: async (tx, now, after, limit) => {
      const from = after ?? nilId;
      const session = await nextSession(tx, now, from);
      if (session === null) return { done: 0, after: null };
      if (session === 'broken') return { done: 0, after: await skipped(tx, now, from) };
      const erased = await erase(tx, session, limit);
      // The same session again, until nothing is left that can be erased, and then the one after it.
      if (erased > 0) return { done: erased, after: from };
      await seals.update(tx, 'sessions', session, { cleaned_up_at: clock.now() });
      await audit.record(tx, systemActor('session-cleanup'), cleanedUpEntry(session));
      return { done: erased, after: session.id };
    },
  };
};

/** The id of a session that was passed by. */
const skipped = async (tx: Tx, now: Date, after: string): Promise<string | null> => {
  const { rows } = await sql<{ id: unknown }>`select id from public.sessions where status = 'ended'
    and cleaned_up_at is null and erase_after <= ${now}::timestamptz and id > ${after} order by id limit 1`.execute(tx);
  return idsOf<SessionId>(rows.map((row) => row.id))[0] ?? null;
};

const erasedEntry = ({ id, owner_id, revision, session_id }: SecretRow): AuditEntry => ({
  action: 'secret.purge',
  target: { type: 'secret', id },
  outcome: 'allowed',
  reason: 'due',
  details: { revision },
  tells: [
    {
      type: 'secret.purged',
      to: [owner_id],
      secret: { id, revision },
      ...(session_id === null ? {} : { sessionId: session_id as SessionId }),
    },
  ],
});

const cleanedUpEntry = ({ id }: SessionRow): AuditEntry => ({
  action: 'session.clean_up',
  target: { type: 'session', id },
  outcome: 'allowed',
  reason: 'due',
  details: {},
  tells: [{ type: 'session.cleaned_up', to: [], sessionId: id }],
});
