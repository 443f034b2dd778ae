import { createReadStream } from 'node:fs';
import { sql } from 'kysely';
import { type ExportedRecord, ExportUnusable, readAuditExport } from '../audit/index.ts';
import { createCredentialWithdrawals } from '../auth/index.ts';
import type { RootKeys } from '../config/root-keys.ts';
import { operator, type Role } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import type { LoginId, SecretId, SessionId, TokenId, UserId, WebhookId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { scanRows } from '../db/scan.ts';
import type { ServiceKeyRow } from '../db/tables/index.ts';
import { createNow } from '../db/time.ts';
import { createEventErasing } from '../events/index.ts';
import { memoryErasing } from '../graph/index.ts';
import { createHandoverWithdrawals } from '../handovers/index.ts';
import { inspectServiceKeyRows, verifyingKeys } from '../keys/index.ts';
import { createPurge, purgeStart } from '../lifecycle/index.ts';
import { createSecretWithdrawals } from '../secrets/index.ts';
import { createSessionWithdrawals } from '../sessions/index.ts';
import { createUserWithdrawals } from '../users/index.ts';
import { createWebhookWithdrawals, webhooksErasing } from '../webhooks/index.ts';
import { linesOf } from './lines.ts';
import type { Restored } from './restored.ts';
import { createTakenAway, type TakenAway, type TakenKind, takenKinds } from './taken-away.ts';

/** What was done about something that had been taken away. `absent`: it is not in the database, so there is nothing to do. */
export type Withdrawal = TakenAway & { readonly state: 'listed' | 'applied' | 'absent' };

export interface Withdrawals {
  readonly taken: readonly Withdrawal[];
  /** Ids of records that were broken when they were exported. What they told of is not known. */
  readonly broken: readonly string[];
  /** False where nobody is left who can administer users, other than the operator. */
  readonly hasAdministrator: boolean;
}

const unusable = (reason: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', `The export of the audit log cannot be used: ${reason}. Nothing was changed.`, {
    cause,
  });

/** The records of an export, verified. Throws `invalid_request`, also after the last one. */
async function* recordsIn(path: string, rootKeys: RootKeys): AsyncGenerator<ExportedRecord> {
  try {
    const openKeys = async (wrapped: readonly ServiceKeyRow[]) => {
      const { sealKeys } = await inspectServiceKeyRows(wrapped, rootKeys.keys);
      return sealKeys === null ? [] : verifyingKeys(sealKeys, 'audit_log');
    };
    yield* readAuditExport(linesOf(createReadStream(path)), openKeys);
  } catch (error) {
    throw error instanceof ExportUnusable ? unusable(error.message, error) : error;
  }
}

/** Reads a whole export. Throws `invalid_request` where it does not verify. */
export const checkExport = async (path: string, rootKeys: RootKeys): Promise<void> => {
  for await (const _ of recordsIn(path, rootKeys));
};

async function* storedRecords(tx: Tx): AsyncGenerator<RawRow> {
  for await (const rows of scanRows(tx, 'audit_log')) yield* rows;
}

const idOf = (row: RawRow): string => String(row['id']);
const sealOf = (row: RawRow): string =>
  row['seal'] instanceof Uint8Array ? Buffer.from(row['seal']).toString('hex') : '';

/** Records of the database that an export made elsewhere cannot have: the restore itself, and what was done since then. */
const isSince = (row: RawRow, restoredAt: Date): boolean =>
  row['recorded_at'] instanceof Date && row['recorded_at'].getTime() >= restoredAt.getTime();

/**
 * Hands on the records that the export has and the database has not. Both are in the order of ids. Throws `invalid_request`
 * where the database has a record of before it was restored that the export lacks or has otherwise.
 */
const compareRecords = async (
  stored: AsyncGenerator<RawRow>,
  exported: AsyncIterable<ExportedRecord>,
  { restoredAt, onNew }: { readonly restoredAt: Date; readonly onNew: (record: ExportedRecord) => void },
): Promise<void> => {
  const next = async (): Promise<RawRow | null> => {
    const { value, done } = await stored.next();
    return done ? null : value;
  };
  const missing = (row: RawRow): void => {
    if (isSince(row, restoredAt)) return;
    throw unusable(`it lacks record ${idOf(row)} of the backup, so it is older or of another database`);
  };
  let row = await next();
  for await (const record of exported) {
    while (row !== null && idOf(row) < record.id) {
      missing(row);
      row = await next();
    }
    if (row === null || idOf(row) !== record.id) {
      onNew(record);
      continue;
    }
    if (sealOf(row) !== record.seal) throw unusable(`its record ${record.id} is not the one of the backup`);
    row = await next();
  }
  for (; row !== null; row = await next()) missing(row);
};

/** When the database was restored last. */
const restoredAtOf = async ({ tx, seals }: Pick<Restored, 'tx' | 'seals'>): Promise<Date> => {
  const { rows } = await sql<RawRow>`select * from public.restores`.execute(tx);
  const times = rows.filter((row) => seals.isIntact('restores', row)).map((row) => Number(row['restored_at']));
  if (times.length > 0) return new Date(Math.max(...times));
  throw new KeyholdError('state_conflict', 'This database was not restored from a backup. Nothing was changed.');
};

/**
 * Lists what was taken away after the backup, as an export of the audit log that was made later tells it, and with `apply`
 * takes it away again, each with a record. What cannot be applied exactly takes more away. Grants are not made again.
 */
export const withdrawSince = async (
  restored: Restored,
  { path, rootKeys, apply }: { readonly path: string; readonly rootKeys: RootKeys; readonly apply: boolean },
): Promise<Withdrawals> => {
  const { tx } = restored;
  const restoredAt = await restoredAtOf(restored);
  const gathered = createTakenAway();
  const broken: string[] = [];
  await compareRecords(storedRecords(tx), recordsIn(path, rootKeys), {
    restoredAt,
    onNew: ({ id, row }) => {
      if (row === null) broken.push(id);
      else gathered.add(row);
    },
  });
  const taken: Withdrawal[] = [];
  const { users, applyOne } = createApply(restored);
  for (const one of gathered.all()) taken.push({ ...one, state: apply ? await applyOne(one) : 'listed' });
  return { taken, broken, hasAdministrator: await users.hasAdministrator(tx) };
};

type Apply = (one: TakenAway) => Promise<boolean>;

const createApply = ({ tx, seals, clock, lookupKey, audit }: Restored) => {
  const now = createNow(clock);
  const users = createUserWithdrawals({ seals, clock, lookupKey });
  const sessions = createSessionWithdrawals({ seals, now });
  const secrets = createSecretWithdrawals({ seals, clock });
  const credentials = createCredentialWithdrawals({ seals, clock });
  const webhooks = createWebhookWithdrawals({ seals, clock });

  const handovers = createHandoverWithdrawals({ seals, clock });
  const purging = createPurge({
    ...{ users, sessions, secrets, handovers },
    ...{ webhooks: { erasing: webhooksErasing }, graph: { erasing: memoryErasing } },
    events: createEventErasing(seals),
  });

  const erase = async (id: UserId): Promise<boolean> => {
    if (!(await users.erase(tx, id))) return false;
    let at: Parameters<typeof purging.purge>[2] | null = purgeStart;
    while (at !== null) ({ cursor: at } = await purging.purge(tx, id, at, { limit: 1000, batch: 500, locked: 'wait' }));
    return true;
  };

  const ways: Readonly<Record<TakenKind, Apply>> = {
    'token revoked': ({ id }) => credentials.revokeToken(tx, id as TokenId),
    'login ended': ({ id }) => credentials.endLogin(tx, id as LoginId),
    'login refreshed': ({ id, count = 0 }) => credentials.advanceLogin(tx, id as LoginId, count),
    unshared: ({ id, userId }) => secrets.unshare(tx, id as SecretId, userId as UserId),
    deactivated: ({ id }) => secrets.deactivate(tx, id as SecretId),
    deleted: ({ id }) => secrets.remove(tx, id as SecretId),
    purged: ({ id }) => secrets.purge(tx, id as SecretId),
    'for use only': ({ id }) => secrets.allowUseOnly(tx, id as SecretId),
    'secret expires': ({ id, expiresAt }) => secrets.expire(tx, id as SecretId, expiresAt),
    // The value stays with its former owner, who can use it only after activating it.
    'handed over': ({ id }) => secrets.deactivate(tx, id as SecretId),
    'offer called off': ({ id }) => handovers.cancelOffer(tx, id as SecretId),
    'hand-over called off': ({ id }) => handovers.cancelOfUser(tx, id as UserId),
    transferred: ({ id }) => secrets.leaveToOwner(tx, id as SecretId),
    'session ended': ({ id }) => sessions.end(tx, id as SessionId),
    'session expires': ({ id, expiresAt }) =>
      expiresAt === undefined ? sessions.end(tx, id as SessionId) : sessions.endAt(tx, id as SessionId, expiresAt),
    'left the session': ({ id, userId }) => sessions.leave(tx, id as SessionId, userId as UserId),
    disabled: ({ id }) => users.disable(tx, id as UserId),
    'logins and tokens ended': ({ id }) => users.endCredentials(tx, id as UserId),
    'role lowered': ({ id, role }) => users.lowerRole(tx, id as UserId, role as Role),
    'password changed': ({ id }) => users.forgetPassword(tx, id as UserId),
    erased: ({ id }) => erase(id as UserId),
    'webhook deleted': ({ id }) => webhooks.remove(tx, id as WebhookId),
    'webhook switched off': ({ id }) => webhooks.switchOff(tx, id as WebhookId),
    'webhook changed': ({ id }) => webhooks.switchOff(tx, id as WebhookId),
    'every login ended': async () => {
      await credentials.endAllLogins(tx);
      return true;
    },
    'everything ended': async () => {
      await endEverything({ tx, seals, clock });
      return true;
    },
  };

  const applyOne = async (one: TakenAway): Promise<'applied' | 'absent'> => {
    if (!(await ways[one.what](one))) return 'absent';
    const user = one.userId === undefined ? {} : { user_id: one.userId };
    const type = takenKinds[one.what];
    await audit.allow(tx, operator('restore'), 'backup.revoke', {
      ...(type === null ? {} : { target: { type, id: one.id } }),
      details: { what: one.what, record: one.record, ...user },
    });
    return 'applied';
  };
  return { users, applyOne };
};

/** How much that gave access was ended. */
export interface RevokedAll {
  readonly logins: number;
  readonly tokens: number;
  readonly shares: number;
  readonly webhooks: number;
}

const endEverything = async ({ tx, seals, clock }: Pick<Restored, 'tx' | 'seals' | 'clock'>): Promise<RevokedAll> => {
  const credentials = createCredentialWithdrawals({ seals, clock });
  // What is offered gives access as soon as it is accepted.
  await createHandoverWithdrawals({ seals, clock }).cancelAll(tx);
  return {
    logins: await credentials.endAllLogins(tx),
    tokens: await credentials.revokeAllTokens(tx),
    shares: await createSecretWithdrawals({ seals, clock }).unshareAll(tx),
    webhooks: await createWebhookWithdrawals({ seals, clock }).switchAllOff(tx),
  };
};

/** Ends every login, token and share of a restored database, with a record. */
export const revokeAll = async (restored: Restored): Promise<RevokedAll> => {
  const { tx, audit } = restored;
  await restoredAtOf(restored);
  const revoked = await endEverything(restored);
  await audit.allow(tx, operator('restore'), 'backup.revoke_all', { details: revoked });
  return revoked;
};
