import { mayPlace } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { HandoverId, UserId } from '../core/ids.ts';
import type { HandoverRow, SecretRow } from '../db/tables/index.ts';
import type { UserCard } from '../users/index.ts';

interface Person {
  readonly id: UserId;
  readonly username: string | null;
}

export interface HandoverView {
  readonly id: HandoverId;
  readonly kind: HandoverRow['kind'];
  readonly state: HandoverRow['state'];
  readonly from: Person;
  readonly to: Person;
  readonly requested_by: Person;
  /** Null for everything of a user. The name is shown to whom it belongs, and to whom it is offered. */
  readonly secret: { readonly id: string; readonly name: string | null; readonly type: string | null } | null;
  readonly keep_sharing: boolean;
  readonly ready_at: Date;
  readonly created_at: Date;
  readonly decided_at: Date | null;
}

export const gone = (): KeyholdError =>
  new KeyholdError('state_conflict', 'The secret is no longer its owner’s to give away. Ask them to offer it again.');

export const notDisabled = (): KeyholdError =>
  new KeyholdError('state_conflict', 'The secrets of a user can be handed over only while the user is disabled.');

const isParty = (row: HandoverRow, { userId }: Pick<Caller, 'userId'>): boolean =>
  row.from_user === userId || row.to_user === userId || row.requested_by === userId;

/** Whether the caller may know of it: who gives, who gets, who asked for it, and administrators of what one of them did. */
export const isVisible = (row: HandoverRow, caller: Caller): boolean =>
  isParty(row, caller) || (row.kind === 'user' && caller.permissions.has('admin'));

/** Whether the credential reaches what its user has outside any session. One that is bound to a session may not. */
export const reachesOwnSecrets = (caller: Caller): boolean => mayPlace(caller, 'user', null);

const mayReadNames = (caller: Caller): boolean =>
  reachesOwnSecrets(caller) && (caller.permissions.has('secrets:list') || caller.permissions.has('secrets:manage'));

interface Surroundings {
  readonly cards: ReadonlyMap<UserId, UserCard>;
  readonly secrets: ReadonlyMap<string, SecretRow>;
}

const secretOf = (row: HandoverRow, viewer: Caller, secrets: Surroundings['secrets']): HandoverView['secret'] => {
  if (row.secret_id === null) return null;
  if (!mayReadNames(viewer)) return { id: row.secret_id, name: null, type: null };
  const secret = secrets.get(row.secret_id);
  const offered = row.state === 'pending' && viewer.userId === row.to_user && secret?.owner_id === row.from_user;
  const named = secret && (secret.owner_id === viewer.userId || offered) ? secret : null;
  return { id: row.secret_id, name: named?.name ?? null, type: named?.type ?? null };
};

export const viewOf = (row: HandoverRow, viewer: Caller, { cards, secrets }: Surroundings): HandoverView => {
  const person = (id: UserId): Person => ({ id, username: cards.get(id)?.username ?? null });
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    from: person(row.from_user),
    to: person(row.to_user),
    requested_by: person(row.requested_by),
    secret: secretOf(row, viewer, secrets),
    keep_sharing: row.keep_sharing,
    ready_at: row.ready_at,
    created_at: row.created_at,
    decided_at: row.decided_at,
  };
};
