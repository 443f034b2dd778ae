import { spawn } from 'node:child_process';
import { constants, rmSync } from 'node:fs';
import { access, mkdtemp, open, readFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataOf } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, interrupted, systemErrorText, usage } from '../failure.ts';
import { resolveSecret } from './resolve.ts';
import { textOf } from './value.ts';

const tmpfsMagic = 0x01021994;
const ramfsMagic = 0x858458f6;

const inMemory = async (directory: string): Promise<boolean> => {
  try {
    await access(directory, constants.W_OK);
    const { type } = await statfs(directory);
    return type === tmpfsMagic || type === ramfsMagic;
  } catch {
    return false;
  }
};

/** A directory in memory where there is one, so that the value never reaches a disk. */
const directoryForFile = async (context: CliContext): Promise<string> => {
  for (const directory of [context.env.other('XDG_RUNTIME_DIR'), '/dev/shm', tmpdir()]) {
    if (directory !== null && (await inMemory(directory))) return directory;
  }
  return tmpdir();
};

const editorOf = (context: CliContext): string => {
  const editor = context.env.other('VISUAL') ?? context.env.other('EDITOR');
  if (editor === null) throw usage('No editor is set. Set EDITOR, for example EDITOR=vim.');
  return editor;
};

/** Runs the editor as git does, by the shell, so that EDITOR can hold options. The file is its last argument. */
const runEditor = (context: CliContext, editor: string, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', `${editor} "$@"`, editor, path], {
      stdio: 'inherit',
      env: context.env.forChild(),
    });
    child.once('error', () => reject(usage('The editor could not be started. Check that /bin/sh exists.')));
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      if (signal === 'SIGINT' || code === 130) return reject(interrupted());
      reject(new CliFailure(exitCodes.failed, `The editor exited with ${signal ?? code}. Nothing was changed.`));
    });
  });

const cannotEdit = (error: unknown): CliFailure =>
  new CliFailure(
    exitCodes.notWritten,
    `The value cannot be edited: ${systemErrorText(error) ?? 'writing the file failed'}.`,
    {
      cause: error,
    },
  );

const write = async (path: string, value: string): Promise<void> => {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(value);
    await file.close();
  } catch (error) {
    throw cannotEdit(error);
  }
};

const createDirectory = async (place: string): Promise<string> => {
  try {
    return await mkdtemp(join(place, 'keyhold-'));
  } catch (error) {
    throw cannotEdit(error);
  }
};

/** The secret's name, whose ending tells editors the kind of file; never a path, whatever a server calls a name. */
const fileNameOf = (name: string): string => (/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,200}$/.test(name) ? name : 'value');

/** The edited value. The file has a directory of its own, which takes the editor's swap and backup files with it. */
const edited = async (context: CliContext, name: string, value: string): Promise<string> => {
  const editor = editorOf(context);
  const directory = await createDirectory(await directoryForFile(context));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const ended = (signal: NodeJS.Signals): void => {
    remove();
    process.exit(signal === 'SIGHUP' ? 129 : 143);
  };
  // Ctrl-C and Ctrl-\\ are for the editor to handle.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', ended).on('SIGHUP', ended).on('exit', remove);
  try {
    const path = join(directory, fileNameOf(name));
    await write(path, value);
    await runEditor(context, editor, path);
    return textOf(await readFile(path));
  } finally {
    remove();
    process.off('SIGINT', ignore).off('SIGQUIT', ignore).off('SIGTERM', ended).off('SIGHUP', ended).off('exit', remove);
  }
};

/** Editors end a file with a newline; a value that had none keeps none. */
const withNewlineAsBefore = (before: string, after: string): string =>
  before.endsWith('\n') ? after : after.replace(/\r?\n$/, '');

/** `edit`: refused if someone else has changed the value meanwhile. */
export const edit = async (context: CliContext, text: string): Promise<void> => {
  editorOf(context);
  const client = await context.client();
  const secret = await resolveSecret(context, client, text);
  if (secret.access !== 'owner') throw new CliFailure(exitCodes.refused, 'Only the secret’s owner can edit it.');
  const path = { id: secret.id };
  const { value } = await dataOf(client.GET('/api/v1/secrets/{id}/value', { params: { path } }));
  const next = withNewlineAsBefore(value, await edited(context, secret.name, value));
  if (next === value) return context.out.note('Nothing was changed.');
  if (next === '') throw usage('The value is empty. Nothing was changed.');
  const header = { 'If-Match': `"${secret.revision}"` };
  const after = await dataOf(
    client.PUT('/api/v1/secrets/{id}/value', { params: { path, header }, body: { value: next } }),
  );
  context.out.note(`${after.name} has a new value, version ${after.version}.`);
  await context.out.result(after, () => null);
};
