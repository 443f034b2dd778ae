import type { AuditAction } from '../audit/index.ts';
import type { Role } from '../core/caller.ts';
import type { Json } from '../core/json.ts';
import type { AuditRow } from '../db/tables/index.ts';

/** The ways in which access is taken away, by the names under which they are listed, and what each is about. */
export const takenKinds = {
  'token revoked': 'token',
  'login ended': 'login',
  'login refreshed': 'login',
  unshared: 'secret',
  deactivated: 'secret',
  deleted: 'secret',
  purged: 'secret',
  'for use only': 'secret',
  'secret expires': 'secret',
  transferred: 'secret',
  'handed over': 'secret',
  'offer called off': 'secret',
  'session ended': 'session',
  'session expires': 'session',
  'left the session': 'session',
  disabled: 'user',
  'hand-over called off': 'user',
  'logins and tokens ended': 'user',
  'role lowered': 'user',
  'password changed': 'user',
  erased: 'user',
  'every login ended': null,
  'webhook deleted': 'webhook',
  'webhook switched off': 'webhook',
  'webhook changed': 'webhook',
  'everything ended': null,
} as const;

export type TakenKind = keyof typeof takenKinds;

/** Something that was taken away, as a record tells of it. */
export interface TakenAway {
  readonly what: TakenKind;
  /** The id of the secret, session, user, login, token or webhook; empty for everything. */
  readonly id: string;
  /** Who lost access, where it is not everybody. */
  readonly userId?: string;
  readonly role?: Role;
  /** The new expiry; left out where the record does not tell it. */
  readonly expiresAt?: Date;
  /** How often the login was refreshed. */
  readonly count?: number;
  readonly record: string;
  readonly at: Date;
}

/** One step in the history of one access of somebody: taken away, or given back. */
interface Step {
  readonly what: TakenKind;
  readonly userId?: string;
  readonly gives?: true;
  readonly role?: Role;
  readonly expiresAt?: Date;
}

type StepsOf = (details: Readonly<Record<string, Json>>) => readonly Step[];

const take =
  (what: TakenKind): StepsOf =>
  () => [{ what }];

const giveBack =
  (what: TakenKind): StepsOf =>
  () => [{ what, gives: true }];

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

const ofUser = (what: TakenKind, gives: boolean): StepsOf => {
  const given = gives ? ({ gives: true } as const) : {};
  return ({ user_id }) => [{ what, userId: textOf(user_id), ...given }];
};

const namesField = ({ fields }: Readonly<Record<string, Json>>, field: string): boolean =>
  Array.isArray(fields) && fields.includes(field);

/** A record that names the field and not its value is taken for the worst that it can mean. */
const expirySteps = (what: TakenKind, details: Readonly<Record<string, Json>>): readonly Step[] => {
  if (!namesField(details, 'expires_at')) return [];
  const { expires_at } = details;
  if (expires_at === null) return [{ what, gives: true }];
  return [typeof expires_at === 'string' ? { what, expiresAt: new Date(expires_at) } : { what }];
};

const exposureSteps = (details: Readonly<Record<string, Json>>): readonly Step[] => {
  if (!namesField(details, 'exposure')) return [];
  return [{ what: 'for use only', ...(details['exposure'] === 'reveal' ? { gives: true } : {}) }];
};

const roleSteps = ({ role }: Readonly<Record<string, Json>>): readonly Step[] => {
  if (role === undefined) return [];
  return [role === 'admin' ? { what: 'role lowered', gives: true } : { what: 'role lowered', role: role as Role }];
};

/** Switched on or off; and for another address, other types or another secret, what it was before must get nothing. */
const webhookSteps: StepsOf = (details) => {
  const { state } = details;
  const off = { what: 'webhook switched off' } as const;
  const isChanged = namesField(details, 'url') || namesField(details, 'event_types');
  return [
    ...(state === 'off' ? [off] : []),
    ...(state === 'active' ? [{ ...off, gives: true } as const] : []),
    ...(isChanged ? [{ what: 'webhook changed' } as const] : []),
  ];
};

/** What a restored database was told to take away again, which says less than the record that it was told by. */
const againSteps: StepsOf = ({ what, user_id }) => {
  if (typeof what !== 'string' || !Object.hasOwn(takenKinds, what)) return [];
  if (what === 'login refreshed') return [{ what: 'login ended' }];
  const step = { what: what as TakenKind, ...(typeof user_id === 'string' ? { userId: user_id } : {}) };
  return [what === 'role lowered' ? { ...step, role: 'member' } : step];
};

/** What each action does to access; null for those that take none away. */
const stepsOf: Readonly<Record<AuditAction, StepsOf | null>> = {
  'token.revoke': take('token revoked'),
  'login.end': take('login ended'),
  'secret.unshare': ofUser('unshared', false),
  'secret.share': ofUser('unshared', true),
  'secret.deactivate': take('deactivated'),
  'secret.activate': giveBack('deactivated'),
  'secret.delete': take('deleted'),
  'secret.recover': giveBack('deleted'),
  'secret.purge': take('purged'),
  'secret.update': (details) => [...exposureSteps(details), ...expirySteps('secret expires', details)],
  'secret.transfer': ({ from }) => (from === 'user' ? [] : [{ what: 'transferred' }]),
  'session.end': take('session ended'),
  'session.update': (details) => expirySteps('session expires', details),
  'session.participant_remove': ofUser('left the session', false),
  'session.join': ofUser('left the session', true),
  'session.hand_over': ({ from }) => [{ what: 'left the session', userId: textOf(from) }],
  'user.update': roleSteps,
  // Enabling a user ends what an earlier version left alive.
  'user.enable': (details) => [
    { what: 'disabled', gives: true },
    { what: 'logins and tokens ended' },
    ...roleSteps(details),
  ],
  'user.disable': (details) => [{ what: 'disabled' }, { what: 'logins and tokens ended' }, ...roleSteps(details)],
  'user.password_change': take('password changed'),
  'user.password_reset': take('password changed'),
  'user.reset_cancel': take('password changed'),
  'user.erase': take('erased'),
  'webhook.change': webhookSteps,
  'webhook.rotate_secret': take('webhook changed'),
  'webhook.delete': take('webhook deleted'),
  'backup.revoke': againSteps,
  'backup.revoke_all': take('everything ended'),
  // The record counts the logins and does not name them.
  'key.logins_end': take('every login ended'),
  // Counted for each login.
  'login.refresh': null,
  'secret.create': null,
  'secret.list': null,
  'secret.get': null,
  'secret.reveal': null,
  'secret.value_set': null,
  'secret.remind': null,
  'secret.hand_over': take('handed over'),
  'handover.offer': null,
  'handover.offer_all': null,
  'handover.accept': null,
  'handover.cancel': ({ kind }) => [{ what: kind === 'user' ? 'hand-over called off' : 'offer called off' }],
  'secret.access_list': null,
  'secret.versions_list': null,
  'secret.version_restore': null,
  'secret.import': null,
  'session.create': null,
  // An invitation makes nobody present.
  'session.participant_add': null,
  'session.clean_up': null,
  'session.refused': null,
  'user.create': null,
  'user.erase_preview': null,
  'login.create': null,
  'login.refused': null,
  'token.create': null,
  'token.refused': null,
  'backup.create': null,
  'backup.restore': null,
  'backup.release': null,
  'clock.jump': null,
  'audit.export': null,
  'notice.read': null,
  'webhook.create': null,
  'webhook.test': null,
  'webhook.redeliver': null,
  'job.start': null,
  'job.cancel': null,
  'job.finish': null,
  'key.reload': null,
  'key.rotate_root': null,
  'key.rewrap': null,
  'key.reencrypt': null,
  'key.rotate_seal': null,
  'key.retire': null,
  'key.give_up': null,
  'request.refused': null,
  'request.limited': null,
  'graph.read': null,
  'graph.write': null,
  'graph.update': null,
  'graph.merge': null,
  'graph.delete': null,
  'graph.import': null,
  'graph.forget': null,
  'row.integrity_broken': null,
};

const isKnown = (action: string): action is AuditAction => Object.hasOwn(stepsOf, action);

/** A refresh token that was exchanged twice ends its login, although the refresh is refused. */
const isReuse = ({ action, outcome, reason }: AuditRow): boolean =>
  action === 'login.refresh' && outcome === 'refused' && reason === 'reused';

const stepsIn = (record: AuditRow): readonly Step[] => {
  if (isReuse(record)) return [{ what: 'login ended' }];
  if (record.outcome !== 'allowed' || !isKnown(record.action)) return [];
  return stepsOf[record.action]?.(record.details) ?? [];
};

interface Event {
  readonly step: Step;
  readonly record: AuditRow;
}

const revisionOf = ({ details }: AuditRow): number | null =>
  typeof details['revision'] === 'number' ? details['revision'] : null;

/** Whether `a` came after `b`. Revisions tell it, and clocks where there are none; what is not known to come first came last. */
const isLater = (a: Event, b: Event): boolean => {
  const [revisionA, revisionB] = [revisionOf(a.record), revisionOf(b.record)];
  if (revisionA !== null && revisionB !== null && revisionA !== revisionB) return revisionA > revisionB;
  const ms = a.record.recorded_at.getTime() - b.record.recorded_at.getTime();
  return ms === 0 ? !a.step.gives : ms > 0;
};

/** Gathers, from records in any order, what was taken away and not given back later. */
export const createTakenAway = () => {
  const latest = new Map<string, Event>();
  const refreshes = new Map<string, { count: number; record: AuditRow }>();

  const note = (event: Event): void => {
    const key = [event.step.what, event.record.target_id, event.step.userId ?? ''].join(' ');
    const before = latest.get(key);
    if (before === undefined || isLater(event, before)) latest.set(key, event);
  };

  return {
    add: (record: AuditRow): void => {
      for (const step of stepsIn(record)) note({ step, record });
      if (record.action === 'login.refresh' && record.outcome === 'allowed' && record.target_id !== null) {
        const before = refreshes.get(record.target_id);
        refreshes.set(record.target_id, { count: (before?.count ?? 0) + 1, record });
      }
    },

    /** In the order of their records, with erasures last: they remove what others are about. */
    all: (): readonly TakenAway[] => {
      const taken = [...latest.values()].flatMap(({ step: { gives, ...step }, record }) =>
        gives ? [] : [{ ...step, ...placeOf(record) }],
      );
      const refreshed = [...refreshes.values()].map(({ count, record }) => ({
        what: 'login refreshed' as const,
        count,
        ...placeOf(record),
      }));
      const inOrder = [...taken, ...refreshed].sort((a, b) => (a.record < b.record ? -1 : 1));
      const isErasure = ({ what }: TakenAway): boolean => what === 'erased' || what === 'purged';
      return [...inOrder.filter((one) => !isErasure(one)), ...inOrder.filter(isErasure)];
    },
  };
};

const placeOf = (record: AuditRow) => ({ id: record.target_id ?? '', record: record.id, at: record.recorded_at });
