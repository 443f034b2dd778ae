import { createHash, createHmac, type Hash, timingSafeEqual } from 'node:crypto';
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { KeyholdError } from '../core/errors.ts';

/*
 * A backup is one line of JSON in the clear, the header, and then an age file. What is encrypted begins with the manifest,
 * a line of JSON. For each table follow its rows as COPY writes them, the line `\.`, which no row is, and a line of JSON with
 * their number and digest. The last line has a MAC over the header and all other lines of JSON.
 */

const strict = { additionalProperties: false };

const Header = Type.Object(
  {
    keyhold_backup: Type.Literal(1),
    id: Type.String({ minLength: 36, maxLength: 36 }),
    created_at: Type.String(),
    keyhold: Type.String(),
    migrations: Type.Array(Type.String()),
    /** The root key that the MAC is made with, and that the backup is encrypted under unless it is for age recipients. */
    root_key: Type.String(),
    /** Every root key without which something in the backup cannot be opened. */
    root_keys: Type.Array(Type.String()),
    encryption: Type.Union([Type.Literal('root key'), Type.Literal('age')]),
  },
  strict,
);

/** What a backup says of itself in the clear. */
export type BackupHeader = Static<typeof Header>;

const Column = Type.Object({ name: Type.String(), type: Type.String(), oid: Type.Integer() }, strict);
const Table = Type.Object({ name: Type.String(), columns: Type.Array(Column), rows: Type.Integer() }, strict);
const Manifest = Type.Object(
  {
    header: Type.String(),
    tables: Type.Array(Table),
    sequences: Type.Array(Type.Object({ name: Type.String(), last: Type.String() }, strict)),
  },
  strict,
);

export type BackedUpTable = Static<typeof Table>;
export type Manifest = Static<typeof Manifest>;

const TableEnd = Type.Object({ table: Type.String(), rows: Type.Integer(), sha256: Type.String() }, strict);
export type TableEnd = Static<typeof TableEnd>;

const End = Type.Object({ broken: Type.Record(Type.String(), Type.Integer()), mac: Type.String() }, strict);
export type End = Static<typeof End>;

/** The line after the rows of a table. COPY writes a backslash in a row as two. */
export const endOfRows = '\\.';

/** A header is far shorter than this. */
export const maxHeaderBytes = 64 * 1024;

export const damaged = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', `The backup is damaged: ${detail}. Nothing was changed. Use another backup.`, {
    cause,
  });

const parsed = <T extends TSchema>(schema: T, line: string, what: string): Static<T> => {
  try {
    const value: unknown = JSON.parse(line);
    if (Value.Check(schema, value)) return value;
  } catch (error) {
    throw damaged(`its ${what} is not JSON`, error);
  }
  throw damaged(`its ${what} is incomplete`);
};

const notABackup = (): KeyholdError =>
  new KeyholdError('invalid_request', 'This is not a backup of Keyhold, or its first line is damaged.');

/** Throws `invalid_request` for anything else than the header of a backup in a format that this version knows. */
export const parseHeader = (line: string): BackupHeader => {
  const version = /^\{"keyhold_backup":(\d+),/.exec(line)?.[1];
  if (version === undefined) throw notABackup();
  if (version !== '1')
    throw new KeyholdError('invalid_request', 'A newer version of Keyhold made this backup. Restore it with that.');
  return parsed(Header, line, 'first line');
};

export const parseManifest = (line: string): Manifest => parsed(Manifest, line, 'list of tables');
export const parseTableEnd = (line: string): TableEnd => parsed(TableEnd, line, 'line after a table');
export const parseEnd = (line: string): End => parsed(End, line, 'last line');

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Counts and digests the rows of one table. */
export const createTally = () => {
  const hash: Hash = createHash('sha256');
  let rows = 0;
  return {
    add: (line: Uint8Array): void => {
      hash.update(line).update('\n');
      rows += 1;
    },
    end: (table: string): TableEnd => ({ table, rows, sha256: hash.digest('hex') }),
  };
};

/** The MAC over every line of JSON, which between them hold the digests of everything else. */
export const createBackupMac = (key: Uint8Array) => {
  const mac = createHmac('sha256', key);
  return {
    add: (line: string): void => {
      mac.update(line).update('\n');
    },
    end: (broken: End['broken']): string => mac.update(JSON.stringify(broken)).digest('hex'),
  };
};

export const isSameMac = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
