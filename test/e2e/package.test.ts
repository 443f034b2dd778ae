import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCommand } from '../support/command.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const expected = [
  /^bin\/keyhold\.mjs$/,
  /^dist\/[\w/.-]+\.js$/,
  /^dist\/[\w/.-]+\.d\.ts$/,
  /^examples\/graph\.ts$/,
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
    // Where npm would install it, next to its dependencies.
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

  const env = () => ({
    KEYHOLD_DATA_DIR: join(directory.path, 'data'),
    KEYHOLD_CONFIG_DIR: join(directory.path, 'config'),
    KEYHOLD_BOOTSTRAP_PASSWORD: 'of a packed service',
    KEYHOLD_PORT: '0',
  });
  /** A token of the service's administrator, which outlives the service. */
  let token = '';

  it('the package holds the program and its documents, and nothing else', () => {
    expect(files.filter((name) => !expected.some((pattern) => pattern.test(name)))).toEqual([]);
    for (const name of ['bin/keyhold.mjs', 'dist/main.js', 'dist/cli/profiles/keyring-process.js', 'openapi.json'])
      expect(files).toContain(name);
  });

  it('the package serves, is the command line to it, and its typed client works in Node and in a browser', async () => {
    const service = keyhold(['serve'], env());
    try {
      const [, url = ''] = await service.prints(/^Keyhold serves (\S+)/m);
      const person = { KEYHOLD_CLI_CONFIG_DIR: join(directory.path, 'cli'), KEYHOLD_CLI_KEYRING: 'off' };
      const withPassword = (args: string) => {
        const command = `echo 'of a packed service' | "${process.execPath}" "${installed}/bin/keyhold.mjs" ${args} --password-stdin`;
        return startCommand([], { program: ['sh', '-c', command], env: person }).ended;
      };
      expect(await withPassword(`login ${url} -u admin`)).toMatchObject({ code: 0 });
      const who = await keyhold(['whoami', '--json'], person).ended;
      expect(JSON.parse(who.out).user.username).toBe('admin');
      expect(await keyhold(['set', 'MADE', '--generate', '--quiet'], person).ended).toMatchObject({ code: 0 });
      const ran = await keyhold(['run', '--', 'sh', '-c', 'printf %s "$MADE" | wc -c'], person).ended;
      expect(ran).toMatchObject({ code: 0, out: expect.stringMatching(/^ *32\n$/) });
      await useTypedClient(url);
      const made = await withPassword('token create example --permission graph:read --permission graph:write --json');
      token = JSON.parse(made.out).token;
    } finally {
      service.signal('SIGTERM');
      await service.ended;
    }
  });

  it('the example of the memory graph runs by the packed package, in a process of its own', async () => {
    const example = join(directory.path, 'example.ts');
    await copyFile(join(installed, 'examples', 'graph.ts'), example);
    const settings = { ...env(), KEYHOLD_TOKEN: token, KEYHOLD_LOG_LEVEL: 'error' };
    const ran = await startCommand([], { program: [process.execPath, example], env: settings }).ended;
    expect(ran).toMatchObject({
      code: 0,
      err: '',
      out: 'Grace Hopper: found a moth in relay 70; works on Mark II\n20 types of entities\n',
    });
    const refused = await startCommand([], {
      program: [process.execPath, example],
      env: { ...settings, KEYHOLD_TOKEN: 'kh_x' },
    }).ended;
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('The access token is not valid') });
  });

  /** Programs that depend on the package: one in Node by its name, one with nothing but what browsers offer. */
  const useTypedClient = async (url: string): Promise<void> => {
    const login = `
      import { createKeyholdClient, dataOf, Refusal } from 'keyhold/client';
      const client = createKeyholdClient({ server: '${url}' });
      const body = { username: 'admin', password: 'of a packed service' };
      const { access_token } = await dataOf(client.POST('/api/v1/auth/login', { body }));
      const wrong = { ...body, password: 'another one' };
      const refusal = await client.POST('/api/v1/auth/login', { body: wrong }).catch((error) => error);
      console.log(JSON.stringify({ access_token, refused: refusal instanceof Refusal && refusal.problem.code }));`;
    const script = join(directory.path, 'login.mjs');
    await writeFile(script, login);
    const inNode = await startCommand([], { program: [process.execPath, script] }).ended;
    expect(inNode.err).toBe('');
    const { access_token, refused } = JSON.parse(inNode.out);
    expect(refused).toBe('login_failed');

    const silent = createServer(() => undefined);
    const elsewhere = createServer((_request, response) => response.writeHead(302, { location: url }).end());
    const entry = pathToFileURL(join(installed, 'dist', 'client', 'index.js')).href;
    const args = [entry, url, access_token, await listen(silent), await listen(elsewhere)];
    const program = ['--experimental-vm-modules', '--no-warnings', 'test/support/load-in-browser.mjs'];
    const inBrowser = await startCommand(args, { program: [process.execPath, ...program] }).ended;
    for (const server of [silent, elsewhere]) {
      server.closeAllConnections();
      server.close();
    }
    expect(inBrowser.err).toBe('');
    expect(JSON.parse(inBrowser.out)).toEqual({
      created: 201,
      revealed: 'a value',
      listed: ['FROM_A_BROWSER', 'MADE'],
      refused: { name: 'Refusal', code: 'unauthenticated', message: expect.any(String) },
      unreachable: { name: 'NoAnswer', kind: 'unreachable', message: expect.stringContaining('cannot be reached') },
      late: { name: 'NoAnswer', kind: 'timeout', message: expect.stringContaining('took too long') },
      redirected: { name: 'NoAnswer', kind: 'not-keyhold', message: expect.stringContaining('redirects elsewhere') },
    });
  };

  it('the package has types for its client that a program can be checked against', async () => {
    const uses = (name: string): string => `
      import { createKeyholdClient, dataOf } from 'keyhold/client';
      const { secrets } = await dataOf(createKeyholdClient({ server: '' }).GET('/api/v1/secrets', { params: { query: { ${name}: 'A' } } }));
      export const first: string | undefined = secrets[0]?.name;`;
    const check = async (name: string) => {
      await writeFile(join(directory.path, `${name}.mts`), uses(name));
      const flags = [
        '--ignoreConfig',
        '--noEmit',
        '--strict',
        '--module',
        'nodenext',
        '--target',
        'esnext',
        '--lib',
        'esnext,dom',
      ];
      const tsc = join(root, 'node_modules', '.bin', 'tsc');
      return await startCommand([...flags, join(directory.path, `${name}.mts`)], { program: [tsc] }).ended;
    };
    expect(await check('name')).toMatchObject({ code: 0, out: '' });
    expect(await check('no_such_filter')).toMatchObject({
      code: 1,
      out: expect.stringContaining('no_such_filter'),
    });
  });

  it('the package refuses an old Node in one sentence', async () => {
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
