export type { Asked } from './asked.ts';
export { createIdentityMac } from './identity-mac.ts';
export { inspectServiceKeys, opensOwnerKey } from './inspect.ts';
export type { LoginKey } from './login-keys.ts';
export { type ReadSealKeys, sealInOlderFormat } from './older-format.ts';
export { createOwnerKeys, type OpenOwnerKey, type OwnerKeys } from './owner-keys.ts';
export { countOwnerKeys, type OnNewLookupKey } from './prove.ts';
export { type HeldKeys, type KeyRing, openKeyRing } from './ring.ts';
export { type RootKey, rootKeyInMemory } from './root-key.ts';
export { type CurrentSealKeys, fixedSealKeys, type SealKeys } from './seal-keys.ts';
export {
  type AnyInsert,
  createSeals,
  exactVersionOf,
  integrityBroken,
  type Seals,
  type Unsealed,
  versionOf,
} from './seals.ts';
export { notWritten, type Unchanged } from './write.ts';
