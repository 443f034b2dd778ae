import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, troubleOf, usage } from '../failure.ts';

const exists = (path: string): CliFailure =>
  new CliFailure(exitCodes.conflict, `${path} is there already. Say --force to replace it, or choose another name.`);

const notWritten = (path: string, cause: unknown): CliFailure =>
  new CliFailure(exitCodes.notWritten, `${path} could not be written: ${troubleOf(cause) ?? 'writing failed'}.`, {
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

const isThere = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EEXIST';

/** Writes a file that only its owner may read (0600), whole or not at all. Another one is replaced only with `force`. */
export const writePrivateFile = (path: string, text: string, force: boolean): void => {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  const there = force ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
  if (there && !there.isFile()) throw usage(`${path} is not a file. Choose another name, or - for stdout.`);
  try {
    writeDraft(draft, Buffer.from(text));
    if (force) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (error) {
    throw !force && isThere(error) ? exists(path) : notWritten(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
};
