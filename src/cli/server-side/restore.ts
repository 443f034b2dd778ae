import { readFile } from 'node:fs/promises';
import { type BackupSummary, readHeader, restoreBackup, verifyBackup } from '../../backup/index.ts';
import { readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { findRootKeys } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText, usage } from '../failure.ts';
import { brokenLines, brokenRows } from './backup.ts';
import { asOperator } from './open.ts';
import { rowsProgress, withRowsProgress } from './rows-progress.ts';

export interface RestoreFlags {
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
  if (flags.release) return await release(context, path);
  if (path === undefined) throw usage('Say which backup to restore: keyhold restore <file>.');
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

const resultOf = ({ header, tables, rows, broken }: BackupSummary) => ({ ...header, tables, rows, broken });

const check = async (context: CliContext, path: string, identities: readonly string[]): Promise<void> => {
  const env = readEnv();
  const rootKeys = findRootKeys(env, readConfig(env).configDir);
  await readHeader(path);
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

const load = async (context: CliContext, path: string, { identities, without }: Loading): Promise<void> => {
  const env = readEnv();
  const config = readConfig(env);
  const rootKeys = findRootKeys(env, config.configDir);
  const progress = rowsProgress(context);
  const words = { verify: 'Verifying', load: 'Restoring' } as const;
  const onStep = (step: keyof typeof words) => progress.step(words[step]);
  const options = { config, clock: systemClock, rootKeys, identities, without, onStep };
  const { summary } = await restoreBackup(path, options, async () => undefined).finally(progress.end);
  context.noteChange();
  await context.out.result(
    resultOf(summary),
    () => `Restored ${summary.rows} rows of ${Object.keys(summary.tables).length} tables.\n${next(summary)}`,
  );
  warnOfBroken(context, summary);
};

const next = ({ header }: BackupSummary): string =>
  `The database is as it was at ${header.created_at}. Access that was taken away later is open again: logins, tokens and shares.
Nothing is deleted because of its age until you run "keyhold restore --release".\n`;

const release = async (context: CliContext, path: string | undefined): Promise<void> => {
  if (path !== undefined) throw usage('--release takes no file: it is about the database that was restored.');
  const released = await asOperator('restore --release', ({ hold }, caller) => hold.release(caller));
  if (released > 0) context.noteChange();
  const text = released === 0 ? 'Nothing is held back.' : 'Released. What is due because of its age happens again.';
  await context.out.result({ released }, () => `${text}\n`);
};
