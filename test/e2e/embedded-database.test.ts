import { chmod, lstat, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { joinEmbedded } from '../../src/db/embedded/index.ts';
import { run } from '../../src/db/embedded/run.ts';
import {
  ask,
  connect,
  databaseUserOf,
  defer,
  isRoot,
  leftoversIn,
  modeOf,
  newDataDir,
  onLinux,
  postmasterOf,
  ready,
  start,
  startService,
  usedDataDir,
} from '../support/embedded-servers.ts';

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
});

describe('the isolation of the embedded database', { timeout: 120_000 }, () => {
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
});

describe('the directory of the embedded database', { timeout: 120_000 }, () => {
  it('the embedded database works in a directory with a long and unusual name', async () => {
    const dataDir = join(await newDataDir(), `it's "$HOME" \`x\`, ${'long'.repeat(25)}`);
    const server = await start(dataDir);
    expect(await ask(server, 'service', 'select 1')).toBe(1);
    const socket = server.connection('service').host;
    expect(socket.length).toBeLessThan(90);
    defer(() => rm(socket, { recursive: true, force: true }));
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
