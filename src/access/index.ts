export {
  type Action,
  type Asking,
  type Because,
  decide,
  isExpired,
  mayPlace,
  type Refusal,
  type SecretFacts,
} from './decide.ts';
export { groundsStand } from './grounds.ts';
export { isAccessibleBy } from './is-accessible-by.ts';
export { createMutate, type Mutate, waitingPeriod } from './mutate.ts';
export {
  createStanding,
  credentialGone,
  type DeadCredential,
  isSessionActive,
  type LiveCredential,
  type Standing,
} from './standing.ts';
export { type Branch, visibleBranches } from './visible.ts';
