import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { RootKeys } from '../config/root-keys.ts';
import { KeyholdError } from '../core/errors.ts';
import { backupKeysOf, decrypted, requireRootKeys } from './encryption.ts';
import {
  type BackedUpTable,
  type BackupHeader,
  createBackupMac,
  createTally,
  damaged,
  digestOf,
  endOfRows,
  isSameMac,
  type Manifest,
  maxHeaderBytes,
  parseEnd,
  parseHeader,
  parseManifest,
  parseTableEnd,
} from './format.ts';
import { createInspector } from './inspect.ts';
import { linesOf } from './lines.ts';
import { refuseOtherVersions } from './versions.ts';
import type { BackupSummary, OnRows } from './write.ts';

/** What opens a backup. */
export interface OpenWith {
  /** Null where this machine has none. */
  readonly rootKeys: RootKeys | null;
  /** Identities of age. */
  readonly identities: readonly string[];
}

/** What a reader does with the contents of a backup. It has to undo everything if reading throws. */
export interface Contents {
  begin(manifest: Manifest): Promise<void>;
  /** Takes all rows of a table, each without its line feed. */
  table(table: BackedUpTable, rows: AsyncIterable<Buffer>): Promise<void>;
}

interface File {
  readonly path: string;
  readonly header: BackupHeader;
  readonly line: string;
}

const startOf = async (file: FileHandle): Promise<Buffer> => {
  const start = Buffer.alloc(maxHeaderBytes);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  return start.subarray(0, bytesRead);
};

const openHeader = async (path: string): Promise<File> => {
  await using file = await open(path, 'r');
  const start = await startOf(file);
  const end = start.indexOf(10);
  const line = start.subarray(0, Math.max(end, 0)).toString('utf8');
  const header = parseHeader(line);
  // Bytes that are not UTF-8 would have become other characters.
  if (Buffer.byteLength(line) !== end) throw damaged('its first line is not UTF-8');
  return { path, header, line };
};

/** Reads what a backup says of itself in the clear. Throws `invalid_request`, or the error of the file system. */
export const readHeader = async (path: string): Promise<BackupHeader> => (await openHeader(path)).header;

const streamOf = ({ path, line }: File): ReadableStream<Uint8Array> =>
  Readable.toWeb(createReadStream(path, { start: Buffer.byteLength(line) + 1 })) as ReadableStream<Uint8Array>;

/** Errors of decryption come from the library in no form of ours. */
const orDamaged = (error: unknown): unknown => {
  const isKnown = error instanceof KeyholdError || (error as NodeJS.ErrnoException)?.syscall !== undefined;
  return isKnown ? error : damaged('a part of it does not decrypt', error);
};

/**
 * Reads a whole backup, and resolves once its last line has proved that every part of it is as it was written. What
 * `contents` was given before that may be forged. Throws `state_conflict` that names a missing root key or identity, and
 * `invalid_request` for a backup that is damaged.
 */
export const readBackup = async (
  path: string,
  openWith: OpenWith,
  contents: Contents,
): Promise<{ readonly header: BackupHeader; readonly manifest: Manifest }> => {
  const file = await openHeader(path);
  const keys = await backupKeysOf(requireRootKeys(file.header, openWith.rootKeys));
  const source = await decrypted(file.header, streamOf(file), { identities: openWith.identities, keys });
  const lines = linesOf(orDamagedStream(source));
  try {
    return { header: file.header, manifest: await readContents(file, lines, { macKey: keys.macKey, contents }) };
  } finally {
    // Closes the file.
    await lines.return(undefined);
  }
};

interface Reading {
  readonly macKey: Uint8Array;
  readonly contents: Contents;
}

const readContents = async (
  file: File,
  lines: AsyncGenerator<Buffer>,
  { macKey, contents }: Reading,
): Promise<Manifest> => {
  const mac = createBackupMac(macKey);
  mac.add(file.line);
  const json = async (): Promise<string> => {
    const line = await nextLine(lines);
    mac.add(line);
    return line;
  };
  const manifest = parseManifest(await json());
  if (manifest.header !== digestOf(file.line)) throw damaged('its first line was changed');
  await contents.begin(manifest);
  for (const table of manifest.tables) {
    const tally = createTally();
    await contents.table(table, rowsOf(lines, tally.add));
    const end = tally.end(table.name);
    const stored = parseTableEnd(await json());
    if (end.rows !== table.rows || JSON.stringify(stored) !== JSON.stringify(end))
      throw damaged(`the rows of ${table.name} are not those that were written`);
  }
  const { broken, mac: stored } = parseEnd(await nextLine(lines));
  if (!isSameMac(stored, mac.end(broken))) throw damaged('it was not made with this root key');
  if (!(await lines.next()).done) throw damaged('something follows its last line');
  return manifest;
};

async function* orDamagedStream(source: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch (error) {
    throw orDamaged(error);
  }
}

const nextLine = async (lines: AsyncGenerator<Buffer>): Promise<string> => {
  const { value, done } = await lines.next();
  if (done) throw damaged('its end is missing');
  return value.toString('utf8');
};

/** The rows up to the end of the table. Not `for await`, which would close the lines. */
async function* rowsOf(lines: AsyncGenerator<Buffer>, tell: (line: Buffer) => void): AsyncGenerator<Buffer> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw damaged('its end is missing');
    if (value.length === endOfRows.length && value.toString('latin1') === endOfRows) return;
    tell(value);
    yield value;
  }
}

/** Reads a whole backup and verifies everything in it: digests, MAC, the seal of every row, and every key. Changes nothing. */
export const verifyBackup = async (path: string, openWith: OpenWith, onRows: OnRows): Promise<BackupSummary> => {
  const first = await readHeader(path);
  refuseOtherVersions(first);
  const rootKeys = openWith.rootKeys ?? refuseWithoutKeys(first);
  const inspector = createInspector(rootKeys);
  const progress = countedRows(onRows);
  const { header, manifest } = await readBackup(path, openWith, {
    begin: async (read) => progress.begin(read),
    table: async (table, rows) => {
      const inspect = inspector.table(table);
      for await (const line of rows) {
        const inspected = inspect(line);
        if (inspected !== undefined) await inspected;
        progress.row();
      }
      await inspector.endOfTable(table.name);
    },
  });
  const tables = Object.fromEntries(manifest.tables.map(({ name, rows }) => [name, rows]));
  const { broken, brokenNames } = inspector;
  return { header, tables, rows: totalOf(manifest), broken, brokenNames };
};

const refuseWithoutKeys = (header: BackupHeader): never => {
  requireRootKeys(header, null);
  throw damaged('it names no root key');
};

const totalOf = ({ tables }: Manifest): number => tables.reduce((sum, { rows }) => sum + rows, 0);

/** Counts the rows of a backup for `onRows`. */
export const countedRows = (onRows: OnRows) => {
  let done = 0;
  let total = 0;
  return {
    begin: (manifest: Manifest): void => {
      total = totalOf(manifest);
    },
    row: (): void => {
      done += 1;
      onRows(done, total);
    },
  };
};
