import { execFileSync } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCommand } from '../support/command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const expected = [
  /^bin\/keyhold\.mjs$/,
  /^dist\/[\w/.-]+\.js$/,
  /^dist\/(core|crypto)\/[\w.-]+\.d\.ts$/,
  /^docs\/[\w/.-]+\.md$/,
  /^(package\.json|openapi\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$/,
];

describe('the package, as npm packs it', () => {
  let directory: Awaited<ReturnType<typeof makeTempDir>>;
  let installed: string;
  let files: string[];
  let tarball: string;

  beforeAll(async () => {
    directory = await makeTempDir();
    const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', directory.path], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const parsed = JSON.parse(packed.slice(packed.search(/^[[{]/m)));
    const [{ filename }] = Object.values(parsed) as [{ filename: string }];
    tarball = join(directory.path, filename);
    // Where npm would put it, beside the packages that it needs.
    installed = join(directory.path, 'node_modules', 'keyhold');
    await mkdir(installed, { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
    files = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((name) => name.replace(/^package\//, ''));
    await symlink(join(root, 'node_modules'), join(installed, 'node_modules'));
  });
  afterAll(() => directory[Symbol.asyncDispose]());

  const keyhold = (args: readonly string[], env: Readonly<Record<string, string>> = {}, preload?: string) =>
    startCommand(args, {
      program: [
        process.execPath,
        ...(preload === undefined ? [] : ['--import', preload]),
        join(installed, 'bin', 'keyhold.mjs'),
      ],
      env,
    });

  it('holds the program and its documents, and nothing else', () => {
    expect(files.filter((name) => !expected.some((pattern) => pattern.test(name)))).toEqual([]);
    for (const name of ['bin/keyhold.mjs', 'dist/main.js', 'dist/cli/profiles/keyring-process.js', 'openapi.json'])
      expect(files).toContain(name);
  });

  it('serves, and is the command line to it', async () => {
    const env = {
      KEYHOLD_DATA_DIR: join(directory.path, 'data'),
      KEYHOLD_CONFIG_DIR: join(directory.path, 'config'),
      KEYHOLD_BOOTSTRAP_PASSWORD: 'of a packed service',
      KEYHOLD_PORT: '0',
    };
    const service = keyhold(['serve'], env);
    try {
      const [, url = ''] = await service.prints(/^Keyhold serves (\S+)/m);
      const person = { KEYHOLD_CLI_CONFIG_DIR: join(directory.path, 'cli'), KEYHOLD_CLI_KEYRING: 'off' };
      const login = startCommand([], {
        program: [
          'sh',
          '-c',
          `echo 'of a packed service' | "${process.execPath}" "${installed}/bin/keyhold.mjs" login ${url} -u admin --password-stdin`,
        ],
        env: person,
      });
      expect(await login.ended).toMatchObject({ code: 0 });
      const who = await keyhold(['whoami', '--json'], person).ended;
      expect(JSON.parse(who.out).user.username).toBe('admin');
      expect(await keyhold(['set', 'MADE', '--generate', '--quiet'], person).ended).toMatchObject({ code: 0 });
      const ran = await keyhold(['run', '--', 'sh', '-c', 'printf %s "$MADE" | wc -c'], person).ended;
      expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^ *32\n$/) });
    } finally {
      service.signal('SIGTERM');
      await service.ended;
    }
  });

  it('refuses an old Node in one sentence', async () => {
    const old = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.19.0'});Object.defineProperty(process,'version',{value:'v20.19.0'})`;
    const { code, out, err } = await keyhold(['ls'], {}, old).ended;
    expect({ code, out, err }).toEqual({
      code: 1,
      out: '',
      err: 'keyhold: Keyhold needs Node 26 or later, and this is v20.19.0.\n',
    });
    expect(await keyhold(['--version']).ended).toMatchObject({ code: 0, err: '' });
  });
});
