export type { Asked, Narrowing } from './asked.ts';
export { createEventIds, type EventIdScope, type EventIds } from './event-ids.ts';
export { liveServices, lockKeys, serviceName } from './heartbeats.ts';
export type { HeldKeys } from './held-keys.ts';
export { createIdentityMac } from './identity-mac.ts';
export { inspectServiceKeyRows, inspectServiceKeys, opensOwnerKey } from './inspect.ts';
export { type LoginKey, lastTokenExpires } from './login-keys.ts';
export { type ReadSealKeys, sealInOlderFormat } from './older-format.ts';
export { createOwnerKeys, type OpenOwnerKey, type OwnerKeys } from './owner-keys.ts';
export { countOwnerKeys, type OnNewLookupKey, rootKeyStates } from './prove.ts';
export { resealBatch, resealedTables, sealKeyIdOf } from './reseal.ts';
export { type KeyRing, openKeyRing } from './ring.ts';
export { type RootKey, rootKeyInMemory } from './root-key.ts';
export { isOldest, neededFor, type RootKeyDependents, rootKeyDependents } from './root-key-needs.ts';
export { type SealKeys, verifyingKeys } from './seal-keys.ts';
export { announceSealKey, promoteSealKey, removeCopies, retireSealKeys } from './seal-rotation.ts';
export {
  type AnyInsert,
  createSeals,
  exactVersionOf,
  integrityBroken,
  type Seals,
  type Unsealed,
  versionOf,
} from './seals.ts';
export { createWebhookSecrets, type WebhookSecrets } from './webhook-secrets.ts';
export { notWritten, type Unchanged } from './write.ts';
