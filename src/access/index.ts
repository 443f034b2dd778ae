export {
  type AccessBasis,
  type Action,
  decide,
  isExpired,
  mayPlace,
  type Refusal,
  type SecretFacts,
  type Subject,
} from './decide.ts';
export {
  type Authenticate,
  createGate,
  type Gate,
  type Operation,
  type Presented,
  type Requirement,
} from './gate.ts';
export { isAccessibleBy } from './is-accessible-by.ts';
export { createLimits, type Limits, type Sender } from './limits.ts';
export { createMutate, type Mutate, waitingPeriod } from './mutate.ts';
export {
  hasJoined,
  isPresent,
  joinedCondition,
  type ParticipantState,
  present,
  presentCondition,
  stateOf,
} from './presence.ts';
export {
  type CallerState,
  createCallerState,
  type InvalidReason,
  invalidCredential,
  isSessionActive,
  lapsesAt,
  type ValidCredential,
} from './revalidate.ts';
export { rowsUnchanged } from './unchanged.ts';
export { type Branch, visibleBranches } from './visible.ts';
