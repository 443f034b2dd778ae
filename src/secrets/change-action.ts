import type { AuditAction, AuditDetails } from '../audit/index.ts';

/** Actions that change one secret, by its owner. Their records name its new revision. */
export type ChangeAction = {
  [A in Exclude<AuditAction, 'secret.hand_over'>]: A extends `secret.${string}` | 'handover.offer'
    ? AuditDetails[A] extends { revision: number }
      ? A
      : never
    : never;
}[Exclude<AuditAction, 'secret.hand_over'>];

/** What the record of a change says in addition to the revision. */
export type ChangeDetails<A extends ChangeAction> = Omit<AuditDetails[A], 'revision'>;
