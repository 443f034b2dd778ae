import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { newId } from '../core/ids.ts';
import { exportMacKey } from '../crypto/derive.ts';
import { type SealKey, sealHolds } from '../crypto/seal.ts';
import type { Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { scanRows } from '../db/scan.ts';
import { type AuditRow, type ServiceKeyRow, sealedTables } from '../db/tables/index.ts';
import { type SealKeys, verifyingKeys } from '../keys/index.ts';

/*
 * An export of the audit log is lines of JSON: a header, every record in the order of ids, and an end with the number of
 * records and a MAC over all lines before it. Bytes are in hexadecimal digits.
 */

interface ExportHeader {
  readonly keyhold_audit_export: 1;
  readonly id: string;
  readonly created_at: string;
  /** The seal keys, each wrapped under every root key: whoever has a root key can verify the records. */
  readonly seal_keys: readonly ServiceKeyRow[];
}

interface ExportEnd {
  readonly end: true;
  readonly records: number;
  /** The seal key under which the MAC was made. */
  readonly seal_key: string;
  readonly mac: string;
}

export interface ExportSummary {
  readonly records: number;
  /** Ids of the first hundred records whose seals do not hold, and how many there are. */
  readonly broken: readonly string[];
  readonly brokenCount: number;
}

const maxNames = 100;

const replaceBytes = (row: RawRow): object =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ]),
  );

const macOf = (key: SealKey, digest: Buffer): Buffer =>
  createHmac('sha256', exportMacKey(key.key)).update(digest).digest();

interface ExportOptions {
  readonly sealKeys: SealKeys;
  readonly now: Date;
  /** Takes one line after the other. */
  readonly write: (text: string) => Promise<void>;
}

/** Writes every record of the audit log, verified as it passes. A broken one is written as it stands, and named. */
export const writeAuditExport = async (tx: Tx, { sealKeys, now, write }: ExportOptions): Promise<ExportSummary> => {
  const hash = createHash('sha256');
  const line = async (value: object): Promise<void> => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    await write(text);
  };
  const keys = await tx.selectFrom('service_keys').selectAll().where('purpose', '=', 'seal').orderBy('id').execute();
  const id = newId<string>();
  await line({ keyhold_audit_export: 1, id, created_at: now.toISOString(), seal_keys: keys } satisfies ExportHeader);
  let records = 0;
  const broken: string[] = [];
  let brokenCount = 0;
  for await (const rows of scanRows(tx, 'audit_log')) {
    for (const row of rows) {
      await line(replaceBytes(row));
      records += 1;
      if (sealHolds(verifyingKeys(sealKeys, 'audit_log'), sealedTables.audit_log, row)) continue;
      brokenCount += 1;
      if (broken.length < maxNames) broken.push(String(row['id']));
    }
  }
  const { sealing: first } = sealKeys;
  const mac = macOf(first, hash.digest()).toString('hex');
  await write(`${JSON.stringify({ end: true, records, seal_key: first.id, mac } satisfies ExportEnd)}\n`);
  return { records, broken, brokenCount };
};

/** A record of an export: as it was sealed, or one that was broken already when it was exported. */
export interface ExportedRecord {
  readonly id: string;
  /** In hexadecimal digits. */
  readonly seal: string;
  /** Null where the seal does not hold. */
  readonly row: AuditRow | null;
}

/** Why an export cannot be used, for `AuditExportReader`. */
export class ExportUnusable extends Error {}

const parsedLine = (line: Buffer): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw new ExportUnusable('a line is not JSON', { cause: error });
  }
  throw new ExportUnusable('a line is not an object');
};

const rowOf = (value: Record<string, unknown>): RawRow => {
  const bytes = (name: string) => Buffer.from(String(value[name] ?? ''), 'hex');
  return {
    ...value,
    recorded_at: new Date(String(value['recorded_at'])),
    nonce: bytes('nonce'),
    seal: bytes('seal'),
  };
};

/** The id of the key that a seal names. */
const sealKeyIdOf = (seal: string): string =>
  seal.slice(2, 34).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

type OpenKeys = (wrapped: ExportHeader['seal_keys']) => Promise<readonly SealKey[]>;

const keyOf = (row: ServiceKeyRow): ServiceKeyRow => ({
  ...row,
  created_at: new Date(row.created_at),
  promoted_at: row.promoted_at ? new Date(row.promoted_at) : null,
});

const headerKeys = async (value: Record<string, unknown>, openKeys: OpenKeys): Promise<readonly SealKey[]> => {
  if (value['keyhold_audit_export'] !== 1) throw new ExportUnusable('it is not an export of this version');
  const wrapped = value['seal_keys'];
  if (!Array.isArray(wrapped)) throw new ExportUnusable('its first line is incomplete');
  return await openKeys(wrapped.map(keyOf));
};

/**
 * Reads an export and verifies each record with the keys that `openKeys` opens. Only once it is over without an error has its
 * MAC proved that no record was left out. Throws `ExportUnusable` with the reason.
 */
export async function* readAuditExport(
  lines: AsyncIterable<Buffer>,
  openKeys: OpenKeys,
): AsyncGenerator<ExportedRecord> {
  const hash = createHash('sha256');
  let keys: readonly SealKey[] | null = null;
  let records = 0;
  let last = '';
  let end: Record<string, unknown> | null = null;
  for await (const line of lines) {
    if (end !== null) throw new ExportUnusable('something follows its last line');
    const value = parsedLine(line);
    if (value['end'] === true) {
      end = value;
      continue;
    }
    hash.update(line).update('\n');
    if (keys === null) {
      keys = await headerKeys(value, openKeys);
      continue;
    }
    const record = recordOf(value, keys);
    if (record.id <= last) throw new ExportUnusable(`record ${record.id} is not in its place`);
    last = record.id;
    records += 1;
    yield record;
  }
  checkEnd(end, records, { keys: keys ?? [], digest: hash.digest() });
}

const recordOf = (value: Record<string, unknown>, keys: readonly SealKey[]): ExportedRecord => {
  const [id, seal] = [String(value['id']), String(value['seal'])];
  const row = rowOf(value);
  if (sealHolds(keys, sealedTables.audit_log, row)) return { id, seal, row: row as unknown as AuditRow };
  const keyId = sealKeyIdOf(seal);
  if (!keys.some((key) => key.id === keyId))
    throw new ExportUnusable(`record ${id} was sealed with the seal key ${keyId}, which no configured root key opens`);
  return { id, seal, row: null };
};

const checkEnd = (
  end: Record<string, unknown> | null,
  records: number,
  { keys, digest }: { readonly keys: readonly SealKey[]; readonly digest: Buffer },
): void => {
  if (end === null) throw new ExportUnusable('its end is missing');
  const key = keys.find(({ id }) => id === end['seal_key']);
  if (key === undefined)
    throw new ExportUnusable(`no configured root key opens its seal key ${String(end['seal_key'])}`);
  const mac = Buffer.from(String(end['mac']), 'hex');
  const expected = macOf(key, digest);
  if (end['records'] !== records || mac.length !== expected.length || !timingSafeEqual(mac, expected))
    throw new ExportUnusable('it was changed, or records are missing');
};
