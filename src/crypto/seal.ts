import { createHmac, timingSafeEqual } from 'node:crypto';
import { uuidBytes } from '../core/ids.ts';
import { canonicalJson } from '../core/json.ts';
import { lengthPrefixed } from './derive.ts';

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

/** Text of a column as bytes; anything of another type than the column's is not a row that we wrote. */
const encoders: Record<ColumnKind, (value: unknown) => Uint8Array> = {
  uuid: (value) => uuidBytes(asString(value)),
  text: (value) => Buffer.from(asString(value), 'utf8'),
  int: (value) => Buffer.from(String(asNumber(value))),
  bigint: (value) => Buffer.from(asDigits(value)),
  bool: (value) => Uint8Array.of(asBoolean(value) ? 1 : 0),
  time: (value) => Buffer.from(asDate(value).toISOString()),
  json: (value) => Buffer.from(canonicalJson(value), 'utf8'),
  bytes: (value) => asBytes(value),
};

const wrongType = (): TypeError => new TypeError('a column holds something of another type than its own');

const asString = (value: unknown): string => {
  if (typeof value !== 'string') throw wrongType();
  return value;
};
const asNumber = (value: unknown): number => {
  if (!Number.isSafeInteger(value)) throw wrongType();
  return value as number;
};
const asDigits = (value: unknown): string => {
  const text = String(value);
  if (!/^-?\d+$/.test(text)) throw wrongType();
  return text;
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

const nothing = Uint8Array.of(0);

/** One canonical encoding for every table: names, kinds and contents, each with its length; null is its own mark. */
const encode = (table: SealedTable, row: Row): Buffer => {
  const parts: Uint8Array[] = [Buffer.from('keyhold/row/v1'), Buffer.from(table.table)];
  for (const [column, kind] of Object.entries(table.sealed)) {
    const value = row[column];
    parts.push(Buffer.from(`${column}:${kind}`));
    if (value === null) parts.push(nothing);
    else parts.push(Uint8Array.of(1), encoders[kind](value));
  }
  return lengthPrefixed(parts);
};

const mac = (key: SealKey, table: SealedTable, row: Row): Buffer =>
  createHmac('sha256', key.key).update(encode(table, row)).digest();

/** `format ‖ seal-key id ‖ HMAC-SHA256`: 49 bytes. The row must hold every sealed column. */
export const sealRow = (key: SealKey, table: SealedTable, row: Row): Buffer =>
  Buffer.concat([Uint8Array.of(format), uuidBytes(key.id), mac(key, table, row)]);

/**
 * True when the row carries a seal that one of the keys made over exactly these columns. Never throws: a row
 * that cannot even be encoded is a forged one.
 */
export const sealHolds = (keys: readonly SealKey[], table: SealedTable, row: Row): boolean => {
  const seal = row['seal'];
  if (!(seal instanceof Uint8Array) || seal.length !== sealLength || seal[0] !== format) return false;
  const keyId = Buffer.from(seal.subarray(1, headLength));
  const key = keys.find((candidate) => uuidBytes(candidate.id).equals(keyId));
  if (!key) return false;
  try {
    return timingSafeEqual(mac(key, table, row), seal.subarray(headLength));
  } catch {
    return false;
  }
};
