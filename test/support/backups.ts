import { readdirSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { writeBackup } from '../../src/backup/index.ts';
import type { RootKeys } from '../../src/config/root-keys.ts';
import { systemClock } from '../../src/core/clock.ts';
import { overClient } from '../../src/db/database.ts';
import { run } from '../../src/db/embedded/run.ts';
import { databaseUser } from '../../src/db/embedded/system-user.ts';
import type { TestDatabase } from './database.ts';
import { connectEmbedded } from './embedded-service.ts';
import { type Ran, runKeyhold } from './keyhold-process.ts';
import { makeTempDir } from './temp-dir.ts';

type Env = Readonly<Record<string, string>>;

/** Tables to which every restore adds a row of its own. */
const addedTo = new Set(['audit_log', 'restores']);

/** Every row of every table of a database, as text. */
export type Contents = ReadonlyMap<string, readonly string[]>;

/** Rows that a running service writes by itself, which say of themselves when. */
const shown: Readonly<Record<string, string>> = { heartbeats: 'null', root_keys: '(t.id, t.state)::text' };

/** What is in every table that the catalogue has. */
export const contentsOf = async (client: pg.Client): Promise<Contents> => {
  await client.query("set timezone to 'UTC'; set bytea_output to hex");
  const { rows } = await client.query(`select relname from pg_class where relnamespace = 'public'::regnamespace
    and relkind in ('r', 'p') order by relname collate "C"`);
  const contents = new Map<string, string[]>();
  for (const { relname } of rows) {
    const found = await client.query(
      `select ${shown[relname] ?? 't::text'} as row from public."${relname}" as t order by 1`,
    );
    contents.set(
      relname,
      found.rows.map(({ row }) => row).filter((row) => row !== null),
    );
  }
  return contents;
};

/** How a restored database differs from the one that was backed up. Empty where it does not. */
export const differences = (before: Contents, after: Contents): readonly string[] => {
  const tables = new Set([...before.keys(), ...after.keys()]);
  return [...tables].flatMap((table) => {
    const stored = new Set(after.get(table));
    const missing = (before.get(table) ?? []).filter((row) => !stored.has(row));
    const more = (after.get(table)?.length ?? -1) - (before.get(table)?.length ?? -1);
    const isExpected = missing.length === 0 && (addedTo.has(table) ? more >= 0 : more === 0);
    return isExpected ? [] : [`${table}: ${missing.length} rows missing, ${more} more`];
  });
};

/** Runs `work` on the embedded database in `dataDir`, on which a service runs. */
export const onEmbedded = async <T>(dataDir: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = await connectEmbedded(dataDir);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** The bytes of a backup that is made in this process. */
export const backUpHere = async (
  database: TestDatabase,
  rootKeys: RootKeys,
  recipients: readonly string[] = [],
): Promise<Buffer> => {
  const client = new pg.Client(database.settings('migrator'));
  await client.connect();
  const parts: Uint8Array[] = [];
  const options = { rootKeys, version: '0.1.0', recipients, now: systemClock.now(), onRows: () => undefined };
  try {
    await writeBackup(
      { client, db: overClient(client) },
      options,
      async (bytes) => void parts.push(Buffer.from(bytes)),
    );
  } finally {
    await client.end();
  }
  return Buffer.concat(parts);
};

export const keyhold = (env: Env, ...args: string[]): Promise<Ran> => runKeyhold(args, { env });

/** Where Debian and others keep the programs of PostgreSQL servers, newest first. */
const serverPrograms = (): readonly string[] => {
  try {
    const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join('/usr/lib/postgresql', version, 'bin'));
  } catch {
    return [];
  }
};

/** A PostgreSQL server of another version than the embedded one. */
export interface OtherServer extends AsyncDisposable {
  readonly version: number;
  /** The URL of a new, empty database, as its owner. */
  newDatabase(encoding?: string): Promise<string>;
}

/** True where this machine has a PostgreSQL server of its own. */
export const hasOtherServer = serverPrograms().length > 0;
if (!hasOtherServer)
  process.stderr.write(
    'Skipped: backups between versions of PostgreSQL, for which another version must be installed.\n',
  );

/** Starts the server that this machine has. */
export const startOtherServer = async (): Promise<OtherServer> => {
  const [bin = ''] = serverPrograms();
  const directory = await makeTempDir();
  const as = await databaseUser(null);
  const home = join(directory.path, 'server');
  await mkdir(home);
  if (as !== null) await chown(home, as.uid, as.gid);
  const data = join(home, 'data');
  const pgCtl = async (...args: string[]): Promise<void> => {
    const { ok, output } = await run(join(bin, 'pg_ctl'), ['-D', data, '-w', ...args], { as, cwd: home });
    if (!ok) throw new Error(output);
  };
  const init = ['-D', data, '--username=owner', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  const made = await run(join(bin, 'initdb'), init, { as, cwd: home });
  if (!made.ok) throw new Error(made.output);
  await pgCtl('-l', join(home, 'log'), '-o', `-c listen_addresses='' -k ${home}`, 'start');
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ host: home, user: 'owner', database: 'postgres' });
    await client.connect();
    return client;
  };
  const client = await connect();
  const { rows } = await client.query(`select current_setting('server_version_num')::int / 10000 as version`);
  await client.query('create role keyhold_app login');
  let count = 0;
  return {
    version: rows[0].version,
    newDatabase: async (encoding = 'UTF8') => {
      count += 1;
      await client.query(`create database d${count} owner keyhold_app encoding '${encoding}' template template0`);
      return `postgres://keyhold_app@/d${count}?host=${encodeURIComponent(home)}`;
    },
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await pgCtl('-m', 'immediate', 'stop');
      await directory[Symbol.asyncDispose]();
    },
  };
};
