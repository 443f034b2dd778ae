export type { AuditAction, AuditDetails } from './actions.ts';
export {
  type ExportedRecord,
  type ExportSummary,
  ExportUnusable,
  readAuditExport,
  writeAuditExport,
} from './export.ts';
export { createIntegrityWatch } from './integrity.ts';
export type { AuditReason } from './reasons.ts';
export { type Actor, type Audit, type AuditEntry, createAudit, systemActor } from './record.ts';
