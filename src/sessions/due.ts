import { type RawBuilder, sql } from 'kysely';
import { isSessionActive, lapsesAt } from '../access/index.ts';
import { type Audit, type AuditEntry, systemActor } from '../audit/index.ts';
import { idsOf, nilId, type SessionId } from '../core/ids.ts';
import { afterIds } from '../core/purge.ts';
import type { Sweep } from '../core/sweep.ts';
import type { Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import type { Seals } from '../keys/index.ts';
import type { End } from './ending.ts';
import type { SessionQueries } from './queries.ts';
import type { Told } from './told.ts';

interface Deps {
  readonly seals: Seals;
  readonly audit: Audit;
  readonly queries: Pick<SessionQueries, 'lock'>;
  readonly end: End;
  readonly told: Told;
}

/** What time makes due of sessions: their end by themselves. */
export const createSessionSweeps = ({ seals, audit, queries, end, told }: Deps): readonly Sweep<Tx>[] => {
  /** Does `work` for each session that is chosen and not locked by somebody else. */
  const sweep = (
    name: string,
    condition: (now: Date) => RawBuilder<unknown>,
    work: (tx: Tx, session: SessionRow, now: Date) => Promise<boolean>,
  ): Sweep<Tx> => ({
    name,
    isFinal: false,
    step: async (tx, now, after, limit) => {
      const { rows } = await sql<{ id: unknown }>`select id from public.sessions where ${condition(now)}
        and id > ${after ?? nilId} order by id limit ${sql.lit(limit)} for update skip locked`.execute(tx);
      const ids = idsOf<SessionId>(rows.map((row) => row.id));
      let done = 0;
      for (const id of ids) {
        const session = await queries.lock(tx, id);
        if (session && (await work(tx, session, now))) done += 1;
      }
      return { done, after: afterIds(ids, limit) };
    },
  });

  const over = async (tx: Tx, session: SessionRow, at: Date): Promise<void> => {
    const changes = end(session, at);
    const tells = [await told.end(tx, session, changes)];
    await seals.update(tx, 'sessions', session, changes);
    await audit.record(tx, systemActor('session-ends'), endedEntry(session, tells));
  };

  return [
    sweep('sessions-lapsed', lapsed, async (tx, session, now) => {
      const at = lapsesAt(session);
      if (session.status !== 'active' || isSessionActive(session, now) || at === null) return false;
      await over(tx, session, at);
      return true;
    }),
    // Sessions that ended with their erased owner, by a restore or under a version without a grace period: it begins when
    // their participants are told.
    sweep(
      'sessions-without-grace',
      () => endedWithoutGrace,
      async (tx, session, now) => {
        if (session.status !== 'ended' || session.erase_after !== null || session.cleaned_up_at !== null) return false;
        await over(tx, session, session.ended_at ?? now);
        return true;
      },
    ),
  ];
};

/** Nothing is added to what a row holds, since a time that somebody else wrote could then be out of range. */
const lapsed = (now: Date): RawBuilder<unknown> => sql`status = 'active' and (expires_at <= ${now}::timestamptz
  or last_active_at <= ${now}::timestamptz - idle_after * interval '1 second')`;

const endedWithoutGrace = sql`status = 'ended' and cleaned_up_at is null and erase_after is null`;

const endedEntry = ({ id }: SessionRow, tells: readonly NewEvent[]): AuditEntry => ({
  action: 'session.end',
  target: { type: 'session', id },
  outcome: 'allowed',
  reason: 'due',
  details: {},
  tells,
});
