import type { AuditAction, AuditDetails } from '../audit/index.ts';

/** Actions that change one secret. Their records name its new revision. */
export type ChangeAction = {
  [A in AuditAction]: A extends `secret.${string}` ? (AuditDetails[A] extends { revision: number } ? A : never) : never;
}[AuditAction];

/** What the record of a change says in addition to the revision. */
export type ChangeDetails<A extends ChangeAction> = Omit<AuditDetails[A], 'revision'>;
