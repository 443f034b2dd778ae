import { spawn } from 'node:child_process';
import { constants, rmSync } from 'node:fs';
import { access, mkdtemp, open, readFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataOf } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, interrupted, troubleOf, usage } from '../failure.ts';
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

/** A place whose files never reach a disk, where there is one. */
const placeForFile = async (context: CliContext): Promise<string> => {
  for (const directory of [context.env.other('XDG_RUNTIME_DIR'), '/dev/shm', tmpdir()]) {
    if (directory !== null && (await inMemory(directory))) return directory;
  }
  return tmpdir();
};

const editorOf = (context: CliContext): string => {
  const editor = context.env.other('VISUAL') ?? context.env.other('EDITOR');
  if (editor === null) throw usage('Set EDITOR to the editor that you want, for instance EDITOR=vim.');
  return editor;
};

/** Runs the editor as git does: by the shell, so that EDITOR may hold options, with the file as its last argument. */
const runEditor = (context: CliContext, editor: string, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', `${editor} "$@"`, editor, path], {
      stdio: 'inherit',
      env: context.env.forChild(),
    });
    child.once('error', () => reject(usage('The editor cannot be started. Is there a /bin/sh?')));
    child.once('close', (code, signal) => {
      if (code === 0) return resolve();
      if (signal === 'SIGINT' || code === 130) return reject(interrupted());
      reject(new CliFailure(exitCodes.failed, `The editor ended with ${signal ?? code}; nothing was changed.`));
    });
  });

const notEdited = (error: unknown): CliFailure =>
  new CliFailure(exitCodes.notWritten, `The value cannot be edited: ${troubleOf(error) ?? 'it failed'}.`, {
    cause: error,
  });

const write = async (path: string, value: string): Promise<void> => {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(value);
    await file.close();
  } catch (error) {
    throw notEdited(error);
  }
};

const makeDirectory = async (place: string): Promise<string> => {
  try {
    return await mkdtemp(join(place, 'keyhold-'));
  } catch (error) {
    throw notEdited(error);
  }
};

/** The secret's name, so that editors know its kind by its ending; not a path, whatever a server calls a name. */
const fileNameOf = (name: string): string => (/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,200}$/.test(name) ? name : 'value');

/** A directory of our own around the file, so that an editor's swap and backup files go with it, whatever ends us. */
const edited = async (context: CliContext, name: string, value: string): Promise<string> => {
  const editor = editorOf(context);
  const directory = await makeDirectory(await placeForFile(context));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const ended = (signal: NodeJS.Signals): void => {
    remove();
    process.exit(signal === 'SIGHUP' ? 129 : 143);
  };
  // Ctrl-C and Ctrl-\\ are the editor's: it decides whether it ends.
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

/** Editors end a file with a line end; a value that had none keeps none. */
const asBefore = (before: string, after: string): string =>
  before.endsWith('\n') ? after : after.replace(/\r?\n$/, '');

/** `edit`: refused if the value was changed meanwhile by another. */
export const edit = async (context: CliContext, text: string): Promise<void> => {
  editorOf(context);
  const client = await context.client();
  const secret = await resolveSecret(context, client, text);
  if (secret.access !== 'owner') throw new CliFailure(exitCodes.refused, 'Only the owner of the secret may do this.');
  const path = { id: secret.id };
  const { value } = await dataOf(client.GET('/api/v1/secrets/{id}/value', { params: { path } }));
  const next = asBefore(value, await edited(context, secret.name, value));
  if (next === value) return context.out.note('Nothing was changed.');
  if (next === '') throw usage('The value is empty; nothing was changed.');
  const header = { 'If-Match': `"${secret.revision}"` };
  const after = await dataOf(
    client.PUT('/api/v1/secrets/{id}/value', { params: { path, header }, body: { value: next } }),
  );
  context.out.note(`${after.name} has a new value, version ${after.version}.`);
  await context.out.result(after, () => null);
};
