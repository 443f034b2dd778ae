export type { AuditAction } from './actions.ts';
export { createIntegrityWatch } from './integrity.ts';
export { type Audit, type AuditEntry, createAudit } from './record.ts';
