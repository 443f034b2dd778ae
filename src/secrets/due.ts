import { type RawBuilder, sql } from 'kysely';
import { type Audit, type AuditEntry, systemActor } from '../audit/index.ts';
import { dayMs } from '../core/durations.ts';
import { idsOf, nilId, type SecretId } from '../core/ids.ts';
import { afterIds } from '../core/purge.ts';
import type { Sweep } from '../core/sweep.ts';
import type { Tx } from '../db/database.ts';
import type { ReminderRow, SecretRow } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import type { Seals } from '../keys/index.ts';
import { type Audience, inSessionOf } from './audience.ts';

interface Deps {
  readonly seals: Seals;
  readonly audit: Audit;
  readonly audience: Pick<Audience, 'of'>;
  /** How many days before a date its owner is reminded, 24 hours each. */
  readonly reminderDays: readonly number[];
  /** How long a deleted secret can be recovered. */
  readonly deletedMs: number;
}

type Kind = ReminderRow['kind'];

const columnOf = { expires: 'expires_at', rotate: 'rotate_after' } as const satisfies Record<Kind, keyof SecretRow>;

const dueOf = (row: SecretRow, kind: Kind): Date | null => row[columnOf[kind]];

/** A secret with what its owner has to be told of it. */
interface Due {
  readonly row: SecretRow;
  readonly reminder: ReminderRow;
}

/** Nobody is told of dates that passed longer ago than this, as when an older version is upgraded. */
const tooOldMs = 30 * dayMs;

export type SecretsDue = ReturnType<typeof createDue>;

/** What time makes due of secrets: reminders of their dates, and the end of those that were deleted. */
export const createDue = ({ seals, audit, audience, reminderDays, deletedMs }: Deps) => {
  const steps = [...new Set([...reminderDays, 0])].sort((a, b) => a - b);

  /** The last step before the date that has passed; null when none has. */
  const stepAt = (due: Date, now: Date): number | null =>
    steps.find((step) => due.getTime() - step * dayMs <= now.getTime()) ?? null;

  const isTooEarly = (row: SecretRow, due: Date, step: number): boolean =>
    due.getTime() - step * dayMs <= row.created_at.getTime();

  /** What the owner has to be told of this date now, or null. */
  const reminderOf = (row: SecretRow, kind: Kind, now: Date): ReminderRow | null => {
    const due_at = dueOf(row, kind);
    if (due_at === null || !row.is_active || row.deleted_at !== null) return null;
    const step = stepAt(due_at, now);
    // The owner knew what had passed already when they made the secret.
    return step === null || isTooEarly(row, due_at, step) ? null : { secret_id: row.id, kind, due_at, step };
  };

  /** The owner is reminded. The end concerns everybody who had access until then. */
  const eventOf = async (tx: Tx, row: SecretRow, { kind, due_at, step }: ReminderRow): Promise<NewEvent> => {
    const common = { to: [row.owner_id], secret: { id: row.id, revision: row.revision } };
    const details = { due_at: due_at.toISOString(), days: step };
    if (kind === 'rotate') return { ...common, type: 'secret.rotation_due', details };
    if (step > 0) return { ...common, type: 'secret.expiring', details };
    const to = await audience.of(tx, row);
    return {
      ...common,
      ...inSessionOf(row.session_id),
      type: 'secret.expired',
      to,
      details: { due_at: details.due_at },
    };
  };

  const remember = async (tx: Tx, reminders: readonly ReminderRow[]): Promise<void> => {
    if (reminders.length === 0) return;
    await sql`insert into public.reminders (secret_id, kind, due_at, step)
      select * from json_populate_recordset(null::public.reminders, ${JSON.stringify(reminders)}::json)
      on conflict (secret_id, kind) do update set due_at = excluded.due_at, step = excluded.step`.execute(tx);
  };

  /** Ids of secrets, of those chosen, whose last passed step has not been told; broken rows among them. */
  const dueIds = async (
    tx: Tx,
    kind: Kind,
    now: Date,
    { chosen, limit }: { readonly chosen: RawBuilder<unknown>; readonly limit: number },
  ): Promise<SecretId[]> => {
    const due = sql.ref(`s.${columnOf[kind]}`);
    const until = new Date(now.getTime() + Math.max(...steps) * dayMs);
    const passed = sql`(select min(step) from unnest(${steps}::int[]) as step
      where ${due} - step * interval '24 hours' <= ${now}::timestamptz)`;
    const { rows } = await sql<{ id: unknown }>`select s.id from public.secrets as s
      left join public.reminders as r on r.secret_id = s.id and r.kind = ${kind} and r.due_at = ${due}
      where ${due} <= ${until}::timestamptz and ${due} > ${new Date(now.getTime() - tooOldMs)}::timestamptz
        and s.deleted_at is null and s.is_active and ${chosen}
        and ${due} - ${passed} * interval '24 hours' > s.created_at and (r.step is null or r.step > ${passed})
      order by s.id limit ${sql.lit(limit)}`.execute(tx);
    return idsOf<SecretId>(rows.map((row) => row.id));
  };

  /**
   * As `dueIds`, of those of these secrets that are not being changed, locked. A change of the date notes the steps that
   * have passed, which must be seen here and not be overwritten.
   */
  const lockDue = async (tx: Tx, kind: Kind, now: Date, ids: readonly SecretId[]): Promise<SecretId[]> => {
    const { rows } = await sql<{ id: unknown }>`select id from public.secrets where id = any(${ids}::uuid[])
      order by id for share skip locked`.execute(tx);
    const locked = idsOf<SecretId>(rows.map((row) => row.id));
    return await dueIds(tx, kind, now, { chosen: sql`s.id = any(${locked}::uuid[])`, limit: ids.length });
  };

  /** The verified rows among these secrets with what their owners have to be told now. */
  const loadDue = async (tx: Tx, kind: Kind, now: Date, ids: readonly SecretId[]): Promise<readonly Due[]> => {
    if (ids.length === 0) return [];
    const rows = await seals.load(tx, 'secrets', { id: ids }, { except: ['encrypted_value'] });
    return rows.flatMap((row) => {
      const reminder = reminderOf(row, kind, now);
      return reminder ? [{ row, reminder }] : [];
    });
  };

  const tell = async (tx: Tx, kind: Kind, due: readonly Due[]): Promise<void> => {
    if (due.length === 0) return;
    await remember(
      tx,
      due.map(({ reminder }) => reminder),
    );
    const tells: NewEvent[] = [];
    for (const { row, reminder } of due) tells.push(await eventOf(tx, row, reminder));
    const details = { kind, secrets: due.length };
    const entry = { action: 'secret.remind', outcome: 'allowed', details, tells } as const;
    await audit.record(tx, systemActor(`reminders-${kind}`), entry);
  };

  const remind = (kind: Kind): Sweep<Tx> => ({
    name: `reminders-${kind}`,
    isFinal: false,
    step: async (tx, now, after, limit) => {
      const ids = await dueIds(tx, kind, now, { chosen: sql`s.id > ${after ?? nilId}`, limit });
      const locked = ids.length === 0 ? [] : await lockDue(tx, kind, now, ids);
      const due = await loadDue(tx, kind, now, locked);
      await tell(tx, kind, due);
      return { done: due.length, after: afterIds(ids, limit) };
    },
  });

  return {
    sweeps: [remind('expires'), remind('rotate'), purgeDeleted({ seals, audit, deletedMs })] as readonly Sweep<Tx>[],

    /**
     * Notes which reminders of a new date have passed already: they are not sent. The caller has changed the row in this
     * transaction.
     */
    noteNewDates: async (tx: Tx, before: SecretRow, after: SecretRow, now: Date): Promise<void> => {
      const passed = (['expires', 'rotate'] as const).flatMap((kind): ReminderRow[] => {
        const due_at = dueOf(after, kind);
        if (due_at === null || due_at.getTime() === dueOf(before, kind)?.getTime()) return [];
        const step = stepAt(due_at, now);
        return step === null ? [] : [{ secret_id: after.id, kind, due_at, step }];
      });
      await remember(tx, passed);
    },
  };
};

const purged = ({ id, owner_id, revision }: SecretRow): AuditEntry => ({
  action: 'secret.purge',
  target: { type: 'secret', id },
  outcome: 'allowed',
  reason: 'due',
  details: { revision },
  tells: [{ type: 'secret.purged', to: [owner_id], secret: { id, revision } }],
});

/** Erases what was deleted, once it can no longer be recovered. */
const purgeDeleted = ({ seals, audit, deletedMs }: Pick<Deps, 'seals' | 'audit' | 'deletedMs'>): Sweep<Tx> => ({
  name: 'purge-deleted',
  isFinal: true,
  step: async (tx, now, after, limit) => {
    const before = new Date(now.getTime() - deletedMs);
    const found = await sql<{ id: unknown }>`select id from public.secrets where deleted_at <= ${before}
      and id > ${after ?? nilId} order by id limit ${sql.lit(limit)} for update skip locked`.execute(tx);
    const ids = idsOf<SecretId>(found.rows.map((row) => row.id));
    const intact = ids.length === 0 ? [] : await seals.load(tx, 'secrets', { id: ids }, { lock: 'update' });
    const due = intact.filter(({ deleted_at }) => deleted_at !== null && deleted_at.getTime() <= before.getTime());
    await seals.remove(tx, 'secrets', due);
    for (const row of due) await audit.record(tx, systemActor('purge-deleted'), purged(row));
    return { done: due.length, after: afterIds(ids, limit) };
  },
});
