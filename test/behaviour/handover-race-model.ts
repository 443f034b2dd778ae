import { createIsLinearizable, type Step as StepTo } from './linearizable.ts';

/*
 * What one secret that is offered to somebody comes to, one operation after the other. The giver owns the secret and the
 * session at first; another user is present in the session, and is the one with whom the secret is shared.
 */

export type Party = 'giver' | 'receiver' | 'other';

export const operations = [
  'share',
  'unshare',
  'put',
  'the receiver puts',
  'to the session',
  'to the user',
  'delete',
  'recover',
  'end the session',
  'offer again',
  'accept',
  'cancel',
  'decline',
  'erase the giver',
  'erase the receiver',
  're-encrypt the giver',
  're-encrypt the receiver',
  'the giver reveals',
  'the receiver reveals',
  'the other reveals',
] as const;
export type Operation = (typeof operations)[number];

export interface State {
  readonly owner: 'giver' | 'receiver';
  readonly scope: 'user' | 'session' | 'shared';
  readonly sharedWith: readonly Party[];
  readonly isDeleted: boolean;
  readonly version: number;
  readonly ended: boolean;
  readonly offer: 'pending' | 'accepted' | 'cancelled';
  readonly keepSharing: boolean;
  /** Whether another offer is pending, made after the first one was cancelled. */
  readonly offeredAgain: boolean;
  readonly erased: readonly Party[];
}

type Step = StepTo<State>;

const conflict = '409 state_conflict';
const notFound = '404 not_found';
const unauthenticated = '401 unauthenticated';

const answered = (state: State, ...answers: string[]): Step => ({ state, answers });

const placed = (sharedWith: readonly Party[]): Pick<State, 'scope' | 'sharedWith'> => ({
  sharedWith,
  scope: sharedWith.length === 0 ? 'user' : 'shared',
});

const without = (state: State, party: Party): Party[] => state.sharedWith.filter((one) => one !== party);
const isErased = (state: State, party: Party): boolean => state.erased.includes(party);

/** A change of the secret by the giver, which only its owner can make. */
const byGiver = (state: State, work: () => Step): Step => {
  if (isErased(state, 'giver')) return answered(state, unauthenticated);
  return state.owner === 'giver' ? work() : answered(state, notFound);
};

/** As `byGiver`, for what a deleted secret refuses. */
const ofLive = (state: State, work: () => Step): Step =>
  byGiver(state, () => (state.isDeleted ? answered(state, conflict) : work()));

const changed = (state: State, changes: Partial<State>, answer = '200'): Step =>
  answered({ ...state, ...changes }, answer);

const revealed = (state: State, by: Party): Step => {
  const value = `200 v${state.version}`;
  // Whoever was let in before the erasure finds nothing any more.
  if (isErased(state, by)) return answered(state, unauthenticated, notFound);
  if (by === state.owner) return answered(state, state.isDeleted ? conflict : value);
  const reached = state.scope === 'shared' && state.sharedWith.includes(by) && !state.isDeleted;
  return answered(state, reached && !isErased(state, state.owner) ? value : notFound);
};

const accepted = (state: State): Step => {
  if (isErased(state, 'receiver')) return answered(state, unauthenticated);
  // The rows of an erased user are deleted with the erasure, or a moment later by its job.
  if (isErased(state, 'giver')) return answered(state, notFound, conflict);
  if (state.offer !== 'pending' || state.isDeleted || state.scope === 'session') return answered(state, conflict);
  const kept = placed(state.keepSharing ? without(state, 'receiver') : []);
  return changed(state, { owner: 'receiver', offer: 'accepted', ...kept });
};

const cancelled = (state: State, by: 'giver' | 'receiver'): Step => {
  if (isErased(state, by)) return answered(state, unauthenticated);
  if (state.erased.length > 0) return answered(state, '200', notFound, conflict);
  return state.offer === 'pending' ? changed(state, { offer: 'cancelled' }) : answered(state, conflict);
};

const offeredAgain = (state: State): Step => {
  if (state.scope === 'session') return answered(state, conflict);
  if (isErased(state, 'receiver')) return answered(state, '400 invalid_request');
  if (state.offer === 'pending' || state.offeredAgain) return answered(state, conflict);
  return changed(state, { offeredAgain: true }, '201');
};

const erased = (state: State, party: Party): Step => {
  if (isErased(state, party)) return answered(state, notFound);
  const sharedWith = without(state, party);
  const place = state.scope === 'shared' ? placed(sharedWith) : {};
  return changed(state, { ...place, erased: [...state.erased, party] });
};

/** What one operation does to the state, and how it is answered. */
const step = (state: State, operation: Operation): Step => {
  switch (operation) {
    case 'share':
      return ofLive(state, () => {
        if (state.scope === 'session') return answered(state, conflict);
        return changed(state, placed([...without(state, 'other'), 'other']));
      });
    case 'unshare':
      return ofLive(state, () => changed(state, state.scope === 'shared' ? placed(without(state, 'other')) : {}));
    case 'put':
      return ofLive(state, () => changed(state, { version: state.version + 1 }));
    case 'the receiver puts':
      if (isErased(state, 'receiver')) return answered(state, unauthenticated);
      if (state.owner === 'receiver') return changed(state, { version: state.version + 1 });
      // To those who can read it, it is the owner's to change.
      return answered(state, revealed(state, 'receiver').answers.includes(notFound) ? notFound : '403 owner_only');
    case 'to the session':
      return ofLive(state, () => {
        if (state.ended) return answered(state, '403 session_not_joined');
        return changed(state, { scope: 'session', sharedWith: [] });
      });
    case 'to the user':
      return ofLive(state, () => changed(state, { scope: 'user', sharedWith: [] }));
    case 'delete':
      return byGiver(state, () => changed(state, { isDeleted: true }, '204'));
    case 'recover':
      return byGiver(state, () => changed(state, { isDeleted: false }));
    case 'end the session':
      return isErased(state, 'giver') ? answered(state, unauthenticated) : changed(state, { ended: true });
    case 'offer again':
      return ofLive(state, () => offeredAgain(state));
    case 'accept':
      return accepted(state);
    case 'cancel':
      return cancelled(state, 'giver');
    case 'decline':
      return cancelled(state, 'receiver');
    case 'erase the giver':
      return erased(state, 'giver');
    case 'erase the receiver':
      return erased(state, 'receiver');
    case 're-encrypt the giver':
      return answered(state, isErased(state, 'giver') ? notFound : '200');
    case 're-encrypt the receiver':
      return answered(state, isErased(state, 'receiver') ? notFound : '200');
    case 'the giver reveals':
      return revealed(state, 'giver');
    case 'the receiver reveals':
      return revealed(state, 'receiver');
    case 'the other reveals':
      return revealed(state, 'other');
  }
};

export const isExplained = createIsLinearizable(step);
