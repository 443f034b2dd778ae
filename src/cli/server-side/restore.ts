import { readFile } from 'node:fs/promises';
import {
  type BackupSummary,
  checkExport,
  onRestored,
  type Restored,
  type RestoreOptions,
  restoreBackup,
  verifyBackup,
} from '../../backup/index.ts';
import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { findRootKeys } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText, usage } from '../failure.ts';
import { brokenLines, brokenRows } from './backup.ts';
import { asOperator, noRootKey } from './open.ts';
import { rowsProgress, withRowsProgress } from './rows-progress.ts';
import { reportWithdrawn, type Withdrawing, type Withdrawn, withdraw } from './withdraw.ts';

export interface RestoreFlags extends Withdrawing {
  /** Files of age identities. */
  readonly identity: readonly string[];
  readonly without: readonly string[];
  /** Only verify the backup. */
  readonly check: boolean;
  /** Only release what is held back since a restore. */
  readonly release: boolean;
}

/** `keyhold restore`, in its several forms. */
export const restore = async (context: CliContext, path: string | undefined, flags: RestoreFlags): Promise<void> => {
  if (flags.applyRevocations && flags.sinceExport === null)
    throw usage('--apply-revocations needs --since-export <file>.');
  if (flags.check && (flags.sinceExport !== null || flags.revokeAll))
    throw usage('--check only verifies the backup. Leave out --since-export and --revoke-all.');
  if (flags.release) return await release(context, path);
  if (path === undefined) return await withdrawLater(context, flags);
  const identities = await identitiesIn(flags.identity);
  await explainUnreadable(path, () =>
    flags.check ? check(context, path, identities) : load(context, path, { ...flags, identities }),
  );
};

const identitiesIn = async (files: readonly string[]): Promise<readonly string[]> => {
  const texts = await Promise.all(files.map((file) => explainUnreadable(file, () => readFile(file, 'utf8'))));
  return texts.flatMap((text) => text.split('\n').map((line) => line.trim())).filter((line) => /^[^#]/.test(line));
};

/** An error of the file system is about `path`, the only file that is read. */
const explainUnreadable = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw asUnreadable(path, error);
  }
};

const asUnreadable = (path: string, cause: unknown): unknown => {
  const { syscall } = cause as NodeJS.ErrnoException;
  const reason = syscall === 'open' || syscall === 'read' ? systemErrorText(cause) : null;
  return reason === null ? cause : new CliFailure(exitCodes.usage, `${path} cannot be read: ${reason}.`, { cause });
};

const settings = (): Pick<RestoreOptions, 'config' | 'clock' | 'rootKeys'> => {
  const env = readEnv();
  const config = readConfig(env);
  return { config, clock: systemClock, rootKeys: findRootKeys(env, config.configDir) };
};

const resultOf = ({ header, tables, rows, broken }: BackupSummary) => ({ ...header, tables, rows, broken });

const check = async (context: CliContext, path: string, identities: readonly string[]): Promise<void> => {
  const { rootKeys } = settings();
  const summary = await withRowsProgress(context, 'Verifying', (onRows) =>
    verifyBackup(path, { rootKeys, identities }, onRows),
  );
  await context.out.result(
    resultOf(summary),
    () =>
      `${path} is whole: ${summary.rows} rows of ${Object.keys(summary.tables).length} tables, from ${summary.header.created_at}.\n`,
  );
  warnOfBroken(context, summary);
};

const warnOfBroken = (context: CliContext, summary: BackupSummary): void => {
  if (brokenRows(summary) === 0) return;
  context.out.warn(
    `Warning: ${brokenRows(summary)} rows of the backup had been changed outside of Keyhold. They are ignored.${brokenLines(summary)}`,
  );
};

interface Loading extends RestoreFlags {
  readonly identities: readonly string[];
}

const load = async (context: CliContext, path: string, flags: Loading): Promise<void> => {
  const base = settings();
  const { sinceExport } = flags;
  if (sinceExport !== null && base.rootKeys !== null) await checkReadable(sinceExport, base.rootKeys);
  const progress = rowsProgress(context);
  const words = { verify: 'Verifying', load: 'Restoring' } as const;
  const onStep = (step: keyof typeof words) => progress.step(words[step]);
  const { identities, without } = flags;
  const then = (restored: Restored): Promise<Withdrawn> => withdraw(restored, base.rootKeys, flags);
  const restored = await restoreBackup(path, { ...base, identities, without, onStep }, then).finally(progress.end);
  const { summary, result } = restored;
  context.noteChange();
  const text = `Restored ${summary.rows} rows of ${Object.keys(summary.tables).length} tables.\n${next(summary, flags)}`;
  await reportWithdrawn(context, { ...resultOf(summary) }, { text, withdrawn: result });
  warnOfBroken(context, summary);
};

/** Verifies an export before anything is touched. */
const checkReadable = (path: string, rootKeys: Parameters<typeof checkExport>[1]): Promise<void> =>
  explainUnreadable(path, () => checkExport(path, rootKeys));

const next = ({ header }: BackupSummary, { revokeAll, applyRevocations }: Withdrawing): string => {
  const open =
    revokeAll || applyRevocations
      ? ''
      : ' Access that was taken away later is open again: see "keyhold restore --help".';
  return `The database is as it was at ${header.created_at}.${open}
Nothing is deleted because of its age until you run "keyhold restore --release".\n`;
};

/** Takes access away in a database that was restored before. */
const withdrawLater = async (context: CliContext, flags: RestoreFlags): Promise<void> => {
  const { sinceExport, revokeAll } = flags;
  if (sinceExport === null && !revokeAll) throw usage('Say which backup to restore: keyhold restore <file>.');
  const base = settings();
  const { rootKeys } = base;
  if (rootKeys === null) throw noRootKey(base.config.configDir);
  if (sinceExport !== null) await checkReadable(sinceExport, rootKeys);
  const withdrawn = await onRestored(base, (restored) => withdraw(restored, rootKeys, flags));
  if (flags.applyRevocations || revokeAll) context.noteChange();
  await reportWithdrawn(context, {}, { text: '', withdrawn });
};

const release = async (context: CliContext, path: string | undefined): Promise<void> => {
  if (path !== undefined) throw usage('--release takes no file: it is about the database that was restored.');
  const released = await asOperator('restore --release', ({ lifecycle }, caller) => lifecycle.hold.release(caller));
  if (released > 0) context.noteChange();
  const text = released === 0 ? 'Nothing is held back.' : 'Released. What is due because of its age happens again.';
  await context.out.result({ released }, () => `${text}\n`);
};
