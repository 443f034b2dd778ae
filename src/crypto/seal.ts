import { createHmac, timingSafeEqual } from 'node:crypto';
import { uuidBytes } from '../core/ids.ts';
import { canonicalJson } from '../core/json.ts';

/** How a column's content becomes bytes. The kind is part of what is sealed. */
export type ColumnKind = 'uuid' | 'text' | 'int' | 'bigint' | 'bool' | 'time' | 'json' | 'bytes';

/**
 * A column that was added to a table with rows in it. Rows sealed in a format before `since` don't cover it; they verify
 * only while it holds `default`.
 */
export interface LaterColumn {
  readonly kind: ColumnKind;
  /** The format, 2 or later, from which on seals cover the column. */
  readonly since: number;
  /** The value that the migration gave to existing rows, as the driver reads it. */
  readonly default: unknown;
  /** Why nothing is lost when a migration that is taken back drops what the column holds. */
  readonly expendable?: string;
}

/** A column that no seal covers, with the reason why it decides nothing. */
export interface UnsealedColumn {
  readonly kind: ColumnKind;
  readonly why: string;
}

/**
 * What a table's seals cover. Every column is either in `sealed`, in this order, or in `unsealed`; a test holds the two
 * lists equal to the catalogue. A column given as its kind alone is covered since format 1.
 */
export interface SealedTable {
  readonly table: string;
  readonly sealed: Readonly<Record<string, ColumnKind | LaterColumn>>;
  readonly unsealed: Readonly<Record<string, UnsealedColumn>>;
}

export const kindOf = (column: ColumnKind | { readonly kind: ColumnKind }): ColumnKind =>
  typeof column === 'string' ? column : column.kind;

export interface SealKey {
  readonly id: string;
  readonly key: Uint8Array;
}

type Row = Readonly<Record<string, unknown>>;

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

/** The buffer in which rows are encoded. Sealing is synchronous, so one is enough. It grows to the largest row. */
let scratch = Buffer.allocUnsafe(16 * 1024);

const room = (at: number, needed: number): void => {
  if (scratch.length - at >= needed) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, at + needed));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
};

/** Most contents are short and ASCII. For those, a loop is faster than the call that encodes UTF-8. */
const shortText = 64;

/** Returns the number of bytes written, or -1 if the text is not ASCII. */
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

/** Writes one part after its length (uint32, big endian). Returns the offset of the next part. */
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

/** What precedes the content of a column, or replaces it for null: name, kind and mark, each with its length. */
interface Column {
  readonly name: string;
  readonly content: (value: unknown) => string | Uint8Array;
  readonly beforeValue: Uint8Array;
  readonly asNull: Uint8Array;
}

/** One format of a table: what its seals cover, and what later columns must hold in a row of this format. */
interface Layout {
  readonly format: number;
  readonly head: Uint8Array;
  readonly columns: readonly Column[];
  readonly later: readonly { readonly column: Column; readonly asDefault: Uint8Array }[];
}

const partsOf = (...parts: readonly (string | Uint8Array)[]): Uint8Array => {
  let at = 0;
  for (const part of parts) at = writePart(part, at);
  return Uint8Array.from(scratch.subarray(0, at));
};

const columnOf = (name: string, column: ColumnKind | LaterColumn): Column => {
  const kind = kindOf(column);
  return {
    name,
    content: contents[kind],
    beforeValue: partsOf(name, kind, valueMark),
    asNull: partsOf(name, kind, nullMark),
  };
};

const noDefaults: Row = {};

/** What later columns hold in a row that is written without them. */
export const defaultsOf = ({ sealed }: SealedTable): Row => {
  const later = Object.entries(sealed).filter(([, column]) => isLater(column, 1));
  if (later.length === 0) return noDefaults;
  return Object.fromEntries(later.map(([name, column]) => [name, (column as LaterColumn).default]));
};

const sinceOf = (column: ColumnKind | LaterColumn): number => (typeof column === 'string' ? 1 : column.since);

const isLater = (column: ColumnKind | LaterColumn, format: number): column is LaterColumn => sinceOf(column) > format;

const writeColumn = ({ content, beforeValue, asNull }: Column, value: unknown, at: number): number =>
  value === null ? writeBytes(asNull, at) : writePart(content(value), writeBytes(beforeValue, at));

const encoded = (column: Column, value: unknown): Uint8Array =>
  Uint8Array.from(scratch.subarray(0, writeColumn(column, value, 0)));

const layoutOf = (table: SealedTable, format: number): Layout => {
  const all = Object.entries(table.sealed);
  return {
    format,
    head: partsOf(`keyhold/row/v${format}`, table.table),
    columns: all.filter(([, column]) => !isLater(column, format)).map(([name, column]) => columnOf(name, column)),
    later: all.flatMap(([name, spec]) => {
      if (!isLater(spec, format)) return [];
      const column = columnOf(name, spec);
      return [{ column, asDefault: encoded(column, spec.default) }];
    }),
  };
};

/** The formats of a table, oldest first: format 1 is at index 0. */
const layoutsOf = (table: SealedTable): readonly Layout[] => {
  const newest = Math.max(1, ...Object.values(table.sealed).map(sinceOf));
  return Array.from({ length: newest }, (_, index) => layoutOf(table, index + 1));
};

const layouts = new WeakMap<SealedTable, readonly Layout[]>();

const knownLayouts = (table: SealedTable): readonly Layout[] => {
  const known = layouts.get(table) ?? layoutsOf(table);
  layouts.set(table, known);
  return known;
};

/** The format in which this build seals the table's rows. */
const newestFormat = (table: SealedTable): number => knownLayouts(table).length;

const layoutIn = (table: SealedTable, format: number): Layout => {
  const layout = knownLayouts(table)[format - 1];
  if (!layout) throw new RangeError(`${table.table} has no seal format ${format}`);
  return layout;
};

/**
 * One canonical encoding for every table: names, kinds and contents, each with its length; null is a mark of its own.
 * Returns the number of bytes written to the buffer.
 */
const encode = ({ head, columns }: Layout, row: Row): number => {
  let at = writeBytes(head, 0);
  for (const column of columns) at = writeColumn(column, row[column.name], at);
  return at;
};

const holdsDefaults = ({ later }: Layout, row: Row, isAsked: (column: string) => boolean = () => true): boolean =>
  later.every(
    ({ column, asDefault }) =>
      !isAsked(column.name) || Buffer.compare(encoded(column, row[column.name]), asDefault) === 0,
  );

const mac = (key: SealKey, layout: Layout, row: Row): Buffer => {
  const length = encode(layout, row);
  return createHmac('sha256', key.key).update(scratch.subarray(0, length)).digest();
};

const keyIds = new WeakMap<SealKey, Buffer>();

const keyIdOf = (key: SealKey): Buffer => {
  const known = keyIds.get(key) ?? uuidBytes(key.id);
  keyIds.set(key, known);
  return known;
};

/** The format that a seal names, or null for what cannot be a seal. */
export const formatOf = (seal: unknown): number | null =>
  seal instanceof Uint8Array && seal.length === sealLength ? (seal[0] ?? null) : null;

/** True when every column later than this format holds its default or is expendable, so that the row loses nothing without them. */
export const fitsFormat = (table: SealedTable, row: Row, format: number): boolean => {
  try {
    const isKept = (name: string): boolean => (table.sealed[name] as LaterColumn).expendable === undefined;
    return holdsDefaults(layoutIn(table, format), row, isKept);
  } catch {
    return false;
  }
};

/**
 * `format ‖ seal-key id ‖ HMAC-SHA256`: 49 bytes. The row must hold every column that the format covers. The format is
 * the table's newest unless an older one is asked for, which only a migration downwards does: it must have seen to it that
 * every later column holds its default.
 */
export const sealRow = (key: SealKey, table: SealedTable, row: Row, format = newestFormat(table)): Buffer => {
  const layout = layoutIn(table, format);
  return Buffer.concat([Uint8Array.of(format), keyIdOf(key), mac(key, layout, row)], sealLength);
};

/** An unsealed column may hold any value of its kind, or null, or be left out. A row with anything else is not ours. */
const areOfTheirKind = ({ unsealed }: SealedTable, row: Row): boolean => {
  for (const name in unsealed) {
    const value = row[name];
    if (value !== undefined && value !== null) contents[unsealed[name]?.kind ?? 'text'](value);
  }
  return true;
};

/**
 * True when the row carries a seal that one of the keys made over exactly these columns, in the format that the seal names,
 * and every later column holds its default. Never throws: a row that cannot be encoded is a forged one.
 */
export const sealHolds = (keys: readonly SealKey[], table: SealedTable, row: Row): boolean => {
  const seal = row['seal'];
  if (!(seal instanceof Uint8Array) || seal.length !== sealLength) return false;
  const layout = knownLayouts(table)[(seal[0] ?? 0) - 1];
  const id = seal.subarray(1, headLength);
  const key = keys.find((candidate) => keyIdOf(candidate).equals(id));
  if (!layout || !key) return false;
  try {
    const isOurs = timingSafeEqual(mac(key, layout, row), seal.subarray(headLength));
    return isOurs && holdsDefaults(layout, row) && areOfTheirKind(table, row);
  } catch {
    return false;
  }
};
