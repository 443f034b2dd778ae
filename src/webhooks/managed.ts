import type { Mutate } from '../access/index.ts';
import type { Audit, AuditAction } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { WebhookId } from '../core/ids.ts';
import type { Db, Outcome, Tx } from '../db/database.ts';
import type { WebhookRow } from '../db/tables/index.ts';
import type { WebhookQueries } from './queries.ts';
import { webhookTarget } from './webhook.ts';

export const isAdministrator = (caller: Caller): boolean => caller.permissions.has('admin');

/** Whether a webhook is the caller's to look at and to change: their own, and for administrators those of the service. */
export const manages = (caller: Caller, { owner_id }: Pick<WebhookRow, 'owner_id'>): boolean =>
  owner_id === null ? isAdministrator(caller) : owner_id === caller.userId;

/** A credential that reaches one session only must not have the user's events sent somewhere. */
export const sessionBound = (): KeyholdError =>
  new KeyholdError(
    'permission_missing',
    'A token that is bound to a session cannot manage webhooks. Use another token.',
  );

/** Refuses to show webhooks to a credential that reaches one session only, and records it. */
export const createRefuseBound =
  ({ db, audit }: { readonly db: Db; readonly audit: Audit }) =>
  async (caller: Caller): Promise<void> => {
    if (!caller.boundToSession) return;
    const error = sessionBound();
    await audit.recordAlone(db, caller, { action: 'request.refused', outcome: 'refused', reason: error.code });
    throw error;
  };

export type RefuseBound = ReturnType<typeof createRefuseBound>;

/** A webhook of the caller's, locked until the transaction ends. */
export interface LockedWebhook {
  readonly tx: Tx;
  readonly row: WebhookRow;
  /** Records the refusal and returns it. */
  refuse(error: KeyholdError): Promise<{ readonly refused: KeyholdError }>;
}

/** Does one change of one webhook of the caller's, in a transaction of its own. Throws `not_found` for any other. */
export type OpenWebhook = <T>(
  caller: Caller,
  id: WebhookId,
  action: AuditAction,
  work: (locked: LockedWebhook) => Promise<Outcome<T>>,
) => Promise<T>;

interface Deps {
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly queries: Pick<WebhookQueries, 'lock'>;
}

export const createOpenWebhook =
  ({ audit, mutate, queries }: Deps): OpenWebhook =>
  (caller, id, action, work) =>
    mutate(caller, async (tx) => {
      const target = webhookTarget(id);
      const refuse = (error: KeyholdError) => audit.refuse(tx, caller, action, { target, error });
      if (caller.boundToSession) return await refuse(sessionBound());
      const row = await queries.lock(tx, id);
      if (!row || !manages(caller, row))
        return await audit.refuse(tx, caller, action, { target, error: notFound(), reason: 'nothing' });
      return await work({ tx, row, refuse });
    });
