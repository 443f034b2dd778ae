import {
  type Restored,
  type RevokedAll,
  revokeAll,
  type Withdrawal,
  type Withdrawals,
  withdrawSince,
} from '../../backup/index.ts';
import type { RootKeys } from '../../config/root-keys.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';

/** What is taken away again after a restore. */
export interface Withdrawing {
  /** A later export of the audit log. */
  readonly sinceExport: string | null;
  readonly applyRevocations: boolean;
  readonly revokeAll: boolean;
}

export interface Withdrawn {
  readonly since: Withdrawals | null;
  readonly all: RevokedAll | null;
}

/** Lists and takes away, in the transaction of the restore. */
export const withdraw = async (
  restored: Restored,
  rootKeys: RootKeys | null,
  flags: Withdrawing,
): Promise<Withdrawn> => {
  const { sinceExport: path, applyRevocations: apply } = flags;
  const since = path === null || rootKeys === null ? null : await withdrawSince(restored, { path, rootKeys, apply });
  return { since, all: flags.revokeAll ? await revokeAll(restored) : null };
};

const itemOf = ({ what, id, userId, role, expiresAt, count, record, at, state }: Withdrawal) => ({
  what,
  id,
  state,
  at: at.toISOString(),
  record,
  ...(userId === undefined ? {} : { user_id: userId }),
  ...(role === undefined ? {} : { role }),
  ...(expiresAt === undefined ? {} : { expires_at: expiresAt.toISOString() }),
  ...(count === undefined ? {} : { refreshes: count }),
});

const detailOf = ({ userId, role, expiresAt, count }: Withdrawal): string => {
  if (userId !== undefined) return `user ${userId}`;
  if (role !== undefined) return `to ${role}`;
  if (expiresAt !== undefined) return `at ${expiresAt.toISOString()}`;
  return count === undefined ? '' : `${count} times`;
};

const states: Readonly<Record<Withdrawal['state'], string>> = {
  listed: 'open again',
  applied: 'taken away again',
  absent: 'not in the backup',
};

const tableOf = (context: CliContext, { taken }: Withdrawals): string => {
  if (taken.length === 0) return 'Nothing was taken away after the backup.\n';
  const rows = taken.map((one) => [one.at.toISOString(), one.what, one.id, detailOf(one), states[one.state]]);
  return context.out.table(['AT', 'WHAT', 'ID', 'DETAIL', 'NOW'], rows);
};

const advice = ({ taken }: Withdrawals): string =>
  taken.some(({ state }) => state === 'listed')
    ? 'Take all of it away again with: keyhold restore --since-export <file> --apply-revocations\n'
    : '';

interface Report {
  readonly text: string;
  readonly withdrawn: Withdrawn;
}

/** Prints a result with what was listed and taken away. Ends in 1 where something of it could not be read. */
export const reportWithdrawn = async (
  context: CliContext,
  result: object,
  { text, withdrawn: { since, all } }: Report,
): Promise<void> => {
  const whole = {
    ...result,
    ...(since === null ? {} : { taken_away: since.taken.map(itemOf), broken_records: since.broken }),
    ...(all === null ? {} : { revoked: all }),
  };
  await context.out.result(whole, () => {
    const listed = since === null ? '' : tableOf(context, since) + advice(since);
    const ended =
      all === null
        ? ''
        : `Ended ${all.logins} logins and ${all.tokens} tokens, unshared ${all.shares} secrets, and switched ${all.webhooks} webhooks off.\n`;
    return text + listed + ended;
  });
  if (since !== null) warn(context, since);
};

const warn = (context: CliContext, { broken, hasAdministrator }: Withdrawals): void => {
  if (!hasAdministrator)
    context.out.warn(
      'Warning: no active administrator is left. Create one with: keyhold admin user add <username> --role admin',
    );
  if (broken.length === 0) return;
  context.out.warn(
    `Warning: ${broken.length} records of the export had been changed outside of Keyhold. What they told of is not known: ${broken.slice(0, 20).join(', ')}`,
  );
  process.exitCode = exitCodes.failed;
};
