import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBinaries } from '../../src/db/embedded/binaries.ts';
import { startEmbedded } from '../../src/db/embedded/index.ts';
import { layoutOf, ownerOf } from '../../src/db/embedded/layout.ts';
import { run } from '../../src/db/embedded/run.ts';
import { databaseUser } from '../../src/db/embedded/system-user.ts';
import { newRootKey } from '../support/app.ts';
import { runCommand } from '../support/command.ts';
import { startService } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let directory: TempDir;
let pgCtl: (...args: string[]) => Promise<void>;
let host: string;
let url: string;
beforeAll(async () => {
  directory = await makeTempDir();
  const dataDir = join(directory.path, 'data');
  const server = await startEmbedded({ dataDir, log: () => undefined });
  const superuser = server.connection('superuser');
  ({ host } = superuser);
  const login = `${superuser.user}:${encodeURIComponent(superuser.password.expose())}`;
  url = `postgres://${login}@/keyhold?host=${encodeURIComponent(host)}&port=${superuser.port}`;
  await server.stop();
  const layout = layoutOf(dataDir);
  const as = await databaseUser(await ownerOf(layout.pg));
  const cwd = join(await findBinaries(layout, as), 'bin');
  pgCtl = async (...args) => {
    const log = ['-l', join(layout.pg, 'unsafe.log')];
    const { ok, output } = await run('./pg_ctl', [...args, '-s', '-w', '-D', layout.cluster, ...log], { as, cwd });
    if (!ok) throw new Error(output);
  };
});
afterAll(() => directory[Symbol.asyncDispose]());

/** Runs `work` while the server runs with this setting, as an operator might run it. */
const withServer = async (setting: string, work: () => Promise<void>): Promise<void> => {
  await pgCtl('start', '-o', `-c ${setting} -c listen_addresses= -c unix_socket_directories=${host}`);
  try {
    await work();
  } finally {
    await pgCtl('stop', '-m', 'fast');
  }
};

const environment = () => ({ KEYHOLD_DATABASE_URL: url, KEYHOLD_ROOT_KEYS: newRootKey(), KEYHOLD_PORT: '0' });

describe('a database server that could lose acknowledged writes', () => {
  it.each(['fsync', 'full_page_writes'])('the service refuses a database server whose %s is off', async (name) => {
    await withServer(`${name}=off`, async () => {
      const { code, err, out } = await runCommand(['serve'], { env: environment() });
      expect(err).toContain(`The database runs with ${name} off`);
      expect(err.trim().split('\n')).toHaveLength(1);
      expect(code).toBeGreaterThan(0);
      expect(out).not.toContain('Keyhold serves');
    });
  });

  it('the service starts on the same database server once the settings are on', async () => {
    await withServer('fsync=on', async () => {
      const service = await startService({ env: environment(), withinMs: 120_000 });
      expect(await service.stop()).toEqual({ code: 0, signal: null });
    });
  });
});
