export { inspectServiceKeys, opensOwnerKey } from './inspect.ts';
export { createOwnerKeys, type OwnerKeys } from './owner-keys.ts';
export { createSeals, integrityBroken, type Seals, type Unsealed } from './seals.ts';
export { openServiceKeys } from './service-keys.ts';
