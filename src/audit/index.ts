export type { AuditAction, AuditTarget } from './actions.ts';
export { createIntegrityWatch, type IntegrityWatch } from './integrity.ts';
export { type Actor, type Audit, type AuditEntry, createAudit } from './record.ts';
