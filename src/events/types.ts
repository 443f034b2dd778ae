/**
 * Every kind of event. `about` says whose access decides, when somebody is told, whether they may still be told: the
 * secret's or the session's, or nobody's for what concerns their own account. `gone: 'tell'` is for events that tell of the
 * end of access itself; everything else is not told to somebody who has lost access in the meantime.
 */
export const eventTypes = {
  'secret.created': { about: 'secret', gone: 'drop' },
  'secret.updated': { about: 'secret', gone: 'drop' },
  'secret.shared': { about: 'secret', gone: 'drop' },
  'secret.unshared': { about: 'secret', gone: 'tell' },
  'secret.moved': { about: 'secret', gone: 'tell' },
  'secret.expiring': { about: 'secret', gone: 'drop' },
  'secret.rotation_due': { about: 'secret', gone: 'drop' },
  'secret.expired': { about: 'secret', gone: 'tell' },
  'secret.deactivated': { about: 'secret', gone: 'tell' },
  'secret.activated': { about: 'secret', gone: 'drop' },
  'secret.deleted': { about: 'secret', gone: 'tell' },
  'secret.recovered': { about: 'secret', gone: 'drop' },
  'secret.purged': { about: 'secret', gone: 'tell' },
  'secret.handed_over': { about: 'secret', gone: 'tell' },
  'session.started': { about: 'session', gone: 'drop' },
  'session.updated': { about: 'session', gone: 'drop' },
  'session.joined': { about: 'session', gone: 'drop' },
  'session.left': { about: 'session', gone: 'tell' },
  'session.removed': { about: 'session', gone: 'tell' },
  'session.handed_over': { about: 'session', gone: 'drop' },
  'session.ended': { about: 'session', gone: 'tell' },
  'session.cleaned_up': { about: 'session', gone: 'tell' },
  'invitation.received': { about: 'session', gone: 'drop' },
  'invitation.declined': { about: 'session', gone: 'drop' },
  'invitation.withdrawn': { about: 'session', gone: 'tell' },
  'token.created': { about: 'account', gone: 'tell' },
  'token.revoked': { about: 'account', gone: 'tell' },
  'login.new_place': { about: 'account', gone: 'tell' },
  'reset.started': { about: 'account', gone: 'tell' },
  'reset.cancelled': { about: 'account', gone: 'tell' },
  'account.disabled': { about: 'account', gone: 'tell' },
  'account.enabled': { about: 'account', gone: 'tell' },
  'integrity.broken': { about: 'account', gone: 'tell' },
  'handover.offered': { about: 'account', gone: 'tell' },
  'handover.accepted': { about: 'account', gone: 'tell' },
  'handover.cancelled': { about: 'account', gone: 'tell' },
  'webhook.disabled': { about: 'account', gone: 'tell' },
} as const satisfies Readonly<Record<string, EventKind>>;

interface EventKind {
  readonly about: 'secret' | 'session' | 'account';
  readonly gone: 'drop' | 'tell';
}

export type EventType = keyof typeof eventTypes;
