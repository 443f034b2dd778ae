import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type BackupSummary, verifyBackup, writeBackup } from '../../backup/index.ts';
import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { findRootKeys, type RootKeys } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import { isCurrentSchema } from '../../db/migrate.ts';
import { withOwnerSession } from '../../db/owner-session.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { version } from '../version.ts';
import { type Draft, refuseExisting, withDraft } from './draft-file.ts';
import { asOperator, noRootKey, wrongSchema } from './open.ts';
import { withRowsProgress } from './rows-progress.ts';

export interface BackupOptions {
  /** Recipients of age, in place of the root key. */
  readonly recipients: readonly string[];
  readonly force: boolean;
  /** Write no backup of a database with broken rows. */
  readonly strict: boolean;
}

/** `keyhold backup`: writes a backup that is whole and was read again, or none. Ends in 1 where rows are broken. */
export const backup = async (context: CliContext, path: string, options: BackupOptions): Promise<void> => {
  const env = readEnv();
  const config = readConfig(env);
  const rootKeys = findRootKeys(env, config.configDir);
  if (rootKeys === null) throw noRootKey(config.configDir);
  await refuseExisting(path, options.force);
  const summary = await withDraft(path, options.force, async (draft) => {
    const hash = createHash('sha256');
    const write = async (bytes: Uint8Array): Promise<void> => {
      hash.update(bytes);
      await draft.write(bytes);
    };
    const written = await withRowsProgress(context, 'Writing', (onRows) =>
      withOwnerSession(
        config,
        () => undefined,
        async (session) => {
          // Else the backup could not be recorded.
          if (!(await isCurrentSchema(session.db))) throw wrongSchema();
          const { recipients } = options;
          return await writeBackup(session, { rootKeys, version, recipients, now: systemClock.now(), onRows }, write);
        },
      ),
    );
    if (options.strict && written.brokenNames.length > 0) throw tooBroken(written);
    await draft.flush();
    await readAgain(context, draft, { rootKeys, written, sha256: hash.digest('hex') });
    await record(written);
    return written;
  });
  await report(context, path, summary);
};

interface Written {
  readonly rootKeys: RootKeys;
  readonly written: BackupSummary;
  readonly sha256: string;
}

const notWhole = (path: string): CliFailure =>
  new CliFailure(exitCodes.notWritten, `${path} could not be written: what was read again differs from it.`);

/** Reads the file as a restore does. What only an age identity decrypts is compared byte for byte. */
const readAgain = async (context: CliContext, draft: Draft, { rootKeys, written, sha256 }: Written): Promise<void> => {
  if (written.header.encryption === 'age') {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(draft.path)) hash.update(chunk as Buffer);
    if (hash.digest('hex') !== sha256) throw notWhole(draft.path);
    return;
  }
  const read = await withRowsProgress(context, 'Reading again', (onRows) =>
    verifyBackup(draft.path, { rootKeys, identities: [] }, onRows),
  );
  if (read.header.id !== written.header.id || read.rows !== written.rows) throw notWhole(draft.path);
};

export const brokenRows = ({ broken }: BackupSummary): number =>
  Object.values(broken).reduce((sum, count) => sum + count, 0);

/** The names of broken rows, for people. */
export const brokenLines = (summary: BackupSummary): string => {
  const rest = brokenRows(summary) - summary.brokenNames.length;
  return [...summary.brokenNames, ...(rest > 0 ? [`and ${rest} more`] : [])].map((name) => `\n  ${name}`).join('');
};

const tooBroken = (summary: BackupSummary): CliFailure =>
  new CliFailure(
    exitCodes.conflict,
    `${brokenRows(summary)} rows were changed outside of Keyhold. No backup was written. Run "keyhold doctor", or leave out --strict.${brokenLines(summary)}`,
  );

const record = (summary: BackupSummary): Promise<void> =>
  asOperator('backup', async ({ record: recordOf }, caller) => {
    const details = { backup_id: summary.header.id, rows: summary.rows, broken: brokenRows(summary) };
    await recordOf(caller, { action: 'backup.create', outcome: 'allowed', details });
  });

const report = async (context: CliContext, path: string, summary: BackupSummary): Promise<void> => {
  const { header, tables, rows, broken } = summary;
  const keys = header.root_keys.join(' and ');
  const age = header.encryption === 'age' ? ' and an age identity of one of its recipients' : '';
  const result = { ...header, file: path, tables, rows, broken };
  await context.out.result(
    result,
    () =>
      `Wrote ${rows} rows of ${Object.keys(tables).length} tables to ${path}.\nTo restore it you need root key ${keys}${age}. Keep them apart from the backup.\n`,
  );
  if (brokenRows(summary) === 0) return;
  context.out.warn(
    `Warning: ${brokenRows(summary)} rows were changed outside of Keyhold, and are in the backup as they stand. Run "keyhold doctor".${brokenLines(summary)}`,
  );
  process.exitCode = exitCodes.failed;
};
