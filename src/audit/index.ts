export type { AuditAction, AuditTarget } from './actions.ts';
export { type Actor, type Audit, type AuditEntry, createAudit } from './record.ts';
