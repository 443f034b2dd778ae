export type { Asked } from './asked.ts';
export { createIdentityMac } from './identity-mac.ts';
export { inspectServiceKeyRows, inspectServiceKeys, opensOwnerKey } from './inspect.ts';
export { sealInOlderFormat } from './older-format.ts';
export { createOwnerKeys, type OwnerKeys } from './owner-keys.ts';
export {
  type AnyInsert,
  createSeals,
  exactVersionOf,
  integrityBroken,
  type Seals,
  type Unsealed,
  versionOf,
} from './seals.ts';
export { type OnNewLookupKey, openServiceKeys } from './service-keys.ts';
export { notWritten, type Unchanged } from './write.ts';
