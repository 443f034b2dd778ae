import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chown, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/db/embedded/run.ts';
import {
  ask,
  connect,
  databaseUserOf,
  defer,
  inScope,
  isRunning,
  kill,
  killService,
  leftoversIn,
  newDataDir,
  onLinux,
  postmasterOf,
  ready,
  spawnHungServer,
  start,
  startService,
  stoppedDataDir,
  usedDataDir,
  writeLock,
} from '../support/embedded-servers.ts';

describe('starting the embedded database', { timeout: 120_000 }, () => {
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
});

describe('services that start at the same moment', { timeout: 120_000 }, () => {
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
});

describe('a start that follows an interrupted one', { timeout: 120_000 }, () => {
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
    defer(() => void stranger.kill());
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
});

// These wait for most of their time, for starts that wait for others.
describe.concurrent('a lock file of PostgreSQL that names no process', { timeout: 120_000 }, () => {
  it(
    'a start waits for another one that has just created its lock file',
    inScope(async () => {
      const dataDir = await stoppedDataDir();
      const lock = await writeLock(dataDir, '');
      const starting = start(dataDir);
      // Longer than any attempt takes; then the other start gives up, as PostgreSQL does: by removing its file.
      await sleep(1500);
      expect((await stat(lock)).size).toBe(0);
      await rm(lock);
      expect(await ask(await starting, 'service', 'select 1')).toBe(1);
    }),
  );

  it.each([
    ['postmaster.pid', ''],
    ['postmaster.pid', '\0\0\0\0'],
    ['.s.PGSQL.5432.lock', ''],
  ])(
    'two services start one embedded database although a crash left %s with %j in it',
    inScope(async (name, content) => {
      const dataDir = await stoppedDataDir();
      await writeLock(dataDir, content, name);
      const services = [startService(dataDir), startService(dataDir)];
      await Promise.all(services.map(ready));
      const pid = await postmasterOf(dataDir);
      expect(await ask(await start(dataDir), 'service', 'select 1')).toBe(1);
      expect(await postmasterOf(dataDir)).toBe(pid);
      expect(await leftoversIn(dataDir)).toEqual([]);
    }),
  );

  it.runIf(onLinux)(
    'a start leaves an empty lock file in place while a server process may still fill it',
    inScope(async () => {
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
    }),
  );
});

describe.concurrent('a slow recovery', { timeout: 120_000 }, () => {
  it(
    'a start waits for a recovery that takes longer than one attempt of pg_ctl',
    inScope(async () => {
      const dataDir = await stoppedDataDir();
      const as = await databaseUserOf(dataDir);
      const cluster = join(dataDir, 'pg', 'data');
      await appendFile(join(cluster, 'postgresql.conf'), "restore_command = 'sleep 3; false'\n");
      await writeFile(join(cluster, 'recovery.signal'), '');
      if (as !== null) await chown(join(cluster, 'recovery.signal'), as.uid, as.gid);
      const server = await start(dataDir);
      expect(await ask(server, 'service', 'select 1')).toBe(1);
      expect(await readFile(join(dataDir, 'pg', 'server.log'), 'utf8')).toContain('server did not start in time');
    }),
  );
});
