import { sql } from 'kysely';
import pg from 'pg';
import { to } from 'pg-copy-streams';
import type { ConfiguredRootKey, RootKeys } from '../config/root-keys.ts';
import { KeyholdError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import { inSnapshot, type OwnerSession, type OwnerTransaction } from '../db/owner-session.ts';
import { rootKeyInMemory } from '../keys/index.ts';
import { type CatalogueTable, copyOut, countRows, readSequences, readTables } from './catalogue.ts';
import { backupKeysOf, createEncrypter } from './encryption.ts';
import {
  type BackedUpTable,
  type BackupHeader,
  createBackupMac,
  createTally,
  damaged,
  digestOf,
  type End,
  endOfRows,
  type Manifest,
} from './format.ts';
import { createInspector, type Inspector } from './inspect.ts';
import { inChunks, linesOf } from './lines.ts';

/** Tells how many of all rows are done. */
export type OnRows = (done: number, total: number) => void;

export interface BackupOptions {
  readonly rootKeys: RootKeys;
  /** Keyhold's version, for the header. */
  readonly version: string;
  /** Recipients of age, in place of the root key. */
  readonly recipients: readonly string[];
  readonly now: Date;
  readonly onRows: OnRows;
}

/** What was written. */
export interface BackupSummary {
  readonly header: BackupHeader;
  readonly tables: Readonly<Record<string, number>>;
  readonly rows: number;
  /** As in `Inspector`. */
  readonly broken: Inspector['broken'];
  readonly brokenNames: readonly string[];
}

/** Takes one part of the file after the other. */
type Write = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes a backup of the whole database, as one snapshot shows it, while others go on working. Verifies every row as it
 * passes; a row that is broken is written as it stands, and counted. Throws `state_conflict` where the root keys do not open
 * the service's keys, and what `write` throws.
 */
export const writeBackup = (session: OwnerSession, options: BackupOptions, write: Write): Promise<BackupSummary> =>
  inSnapshot(session, async (transaction) => {
    const { tx } = transaction;
    const keys = await backupKeysOf(rootKeyInMemory(primaryOf(options.rootKeys)));
    const encrypter = await createEncrypter(options.recipients, keys);
    const header = await headerOf(tx, options);
    const line = JSON.stringify(header);
    const contents = await contentsOf(transaction, line);
    const inspector = createInspector(options.rootKeys);
    const mac = createBackupMac(keys.macKey);
    mac.add(line);
    await write(Buffer.from(`${line}\n`));
    const plain = plaintext(transaction, { contents, inspector, mac, onRows: options.onRows });
    const sealed = await encrypter.encrypt(ReadableStream.from(inChunks(plain)) as ReadableStream<Uint8Array>);
    for await (const chunk of sealed) await write(chunk);
    const tables = Object.fromEntries(contents.manifest.tables.map(({ name, rows }) => [name, rows]));
    const { broken, brokenNames } = inspector;
    return { header, tables, rows: contents.total, broken, brokenNames };
  });

const notStarted = (): KeyholdError =>
  new KeyholdError('state_conflict', 'The database holds no tables of Keyhold. Start the service once.');

const primaryOf = ({ keys: [primary], source }: RootKeys): ConfiguredRootKey => {
  if (primary) return primary;
  throw new KeyholdError('state_conflict', `There is no root key in ${source}.`);
};

/** The root keys that wrap owner keys. A destroyed one, of a user who is being erased, needs none. */
const rootKeyIds = async (tx: Tx): Promise<readonly string[]> => {
  const { rows } = await sql<{ id: string }>`
    select distinct root_key_id as id from public.owner_keys
    where wrapped_key <> '' order by root_key_id`.execute(tx);
  return rows.map(({ id }) => id);
};

const headerOf = async (tx: Tx, { rootKeys, version, recipients, now }: BackupOptions): Promise<BackupHeader> => {
  const { rows: found } = await sql<{ is: boolean }>`
    select to_regclass('public.kysely_migration') is not null and to_regclass('public.owner_keys') is not null
      as is`.execute(tx);
  if (!found[0]?.is) throw notStarted();
  const { rows: migrations } = await sql<{ name: string }>`
    select name from public.kysely_migration order by name`.execute(tx);
  const root = primaryOf(rootKeys);
  return {
    keyhold_backup: 1,
    id: newId<string>(),
    created_at: now.toISOString(),
    keyhold: version,
    migrations: migrations.map(({ name }) => name),
    root_key: root.id,
    root_keys: [...new Set([root.id, ...(await rootKeyIds(tx))])],
    encryption: recipients.length === 0 ? 'root key' : 'age',
  };
};

/** What is going to be written, as the snapshot shows it. */
interface Contents {
  readonly tables: readonly CatalogueTable[];
  readonly manifest: Manifest;
  readonly total: number;
}

const contentsOf = async ({ tx }: OwnerTransaction, header: string): Promise<Contents> => {
  const tables = await readTables(tx);
  const listed: BackedUpTable[] = [];
  for (const { name, columns } of tables) {
    const rows = await countRows(tx, name).catch((error: unknown) => {
      throw asUnreadable(name, error);
    });
    listed.push({ name, columns: [...columns], rows });
  }
  const manifest = { header: digestOf(header), tables: listed, sequences: await readSequences(tx) };
  return { tables, manifest, total: listed.reduce((sum, { rows }) => sum + rows, 0) };
};

interface Passing {
  readonly contents: Contents;
  readonly inspector: Inspector;
  readonly mac: ReturnType<typeof createBackupMac>;
  readonly onRows: OnRows;
}

/** A table that another role made may not be readable for us: a backup without it would not be whole. */
async function* orUnreadable(table: string, rows: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* rows;
  } catch (error) {
    throw asUnreadable(table, error);
  }
}

const asUnreadable = (table: string, error: unknown): unknown => {
  if (!(error instanceof pg.DatabaseError)) return error;
  return new KeyholdError('state_conflict', `The rows of ${table} cannot be read: ${error.message}.`, { cause: error });
};

const lineFeed = Buffer.from('\n');

/** Everything that is encrypted. */
async function* plaintext({ client, tx }: OwnerTransaction, passing: Passing): AsyncGenerator<Uint8Array> {
  const { contents, inspector, mac, onRows } = passing;
  const json = (value: object): Buffer => {
    const line = JSON.stringify(value);
    mac.add(line);
    return Buffer.from(`${line}\n`);
  };
  yield json(contents.manifest);
  let done = 0;
  for (const table of contents.tables) {
    const tally = createTally();
    const inspect = inspector.table(table);
    for await (const line of linesOf(orUnreadable(table.name, client.query(to(copyOut(tx, table)))))) {
      tally.add(line);
      const inspected = inspect(line);
      if (inspected !== undefined) await inspected;
      yield line;
      yield lineFeed;
      done += 1;
      onRows(done, contents.total);
    }
    await inspector.endOfTable(table.name);
    const end = tally.end(table.name);
    const expected = contents.manifest.tables.find(({ name }) => name === table.name)?.rows;
    if (end.rows !== expected) throw damaged(`the database sent ${end.rows} of ${expected} rows of ${table.name}`);
    yield Buffer.from(`${endOfRows}\n`);
    yield json(end);
  }
  const broken = { ...inspector.broken };
  yield Buffer.from(`${JSON.stringify({ broken, mac: mac.end(broken) } satisfies End)}\n`);
}
