import { createHmac, timingSafeEqual } from 'node:crypto';
import { uuidBytes } from '../core/ids.ts';
import { canonicalJson } from '../core/json.ts';

/** How a column's content becomes bytes. The kind is part of what is sealed. */
export type ColumnKind = 'uuid' | 'text' | 'int' | 'bigint' | 'bool' | 'time' | 'json' | 'bytes';

/**
 * What a table's seals cover. Every column is either in `sealed`, in this order, or in `unsealed` with the reason why
 * it decides nothing; a test holds the two lists equal to the catalogue.
 */
export interface SealedTable {
  readonly table: string;
  readonly sealed: Readonly<Record<string, ColumnKind>>;
  readonly unsealed: Readonly<Record<string, string>>;
}

export interface SealKey {
  readonly id: string;
  readonly key: Uint8Array;
}

type Row = Readonly<Record<string, unknown>>;

const format = 1;
const headLength = 17;
const sealLength = headLength + 32;

const wrongType = (): TypeError => new TypeError('a column holds something of another type than its own');

const asString = (value: unknown): string => {
  if (typeof value !== 'string') throw wrongType();
  return value;
};
const asNumber = (value: unknown): number => {
  if (!Number.isSafeInteger(value)) throw wrongType();
  return value as number;
};
const asBoolean = (value: unknown): boolean => {
  if (typeof value !== 'boolean') throw wrongType();
  return value;
};
const asDate = (value: unknown): Date => {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw wrongType();
  return value;
};
const asBytes = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw wrongType();
  return value;
};

/** Content of a column as text or bytes; anything of another type than the column's is not a row that we wrote. */
const contents: Record<ColumnKind, (value: unknown) => string | Uint8Array> = {
  uuid: asString,
  text: asString,
  int: (value) => String(asNumber(value)),
  bigint: (value) => String(asNumber(value)),
  bool: (value) => (asBoolean(value) ? '1' : '0'),
  time: (value) => asDate(value).toISOString(),
  json: canonicalJson,
  bytes: asBytes,
};

/** The scratch in which rows are encoded: sealing is synchronous, so one will do. It grows to the largest row. */
let scratch = Buffer.allocUnsafe(16 * 1024);

const room = (at: number, needed: number): void => {
  if (scratch.length - at >= needed) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, at + needed));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
};

/** Most contents are short and ASCII; for those a loop is quicker than the call that encodes UTF-8. */
const shortText = 64;

/** Answers the bytes that it wrote, or -1 where the text is not ASCII. */
const writeAscii = (text: string, at: number): number => {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return -1;
    scratch[at + index] = code;
  }
  return text.length;
};

const writeText = (text: string, at: number): number => {
  const written = text.length > shortText ? -1 : writeAscii(text, at);
  return written < 0 ? scratch.write(text, at, 'utf8') : written;
};

/** Writes one part behind its length (uint32, big endian); answers where the next one goes. */
const writePart = (part: string | Uint8Array, at: number): number => {
  room(at, 4 + part.length * 3);
  let length = part.length;
  if (typeof part === 'string') length = writeText(part, at + 4);
  else scratch.set(part, at + 4);
  scratch.writeUInt32BE(length, at);
  return at + 4 + length;
};

const writeBytes = (bytes: Uint8Array, at: number): number => {
  room(at, bytes.length);
  scratch.set(bytes, at);
  return at + bytes.length;
};

const nullMark = Uint8Array.of(0);
const valueMark = Uint8Array.of(1);

/** What stands before the content of a column, or in place of it: name, kind and mark, each with its length. */
interface Column {
  readonly name: string;
  readonly content: (value: unknown) => string | Uint8Array;
  readonly beforeValue: Uint8Array;
  readonly asNull: Uint8Array;
}

interface Layout {
  readonly head: Uint8Array;
  readonly columns: readonly Column[];
}

const partsOf = (...parts: readonly (string | Uint8Array)[]): Uint8Array => {
  let at = 0;
  for (const part of parts) at = writePart(part, at);
  return Uint8Array.from(scratch.subarray(0, at));
};

const layoutOf = (table: SealedTable): Layout => ({
  head: partsOf('keyhold/row/v1', table.table),
  columns: Object.entries(table.sealed).map(([name, kind]) => ({
    name,
    content: contents[kind],
    beforeValue: partsOf(name, kind, valueMark),
    asNull: partsOf(name, kind, nullMark),
  })),
});

const layouts = new WeakMap<SealedTable, Layout>();

const knownLayout = (table: SealedTable): Layout => {
  const known = layouts.get(table) ?? layoutOf(table);
  layouts.set(table, known);
  return known;
};

/**
 * One canonical encoding for every table: names, kinds and contents, each with its length; null is a mark of its own.
 * Answers how many bytes of the scratch it took.
 */
const encode = (table: SealedTable, row: Row): number => {
  const { head, columns } = knownLayout(table);
  let at = writeBytes(head, 0);
  for (const { name, content, beforeValue, asNull } of columns) {
    const value = row[name];
    at = value === null ? writeBytes(asNull, at) : writePart(content(value), writeBytes(beforeValue, at));
  }
  return at;
};

const mac = (key: SealKey, table: SealedTable, row: Row): Buffer => {
  const length = encode(table, row);
  return createHmac('sha256', key.key).update(scratch.subarray(0, length)).digest();
};

const heads = new WeakMap<SealKey, Buffer>();

/** `format ‖ seal-key id`: what the seals of one key begin with. */
const headOf = (key: SealKey): Buffer => {
  const known = heads.get(key) ?? Buffer.concat([Uint8Array.of(format), uuidBytes(key.id)]);
  heads.set(key, known);
  return known;
};

/** `format ‖ seal-key id ‖ HMAC-SHA256`: 49 bytes. The row must hold every sealed column. */
export const sealRow = (key: SealKey, table: SealedTable, row: Row): Buffer =>
  Buffer.concat([headOf(key), mac(key, table, row)], sealLength);

/**
 * True when the row carries a seal that one of the keys made over exactly these columns. Never throws: a row
 * that cannot even be encoded is a forged one.
 */
export const sealHolds = (keys: readonly SealKey[], table: SealedTable, row: Row): boolean => {
  const seal = row['seal'];
  if (!(seal instanceof Uint8Array) || seal.length !== sealLength) return false;
  const head = seal.subarray(0, headLength);
  const key = keys.find((candidate) => headOf(candidate).equals(head));
  if (!key) return false;
  try {
    return timingSafeEqual(mac(key, table, row), seal.subarray(headLength));
  } catch {
    return false;
  }
};
