export type { AuditAction, AuditDetails } from './actions.ts';
export { createIntegrityWatch } from './integrity.ts';
export type { AuditReason } from './reasons.ts';
export { type Actor, type Audit, type AuditEntry, createAudit } from './record.ts';
