import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText, usage } from '../failure.ts';

const exists = (path: string): CliFailure =>
  new CliFailure(exitCodes.conflict, `${path} already exists. Pass --force to overwrite it, or choose another name.`);

const notWritten = (path: string, cause: unknown): CliFailure =>
  new CliFailure(exitCodes.notWritten, `${path} could not be written: ${systemErrorText(cause) ?? 'writing failed'}.`, {
    cause,
  });

const writeDraft = (draft: string, content: Buffer): void => {
  const handle = openSync(draft, 'wx', 0o600);
  try {
    for (let at = 0; at < content.length; ) at += writeSync(handle, content, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

const existsAlready = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

/** Writes a file with mode 0600 atomically. An existing file is overwritten only with `force`. Throws notWritten. */
export const writePrivateFile = (path: string, text: string, force: boolean): void => {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  const present = force ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
  if (present && !present.isFile()) throw usage(`${path} is not a regular file. Choose another name, or - for stdout.`);
  try {
    writeDraft(draft, Buffer.from(text));
    if (force) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (error) {
    throw !force && existsAlready(error) ? exists(path) : notWritten(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
};
