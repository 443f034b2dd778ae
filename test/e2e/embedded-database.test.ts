import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import {
  type ConnectionSettings,
  type DatabaseRole,
  type EmbeddedServer,
  joinEmbedded,
  startEmbedded,
} from '../../src/db/embedded/index.ts';
import { type RunAs, run } from '../../src/db/embedded/run.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const isRoot = process.geteuid?.() === 0;
const onLinux = process.platform === 'linux';

/** What a test started, ended in reverse order whatever becomes of the test. */
let stack = new AsyncDisposableStack();

afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
}, 60_000);

const newDataDir = async (): Promise<string> => join(stack.use(await makeTempDir()).path, 'keyhold');

let template: TempDir | undefined;

/** The data directory of a service that ran before, copied: making one afresh takes most of a start. */
const usedDataDir = async (): Promise<string> => {
  if (template === undefined) {
    template = await makeTempDir();
    await (await startEmbedded({ dataDir: join(template.path, 'keyhold'), log: () => undefined })).stop();
  }
  const dataDir = await newDataDir();
  await run('cp', ['-a', join(template.path, 'keyhold'), dataDir], { as: null });
  return dataDir;
};

afterAll(() => template?.[Symbol.asyncDispose]());

const start = async (dataDir: string): Promise<EmbeddedServer> => {
  const server = await startEmbedded({ dataDir, log: () => undefined });
  stack.defer(() => server.stop());
  return server;
};

const connect = async (settings: ConnectionSettings): Promise<Client> => {
  const client = new Client({ ...settings, password: settings.password.expose() });
  client.on('error', () => undefined);
  await client.connect();
  stack.defer(() => client.end().catch(() => undefined));
  return client;
};

const ask = async (server: EmbeddedServer, role: DatabaseRole, sql: string): Promise<unknown> => {
  const client = await connect(server.connection(role));
  const results = [await client.query<Record<string, unknown>>(sql)].flat();
  await client.end();
  const row = results.at(-1)?.rows[0];
  return row === undefined ? undefined : Object.values(row)[0];
};

const postmasterOf = async (dataDir: string): Promise<number> =>
  Number.parseInt(await readFile(join(dataDir, 'pg', 'data', 'postmaster.pid'), 'utf8'), 10);

/** The database's user, told from what it owns: tests look at its processes as that user. */
const databaseUserOf = async (dataDir: string): Promise<RunAs> => {
  const { uid, gid } = await stat(join(dataDir, 'pg'));
  return isRoot ? { uid, gid } : null;
};

const kill = async (pid: number): Promise<void> => {
  process.kill(pid, 'SIGKILL');
  for (let tries = 0; tries < 100 && (await isRunning(pid)); tries++) await sleep(20);
};

const isRunning = async (pid: number): Promise<boolean> => {
  const { ok, output } = await run('ps', ['-o', 'stat=', '-p', String(pid)], { as: null });
  return ok && !output.trim().startsWith('Z');
};

/** A service of its own: a process that starts the embedded server, says `ready`, and stays. */
const startService = (dataDir: string, environment: Record<string, string> = {}): ChildProcess => {
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
  stack.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) await killService(child);
  });
  return child;
};

const killService = async (child: ChildProcess): Promise<void> => {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};

const ready = async (child: ChildProcess): Promise<void> => {
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  expect(message).toBe('ready');
};

/** The data directory of a service that ran before and was stopped in order. */
const stoppedDataDir = async (): Promise<string> => {
  const dataDir = await usedDataDir();
  await (await start(dataDir)).stop();
  return dataDir;
};

/** Leaves a lock file of PostgreSQL as a crash or a start under way may leave it; resolves to its path. */
const writeLock = async (dataDir: string, content: string, name = 'postmaster.pid'): Promise<string> => {
  const path = join(dataDir, 'pg', name === 'postmaster.pid' ? 'data' : 'socket', name);
  const as = await databaseUserOf(dataDir);
  await writeFile(path, content, { mode: 0o600 });
  if (as !== null) await chown(path, as.uid, as.gid);
  return path;
};

/** A process that looks like a server of this cluster which was frozen before it wrote anything. */
const spawnHungServer = async (dataDir: string): Promise<ChildProcess> => {
  const program = join(dataDir, 'postgres');
  await run('cp', ['/bin/sleep', program], { as: null });
  await chmod(program, 0o755);
  const as = await databaseUserOf(dataDir);
  const server = spawn(program, ['600'], { cwd: join(dataDir, 'pg', 'data'), ...as });
  await once(server, 'spawn');
  stack.defer(() => void server.kill('SIGKILL'));
  return server;
};

const modeOf = async (path: string): Promise<string> => ((await lstat(path)).mode & 0o7777).toString(8);

const leftoversIn = async (dataDir: string): Promise<string[]> => {
  const names = [...(await readdir(dataDir)), ...(await readdir(join(dataDir, 'pg')))];
  return names.filter((name) => name.includes('.new-'));
};

describe('the embedded database', { timeout: 120_000 }, () => {
  it('what was written to the embedded database survives a stop and a start', async () => {
    const dataDir = await newDataDir();
    const first = await start(dataDir);
    await ask(first, 'migrator', 'create table kept (n int); insert into kept values (7)');
    await first.stop();
    await first.stop();
    await expect(first.ensureRunning()).rejects.toThrow('is being stopped');

    const second = await start(dataDir);
    expect(await ask(second, 'migrator', 'select n from kept')).toBe(7);
    expect(await leftoversIn(dataDir)).toEqual([]);
  });

  it('each role connects with its own password only, and the service owns nothing and may create nothing', async () => {
    const server = await start(await usedDataDir());
    expect(await ask(server, 'superuser', 'select rolsuper from pg_roles where rolname = current_user')).toBe(true);
    expect(await ask(server, 'migrator', 'select rolsuper from pg_roles where rolname = current_user')).toBe(false);
    expect(await ask(server, 'service', 'select rolsuper from pg_roles where rolname = current_user')).toBe(false);
    expect(
      await ask(server, 'service', 'select datdba::regrole::text from pg_database where datname = current_database()'),
    ).toBe('keyhold_migrator');
    await expect(ask(server, 'service', 'create table mine (n int)')).rejects.toThrow('permission denied');
    const stolen = { ...server.connection('migrator'), password: server.connection('service').password };
    await expect(connect(stolen)).rejects.toMatchObject({ code: '28P01' });
  });

  it('the embedded database is configured to lose nothing, to detect damage and to log no statement', async () => {
    const server = await start(await usedDataDir());
    const settings: Record<string, string> = {
      server_version_num: '18',
      data_checksums: 'on',
      fsync: 'on',
      full_page_writes: 'on',
      password_encryption: 'scram-sha-256',
      server_encoding: 'UTF8',
      listen_addresses: '',
      log_statement: 'none',
      log_min_error_statement: 'panic',
      log_parameter_max_length_on_error: '0',
    };
    for (const [name, value] of Object.entries(settings)) {
      expect(String(await ask(server, 'superuser', `show ${name}`)).slice(0, Math.max(2, value.length)), name).toBe(
        value,
      );
    }
    expect(await ask(server, 'service', "select lower('ÄÖ')")).toBe('äö');
    const verifiers = "select bool_and(rolpassword ~ '^SCRAM-SHA-256') from pg_authid where rolname ~ '^keyhold'";
    expect(await ask(server, 'superuser', verifiers)).toBe(true);
  });

  it('the text of a failed statement is not written to the log of the embedded database', async () => {
    const dataDir = await usedDataDir();
    const server = await start(dataDir);
    await expect(ask(server, 'service', "select 'planted-in-a-statement'::int")).rejects.toThrow('planted');
    const log = await readFile(join(dataDir, 'pg', 'server.log'), 'utf8');
    expect(log).toContain('ready to accept connections');
    expect(log).not.toContain('planted');
  });

  it('only the database user can access the files of the embedded database', async () => {
    const dataDir = await newDataDir();
    await start(dataDir);
    const [own, pg] = [await stat(dataDir), await stat(join(dataDir, 'pg'))];
    const password = await stat(join(dataDir, 'database-password'));
    expect([own.uid, password.uid]).toEqual([process.geteuid?.(), process.geteuid?.()]);
    expect(pg.uid === 0).toBe(false);
    expect(pg.uid === own.uid).toBe(!isRoot);
    expect(await modeOf(dataDir)).toBe(isRoot ? '711' : '700');
    expect(await modeOf(join(dataDir, 'database-password'))).toBe('600');
    for (const name of ['.', 'data', 'socket']) expect(await modeOf(join(dataDir, 'pg', name)), name).toBe('700');
    expect(await modeOf(join(dataDir, 'pg', 'server.log'))).toBe('600');
    for (const name of await readdir(join(dataDir, 'pg'))) {
      expect((await lstat(join(dataDir, 'pg', name))).uid, name).toBe(pg.uid);
    }
  });

  it('the next service adopts the embedded database of a service that was killed', async () => {
    const dataDir = await usedDataDir();
    const service = startService(dataDir);
    await ready(service);
    const pid = await postmasterOf(dataDir);
    await killService(service);

    const adopter = await start(dataDir);
    expect(await postmasterOf(dataDir)).toBe(pid);
    expect(await ask(adopter, 'service', 'select 1')).toBe(1);
    await adopter.stop();
    expect(await isRunning(pid)).toBe(false);
  });

  it('the embedded database restarts after its postmaster was killed, and concurrent callers share the attempt', async () => {
    const dataDir = await usedDataDir();
    const server = await start(dataDir);
    const pid = await postmasterOf(dataDir);
    await server.ensureRunning();
    expect(await postmasterOf(dataDir)).toBe(pid);

    process.kill(pid, 'SIGKILL');
    await Promise.all([server.ensureRunning(), server.ensureRunning(), server.ensureRunning()]);
    expect(await postmasterOf(dataDir)).not.toBe(pid);
    expect(await ask(server, 'service', 'select 1')).toBe(1);
  });

  it.runIf(onLinux)(
    'the embedded database restarts although a busy process of the killed server does not notice the kill',
    async () => {
      const dataDir = await usedDataDir();
      const server = await start(dataDir);
      const busy = await connect(server.connection('superuser'));
      const counting = busy.query('select count(*) from generate_series(1, 100000000000) a').catch(() => 'broken off');
      await sleep(200);
      await kill(await postmasterOf(dataDir));
      await server.ensureRunning();
      expect(await ask(server, 'service', 'select 1')).toBe(1);
      expect(await counting).toBe('broken off');
    },
  );

  it('what was committed before the postmaster was killed is still there after the restart', async () => {
    const dataDir = await usedDataDir();
    const server = await start(dataDir);
    await ask(server, 'migrator', 'create table kept (n int); insert into kept values (7)');
    await kill(await postmasterOf(dataDir));
    await server.ensureRunning();
    expect(await ask(server, 'migrator', 'select n from kept')).toBe(7);
  });

  it.runIf(onLinux)(
    'the embedded database gets no variable of the service’s environment, and a session of its own',
    async () => {
      const dataDir = await newDataDir();
      const planted = { KEYHOLD_ROOT_KEYS: 'planted-root-key', PGOPTIONS: '-c work_mem=planted' };
      const service = startService(dataDir, planted);
      await ready(service);
      await start(dataDir);
      const pid = await postmasterOf(dataDir);
      const as = await databaseUserOf(dataDir);
      const environment = (await run('cat', [`/proc/${pid}/environ`], { as })).output;
      expect(environment).toContain('LC_ALL=C');
      expect(environment).not.toMatch(/KEYHOLD|planted/);
      const session = (await run('ps', ['-o', 'sess=', '-p', String(pid)], { as: null })).output;
      expect(Number(session)).toBe(pid);
    },
  );

  it.runIf(onLinux)('the embedded database listens on its unix socket and on nothing else', async () => {
    const dataDir = await usedDataDir();
    await start(dataDir);
    const pid = await postmasterOf(dataDir);
    const { output } = await run('ls', ['-l', `/proc/${pid}/fd`], { as: await databaseUserOf(dataDir) });
    const sockets = [...output.matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => String(inode));
    const table = async (name: string): Promise<string[]> =>
      (await readFile(`/proc/net/${name}`, 'utf8')).split(/\s+/).filter((word) => sockets.includes(word));
    expect((await table('unix')).length).toBeGreaterThan(0);
    expect(await table('tcp')).toEqual([]);
    expect(await table('tcp6')).toEqual([]);
  });

  it('two services that start at the same moment for the first time share one embedded database', async () => {
    const dataDir = await newDataDir();
    const services = [startService(dataDir), startService(dataDir)];
    await Promise.all(services.map(ready));
    const server = await start(dataDir);
    expect(await ask(server, 'service', 'select 1')).toBe(1);
    expect(await leftoversIn(dataDir)).toEqual([]);
    await Promise.all(services.map(killService));
  });

  it('services that start again at the same moment share one embedded database', async () => {
    const dataDir = await usedDataDir();
    await (await start(dataDir)).stop();
    const services = await Promise.all([start(dataDir), start(dataDir), start(dataDir)]);
    for (const service of services) expect(await ask(service, 'service', 'select 1')).toBe(1);
  });

  it('an embedded database whose creation was interrupted by a kill is created again', async () => {
    const dataDir = await newDataDir();
    const service = startService(dataDir);
    while ((await leftoversIn(dataDir).catch(() => [])).every((name) => !name.startsWith('data.'))) await sleep(5);
    await sleep(100);
    await killService(service);
    await expect(stat(join(dataDir, 'pg', 'data'))).rejects.toMatchObject({ code: 'ENOENT' });

    const server = await start(dataDir);
    expect(await ask(server, 'service', 'select 1')).toBe(1);
    expect(await leftoversIn(dataDir)).toEqual([]);
  });

  it('a start creates the roles and the database that a killed start had not created yet', async () => {
    const dataDir = await usedDataDir();
    const first = await start(dataDir);
    const superuser = await connect({ ...first.connection('superuser'), database: 'postgres' });
    await superuser.query('drop database keyhold');
    await superuser.query('drop role keyhold_service');
    await superuser.query('alter role keyhold_migrator password null');
    await superuser.end();
    await first.stop();

    const second = await start(dataDir);
    expect(await ask(second, 'service', 'select 1')).toBe(1);
    expect(await ask(second, 'migrator', 'create table made (n int); select 1')).toBe(1);
  });

  it('the embedded database starts although its lock files name a process that is another one by now', async () => {
    const dataDir = await usedDataDir();
    const server = await start(dataDir);
    const socket = server.connection('service').host;
    const pid = await postmasterOf(dataDir);
    const locks = [join(dataDir, 'pg', 'data', 'postmaster.pid'), join(socket, '.s.PGSQL.5432.lock')];
    const contents = await Promise.all(locks.map((path) => readFile(path, 'utf8')));
    await server.stop();
    const as = await databaseUserOf(dataDir);
    const stranger = spawn('sleep', ['600'], as === null ? {} : as);
    await once(stranger, 'spawn');
    stack.defer(() => void stranger.kill());
    for (const [index, path] of locks.entries()) {
      await writeFile(path, String(contents[index]).replace(String(pid), String(stranger.pid)), {
        mode: 0o600,
      });
      if (as !== null) await run('chown', [`${as.uid}:${as.gid}`, path], { as: null });
    }

    const again = await start(dataDir);
    expect(await ask(again, 'service', 'select 1')).toBe(1);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  });

  it('a start waits for another one that has just created its lock file', async () => {
    const dataDir = await stoppedDataDir();
    const lock = await writeLock(dataDir, '');
    const starting = start(dataDir);
    // Longer than any attempt takes; then the other start gives up, as PostgreSQL does: by removing its file.
    await sleep(1500);
    expect((await stat(lock)).size).toBe(0);
    await rm(lock);
    expect(await ask(await starting, 'service', 'select 1')).toBe(1);
  });

  it.each([
    ['postmaster.pid', ''],
    ['postmaster.pid', '\0\0\0\0'],
    ['.s.PGSQL.5432.lock', ''],
  ])('two services start one embedded database although a crash left %s with %j in it', async (name, content) => {
    const dataDir = await stoppedDataDir();
    await writeLock(dataDir, content, name);
    const services = [startService(dataDir), startService(dataDir)];
    await Promise.all(services.map(ready));
    const pid = await postmasterOf(dataDir);
    expect(await ask(await start(dataDir), 'service', 'select 1')).toBe(1);
    expect(await postmasterOf(dataDir)).toBe(pid);
    expect(await leftoversIn(dataDir)).toEqual([]);
  });

  it.runIf(onLinux)('a start leaves an empty lock file in place while a server process may still fill it', async () => {
    const dataDir = await stoppedDataDir();
    const lock = await writeLock(dataDir, '');
    const created = await stat(lock);
    const other = await spawnHungServer(dataDir);
    let settled = false;
    const starting = start(dataDir).finally(() => {
      settled = true;
    });
    // Longer than an empty lock file has to stay to be removed.
    await sleep(8000);
    expect(settled).toBe(false);
    expect(await stat(lock)).toMatchObject({ ino: created.ino, size: 0 });
    other.kill('SIGKILL');
    expect(await ask(await starting, 'service', 'select 1')).toBe(1);
  });

  it('a start waits for a recovery that takes longer than one attempt of pg_ctl', async () => {
    const dataDir = await stoppedDataDir();
    const as = await databaseUserOf(dataDir);
    const cluster = join(dataDir, 'pg', 'data');
    await appendFile(join(cluster, 'postgresql.conf'), "restore_command = 'sleep 3; false'\n");
    await writeFile(join(cluster, 'recovery.signal'), '');
    if (as !== null) await chown(join(cluster, 'recovery.signal'), as.uid, as.gid);
    const server = await start(dataDir);
    expect(await ask(server, 'service', 'select 1')).toBe(1);
    expect(await readFile(join(dataDir, 'pg', 'server.log'), 'utf8')).toContain('server did not start in time');
  });

  it('the embedded database works in a directory with a long and unusual name', async () => {
    const dataDir = join(await newDataDir(), `it's "$HOME" \`x\`, ${'long'.repeat(25)}`);
    const server = await start(dataDir);
    expect(await ask(server, 'service', 'select 1')).toBe(1);
    const socket = server.connection('service').host;
    expect(socket.length).toBeLessThan(90);
    stack.defer(() => rm(socket, { recursive: true, force: true }));
    expect(await modeOf(socket)).toBe('700');

    await server.stop();
    await rm(socket, { recursive: true });
    await symlink(join(dataDir, 'pg'), socket);
    await expect(start(dataDir)).rejects.toThrow(`${socket} must be a directory`);
  });

  it('a command can join the running embedded database, which keeps running when the command stops', async () => {
    const dataDir = await newDataDir();
    const options = { dataDir, log: () => undefined };
    expect(await joinEmbedded(options)).toBeNull();
    const server = await start(dataDir);
    const joined = await joinEmbedded(options);
    if (joined === null) throw new Error('not joined');
    expect(await ask(joined, 'migrator', 'select 1')).toBe(1);
    await joined.stop();
    expect(await ask(server, 'service', 'select 1')).toBe(1);
    await server.stop();
    expect(await joinEmbedded(options)).toBeNull();
    await expect(joined.ensureRunning()).rejects.toThrow('no longer runs');
  });
});

describe('an embedded database that cannot start', { timeout: 120_000 }, () => {
  it('a start without the password file of existing data is refused with advice', async () => {
    const dataDir = await usedDataDir();
    await (await start(dataDir)).stop();
    await rename(join(dataDir, 'database-password'), join(dataDir, 'elsewhere'));
    await expect(start(dataDir)).rejects.toThrow('Restore it from a backup');
    await rename(join(dataDir, 'elsewhere'), join(dataDir, 'database-password'));
    expect(await ask(await start(dataDir), 'service', 'select 1')).toBe(1);
  });

  it('a start on the data of another PostgreSQL version is refused with advice', async () => {
    const dataDir = await usedDataDir();
    await (await start(dataDir)).stop();
    await writeFile(join(dataDir, 'pg', 'data', 'PG_VERSION'), '17\n');
    await expect(start(dataDir)).rejects.toThrow('was written by PostgreSQL 17');
  });

  it.runIf(isRoot)(
    'a start is refused with advice while the database user may not pass a directory above the data',
    async () => {
      const closed = await newDataDir();
      await mkdir(closed, { mode: 0o700 });
      await expect(start(join(closed, 'data'))).rejects.toThrow(`chmod o+x ${closed}`);
      await chmod(closed, 0o711);
      expect(await ask(await start(join(closed, 'data')), 'service', 'select 1')).toBe(1);
    },
  );

  it.runIf(isRoot)('a start as root makes its own data directory traversable for the database user', async () => {
    const dataDir = await newDataDir();
    await mkdir(dataDir, { mode: 0o700 });
    await start(dataDir);
    expect(await modeOf(dataDir)).toBe('701');
  });

  it.runIf(!isRoot)('a start in a directory that cannot be written is refused with advice', async () => {
    const dataDir = await newDataDir();
    await mkdir(dataDir, { mode: 0o500 });
    await expect(start(dataDir)).rejects.toThrow('permission denied. Give the directory to the user');
    await chmod(dataDir, 0o700);
    expect(await ask(await start(dataDir), 'service', 'select 1')).toBe(1);
  });
});
