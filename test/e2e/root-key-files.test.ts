import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newRootKey } from '../support/app.ts';
import { runCommand, startCommand } from '../support/command.ts';
import type { TestDatabase } from '../support/database.ts';
import { until } from '../support/deadlines.ts';
import {
  type AtKeys,
  administratorOf,
  atEnd,
  callOn,
  keyFile,
  linesOf,
  newPlace,
  rootKeyIdOf,
} from '../support/key-services.ts';
import { commandLine } from '../support/keyhold-cli.ts';
import { runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, type Person, people } from '../support/people.ts';
import type { ServiceProcess } from '../support/process.ts';

const works = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;
const mountSmall = (directory: string): boolean =>
  works('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=711', 'keyhold-test', directory);

/** Whether we can mount a small disk, which needs root and no container that forbids it. */
const mayMount = (() => {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return false;
  const directory = mkdtempSync(join(tmpdir(), 'keyhold-mount-'));
  try {
    return mountSmall(directory) && works('umount', directory);
  } finally {
    rmdirSync(directory);
  }
})();
if (!mayMount)
  process.stderr.write('Skipped: root keys on full and read-only disks, for which root must be able to mount.\n');

/** Each file of a directory with its bytes. */
const contentsOf = (directory: string): Record<string, string> =>
  Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name)).toString('hex')]));

/** Which root key wraps each owner key, and with what result. */
const wrappedIn = async ({ client }: TestDatabase): Promise<unknown> =>
  (await client.query('select id, root_key_id, wrapped_key from owner_keys order by id')).rows;

const primaryOf = async (admin: Person): Promise<string> =>
  expectStatus(await admin.call('GET', '/admin/keys'), 200).body.root_keys[0].id;

const steps = ['To replace the root key by hand:', 'keyhold keygen', 'keyhold keys rewrap', 'keyhold keys status'];

describe.runIf(mayMount)('a file of root keys that cannot be replaced', () => {
  /** A service whose root key is alone on a small disk. */
  const onSmallDisk = async () => {
    const place = await newPlace();
    const disk = join(place.directory, 'disk');
    mkdirSync(disk);
    mountSmall(disk);
    atEnd(() => works('umount', '--lazy', disk));
    const directory = join(disk, 'config');
    const service = await place.start({ KEYHOLD_CONFIG_DIR: directory });
    return {
      ...place,
      disk,
      directory,
      file: keyFile(join(directory, 'root.key')),
      at: await administratorOf(service),
    };
  };

  it.each<[string, string, (disk: string, file: string) => boolean, (disk: string, file: string) => boolean]>([
    [
      'on a full disk',
      'the disk is full',
      (disk) => {
        // As much as fits.
        spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filling')}`, 'bs=4k']);
        return true;
      },
      (disk) => {
        rmSync(join(disk, 'filling'));
        return true;
      },
    ],
    [
      'on a read-only file system',
      'it is on a read-only file system',
      (disk) => works('mount', '-o', 'remount,ro', disk),
      (disk) => works('mount', '-o', 'remount,rw', disk),
    ],
    [
      'that is mounted alone',
      'it is mounted as a single file, which cannot be replaced',
      (_disk, file) => works('mount', '--bind', file, file),
      (_disk, file) => works('umount', file),
    ],
  ])(
    'a root key %s stays byte by byte, nothing is rewrapped, and rotate-root prints the steps by hand: %s',
    async (_where, reason, spoil, mend) => {
      const { database, disk, directory, file, at } = await onSmallDisk();
      const [contents, wrapped, primary] = [
        contentsOf(directory),
        await wrappedIn(database),
        await primaryOf(at.admin),
      ];
      expect(spoil(disk, file.path)).toBe(true);
      const ran = await at.keys('rotate-root');
      expect(ran).toMatchObject({ code: 6, out: '' });
      expect(ran.err).toContain(`keyhold: ${file.path} was not changed: ${reason}.`);
      for (const step of steps) expect(ran.err).toContain(step);
      expect(contentsOf(directory)).toEqual(contents);
      expect(await wrappedIn(database)).toEqual(wrapped);
      expect(await primaryOf(at.admin)).toBe(primary);
      expect(mend(disk, file.path)).toBe(true);
      expect((await at.keys('rotate-root')).code).toBe(0);
      expect(file.ids()).toEqual([await primaryOf(at.admin), primary]);
    },
  );
});

describe('root keys in KEYHOLD_ROOT_KEYS', () => {
  it('a root key in KEYHOLD_ROOT_KEYS is not replaced by rotate-root, whose steps by hand replace it', async () => {
    const { database, start } = await newPlace();
    const first = newRootKey();
    let service = await start({ KEYHOLD_ROOT_KEYS: first });
    const port = new URL(service.url).port;
    const at = await administratorOf(service);
    const { id } = await keepSecret(at.admin, { value: 'kept' });
    const ran = await at.keys('rotate-root');
    expect(ran).toMatchObject({
      code: 6,
      out: '',
      err: expect.stringContaining('The root keys come from KEYHOLD_ROOT_KEYS'),
    });
    for (const step of steps) expect(ran.err).toContain(step);
    expect(await at.keys('reload')).toMatchObject({
      code: 6,
      err: expect.stringContaining('Restart the service instead'),
    });
    const second = (await runKeyhold(['keygen'], { env: {} })).out.trim();
    for (const keys of [`${first},${second}`, `${second},${first}`]) {
      await service.stop();
      service = await start({ KEYHOLD_ROOT_KEYS: keys, KEYHOLD_PORT: port });
    }
    expect(await at.keys('rewrap')).toMatchObject({ code: 0 });
    const roots = new Set(((await wrappedIn(database)) as any[]).map(({ root_key_id }) => root_key_id));
    expect([...roots]).toEqual([rootKeyIdOf(second)]);
    expect(expectStatus(await at.admin.call('GET', `/secrets/${id}/value`), 200).body.value).toBe('kept');
  });
});

describe('a start with root keys as people write them', () => {
  /** A database with two owner keys under one root key, and no service. */
  const populated = async () => {
    const place = await newPlace();
    const service = await place.start();
    const { admin } = await administratorOf(service);
    await people(callOn(service), admin, 'ada');
    await service.stop();
    const directory = place.env['KEYHOLD_CONFIG_DIR'] ?? '';
    const file = keyFile(join(directory, 'root.key'));
    const [key = ''] = file.keys();
    return { ...place, directory, file, key, id: rootKeyIdOf(key) };
  };

  it('line ends of Windows, a byte order mark and missing padding make no other key', async () => {
    const { start, file, key, id } = await populated();
    for (const text of [`${key}\r\n`, `\uFEFF${key}\n`, key.replace('=', ''), `# the root key\n\n  ${key}  \r\n`]) {
      writeFileSync(file.path, text);
      const service = await start();
      expect(await primaryOf((await administratorOf(service)).admin), JSON.stringify(text)).toBe(id);
      expect((await service.stop()).code).toBe(0);
    }
  });

  it('keys that are listed twice, readable by all, cut off, missing or of another service are refused by id and count', async () => {
    const { env, directory, file, key, id } = await populated();
    const other = newRootKey();
    const needed = `This database needs root key ${id} (2 owner keys): restore it from its backup.`;
    const cases: readonly (readonly [string, () => void, readonly string[]])[] = [
      ['twice', () => file.write(key, key.replace('=', '')), [`names root key ${id} twice.`, `${id} (2 owner keys)`]],
      [
        'readable by all',
        () => {
          file.write(key);
          chmodSync(file.path, 0o644);
        },
        [`Run "chmod 600 ${file.path}"`, 'rotate the root key', `${id} (2 owner keys)`],
      ],
      ['cut off', () => file.write(key.slice(0, 20)), ['Root key 1 in', 'is not a Fernet key', needed]],
      ['empty', () => file.write(), ['holds no root key.', needed]],
      [
        'of another service',
        () => file.write(other),
        [`Root keys are missing from ${file.path}: ${id} (2 owner keys)`],
      ],
      ['missing', () => rmSync(file.path), [`There is no root key in ${file.path}.`, needed]],
    ];
    for (const [what, spoil, sentences] of cases) {
      spoil();
      const contents = contentsOf(directory);
      const { code, err } = await runCommand(['serve'], { env: { ...env, KEYHOLD_PORT: '0' } });
      expect({ code, lines: err.trim().split('\n').length }, `${what}: ${err}`).toEqual({ code: 2, lines: 1 });
      for (const sentence of sentences) expect(err, what).toContain(sentence);
      expect(err).not.toContain(key.slice(0, 20));
      expect(contentsOf(directory), what).toEqual(contents);
    }
    expect(contentsOf(directory)).toEqual({});
  });
});

describe('two services on one database', () => {
  const readBoth = async (services: readonly ServiceProcess[], { admin }: AtKeys, id: string): Promise<unknown[]> =>
    await Promise.all(
      services.map(
        async (service) =>
          expectStatus(await callOn(service).call('GET', `/secrets/${id}/value`, { token: admin.token }), 200).body
            .value,
      ),
    );

  it('rotate-root over two services on one file waits until both hold the new key, and both use it', async () => {
    const { directory, start } = await newPlace();
    const file = keyFile(join(directory, 'keys'));
    file.write(newRootKey());
    const services = [
      await start({ KEYHOLD_ROOT_KEY_FILE: file.path }),
      await start({ KEYHOLD_ROOT_KEY_FILE: file.path }),
    ] as const;
    const [at, elsewhere] = [await administratorOf(services[0]), await administratorOf(services[1])];
    const { id } = await keepSecret(at.admin, { value: 'kept' });
    const ran = await at.keys('rotate-root');
    expect(ran.code, ran.err).toBe(0);
    expect(linesOf(ran).at(-1).keys.services).toHaveLength(2);
    const [now = ''] = file.ids();
    for (const { admin } of [at, elsewhere])
      await until('both use it', 30_000, async () => (await primaryOf(admin)) === now);
    expect(await readBoth(services, at, id)).toEqual(['kept', 'kept']);
    const after = await keepSecret(elsewhere.admin, { value: 'kept after' });
    expect(await readBoth(services, at, after.id)).toEqual(['kept after', 'kept after']);
  });

  it('rotate-root over two services with a file each names the one that it waits for, and goes on after Ctrl-C and kill -9', async () => {
    const { directory, start } = await newPlace();
    const first = newRootKey();
    const files = [keyFile(join(directory, 'keys-1')), keyFile(join(directory, 'keys-2'))] as const;
    for (const file of files) file.write(first);
    const killed = await start({ KEYHOLD_ROOT_KEY_FILE: files[0].path });
    const other = await start({ KEYHOLD_ROOT_KEY_FILE: files[1].path });
    const at = await administratorOf(killed);
    const { id } = await keepSecret(at.admin, { value: 'kept' });
    const begin = () => {
      const command = startCommand(['keys', 'rotate-root'], { env: at.env, program: commandLine });
      atEnd(() => command.signal('SIGKILL'));
      return command;
    };
    const otherName = `process ${other.pid}\\)`;
    const waitsForOther = new RegExp(`"job":null,"waiting_for":\\["[^"]*${otherName}`);
    const interrupted = begin();
    await interrupted.prints(waitsForOther);
    interrupted.signal('SIGINT');
    const { code, err } = await interrupted.ended;
    const [, added = ''] = files[0].keys();
    const addedId = rootKeyIdOf(added);
    expect(code).toBe(130);
    expect(err).toContain(`Root key ${addedId} was added, and is not used yet. "keyhold keys rotate-root" goes on`);
    await killed.kill();
    const port = new URL(killed.url).port;
    const again = await start({ KEYHOLD_ROOT_KEY_FILE: files[0].path, KEYHOLD_PORT: port });
    const services = [again, other] as const;
    const command = begin();
    await command.prints(waitsForOther);
    // Nothing is wrapped under a key that the other service does not hold, and no further key was added.
    expect(await primaryOf(at.admin)).toBe(rootKeyIdOf(first));
    expect(files[0].keys()).toEqual([first, added]);
    files[1].write(first, added);
    process.kill(other.pid, 'SIGHUP');
    await command.prints(new RegExp(`${otherName} to make root key ${addedId} its primary one`));
    expect(await readBoth(services, at, id)).toEqual(['kept', 'kept']);
    files[1].write(added, first);
    process.kill(other.pid, 'SIGHUP');
    const ended = await command.ended;
    expect(ended.code, ended.err).toBe(0);
    expect(ended.err).toContain(`Root key ${addedId} is the primary one now.`);
    expect(await readBoth(services, at, id)).toEqual(['kept', 'kept']);
  });
});
