import { AsyncLocalStorage } from 'node:async_hooks';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, lstat, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, expect } from 'vitest';
import {
  type ConnectionSettings,
  type DatabaseRole,
  type EmbeddedServer,
  startEmbedded,
} from '../../src/db/embedded/index.ts';
import { type RunAs, run } from '../../src/db/embedded/run.ts';
import { makeTempDir, type TempDir } from './temp-dir.ts';

export const isRoot = process.geteuid?.() === 0;
export const onLinux = process.platform === 'linux';

/** What a test started, which is ended in reverse order even if the test fails. */
let stack = new AsyncDisposableStack();

afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

/** The same for each of the tests that run at the same time. */
const scopes = new AsyncLocalStorage<AsyncDisposableStack>();
const scope = (): AsyncDisposableStack => scopes.getStore() ?? stack;

/** The work of a test that runs at the same time as others: what it starts is ended with this test, not with another. */
export const inScope =
  <Args extends readonly unknown[]>(work: (...args: Args) => Promise<void>) =>
  async (...args: Args): Promise<void> => {
    await using own = new AsyncDisposableStack();
    await scopes.run(own, () => work(...args));
  };

/** Runs `work` at the end of the test. */
export const defer = (work: () => void | Promise<void>): void => scope().defer(work);

/** The path of a data directory that does not exist yet. */
export const newDataDir = async (): Promise<string> => join(scope().use(await makeTempDir()).path, 'keyhold');

let template: Promise<TempDir> | undefined;

const makeTemplate = async (): Promise<TempDir> => {
  const made = await makeTempDir();
  await (await startEmbedded({ dataDir: join(made.path, 'keyhold'), log: () => undefined })).stop();
  return made;
};

/** The data directory of a service that ran before, copied: making one afresh takes most of a start. */
export const usedDataDir = async (): Promise<string> => {
  template ??= makeTemplate();
  const { path } = await template;
  const dataDir = await newDataDir();
  await run('cp', ['-a', join(path, 'keyhold'), dataDir], { as: null });
  return dataDir;
};

afterAll(async () => await (await template)?.[Symbol.asyncDispose]());

export const start = async (dataDir: string): Promise<EmbeddedServer> => {
  const server = await startEmbedded({ dataDir, log: () => undefined });
  scope().defer(() => server.stop());
  return server;
};

export const connect = async (settings: ConnectionSettings): Promise<Client> => {
  const client = new Client({ ...settings, password: settings.password.expose() });
  client.on('error', () => undefined);
  await client.connect();
  scope().defer(() => client.end().catch(() => undefined));
  return client;
};

export const ask = async (server: EmbeddedServer, role: DatabaseRole, sql: string): Promise<unknown> => {
  const client = await connect(server.connection(role));
  const results = [await client.query<Record<string, unknown>>(sql)].flat();
  await client.end();
  const row = results.at(-1)?.rows[0];
  return row === undefined ? undefined : Object.values(row)[0];
};

export const postmasterOf = async (dataDir: string): Promise<number> =>
  Number.parseInt(await readFile(join(dataDir, 'pg', 'data', 'postmaster.pid'), 'utf8'), 10);

/** The database's user, told from what it owns: tests look at its processes as that user. */
export const databaseUserOf = async (dataDir: string): Promise<RunAs> => {
  const { uid, gid } = await stat(join(dataDir, 'pg'));
  return isRoot ? { uid, gid } : null;
};

export const kill = async (pid: number): Promise<void> => {
  process.kill(pid, 'SIGKILL');
  for (let tries = 0; tries < 100 && (await isRunning(pid)); tries++) await sleep(20);
};

export const isRunning = async (pid: number): Promise<boolean> => {
  const { ok, output } = await run('ps', ['-o', 'stat=', '-p', String(pid)], { as: null });
  return ok && !output.trim().startsWith('Z');
};

/** A service of its own: a process that starts the embedded server, says `ready`, and stays. */
export const startService = (dataDir: string, environment: Record<string, string> = {}): ChildProcess => {
  const front = new URL('../../src/db/embedded/index.ts', import.meta.url).href;
  const script = `
    import { startEmbedded } from ${JSON.stringify(front)};
    const server = await startEmbedded({ dataDir: ${JSON.stringify(dataDir)}, log: () => undefined });
    process.on('message', async () => { await server.stop(); process.exit(0); });
    process.send('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  scope().defer(async () => {
    if (child.exitCode === null && child.signalCode === null) await killService(child);
  });
  return child;
};

export const killService = async (child: ChildProcess): Promise<void> => {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};

export const ready = async (child: ChildProcess): Promise<void> => {
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  expect(message).toBe('ready');
};

/** The data directory of a service that ran before and was stopped in order. */
export const stoppedDataDir = async (): Promise<string> => {
  const dataDir = await usedDataDir();
  await (await start(dataDir)).stop();
  return dataDir;
};

/** Leaves a lock file of PostgreSQL as a crash or a start under way may leave it; resolves to its path. */
export const writeLock = async (dataDir: string, content: string, name = 'postmaster.pid'): Promise<string> => {
  const path = join(dataDir, 'pg', name === 'postmaster.pid' ? 'data' : 'socket', name);
  const as = await databaseUserOf(dataDir);
  await writeFile(path, content, { mode: 0o600 });
  if (as !== null) await chown(path, as.uid, as.gid);
  return path;
};

/** A process that looks like a server of this cluster which was frozen before it wrote anything. */
export const spawnHungServer = async (dataDir: string): Promise<ChildProcess> => {
  const program = join(dataDir, 'postgres');
  await run('cp', ['/bin/sleep', program], { as: null });
  await chmod(program, 0o755);
  const as = await databaseUserOf(dataDir);
  const server = spawn(program, ['600'], { cwd: join(dataDir, 'pg', 'data'), ...as });
  await once(server, 'spawn');
  scope().defer(() => void server.kill('SIGKILL'));
  return server;
};

export const modeOf = async (path: string): Promise<string> => ((await lstat(path)).mode & 0o7777).toString(8);

export const leftoversIn = async (dataDir: string): Promise<string[]> => {
  const names = [...(await readdir(dataDir)), ...(await readdir(join(dataDir, 'pg')))];
  return names.filter((name) => name.includes('.new-'));
};
