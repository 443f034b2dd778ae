import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWithCommandLines } from '../support/keyhold-cli.ts';
import { type Ran, type RunOptions, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, password } from '../support/people.ts';

type World = Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace'>>>;

let world: World;
let count = 0;

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace');
});
afterAll(() => world.close());

/** A machine on which nobody has logged in yet. */
const machine = () => {
  count += 1;
  const directory = join(world.directory, `machine-${count}`);
  const env = { KEYHOLD_CLI_CONFIG_DIR: directory, KEYHOLD_CLI_KEYRING: 'off' };
  const run = (args: readonly string[], options: Partial<RunOptions> = {}): Promise<Ran> =>
    runKeyhold(args, { ...options, env: { ...env, ...options.env } });
  const logIn = (username = 'ada', args: readonly string[] = [], input = `${password}\n`) =>
    run(['login', world.service.url, '-u', username, '--password-stdin', ...args], { input });
  return { directory, run, logIn };
};

const tokensOf = async (who: 'ada' | 'grace'): Promise<{ id: string; name: string }[]> =>
  expectStatus(await world[who].person.call('GET', '/auth/tokens'), 200).body.tokens;
const loginsOf = async (who: 'ada' | 'grace'): Promise<unknown[]> =>
  expectStatus(await world[who].person.call('GET', '/auth/logins'), 200).body.logins;

describe('logging in', () => {
  it('login leaves one revocable token in a private file, and no session and no password', async () => {
    const { directory, run, logIn } = machine();
    const [tokens, logins] = [await tokensOf('ada'), await loginsOf('ada')];
    expect(await logIn()).toMatchObject({ code: 0, out: '' });
    expect(await tokensOf('ada')).toHaveLength(tokens.length + 1);
    expect(await loginsOf('ada')).toHaveLength(logins.length);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const file of await readdir(directory)) {
      expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
      expect(await readFile(join(directory, file), 'utf8')).not.toContain(password);
    }
    const me = JSON.parse((await run(['whoami', '--json'])).out);
    expect(me).toMatchObject({ server: world.service.url, profile: 'default', user: { username: 'ada' } });
    expect(me.permissions).toContain('secrets:reveal');
    expect(me.permissions.filter((one: string) => /^audit:|^admin$/.test(one))).toEqual([]);
  });

  it('logging in again revokes the earlier token', async () => {
    const { logIn } = machine();
    await logIn('grace');
    const before = await tokensOf('grace');
    await logIn('grace');
    const after = await tokensOf('grace');
    expect(after).toHaveLength(before.length);
    expect(after[0]?.id).not.toBe(before[0]?.id);
  });

  it('logging in as another user, or storing a token, revokes the earlier token', async () => {
    const { run, logIn } = machine();
    const tokens = await tokensOf('grace');
    await logIn('grace');
    await logIn('ada', ['--profile', 'default']);
    expect(await tokensOf('grace')).toHaveLength(tokens.length);
    await logIn('grace', ['--profile', 'default']);
    const token = world.ada.env['KEYHOLD_CLI_TOKEN'] ?? '';
    const stored = ['login', world.service.url, '--profile', 'default', '--token-stdin'];
    expect((await run(stored, { input: token })).code).toBe(0);
    expect(await tokensOf('grace')).toHaveLength(tokens.length);
    // Storing the same token again does not revoke it.
    expect((await run(stored, { input: token })).code).toBe(0);
    expect((await run(['ls'])).code).toBe(0);
  });

  it('logout says when it cannot read the token, and removes the login only with --forget', async () => {
    const { directory, run, logIn } = machine();
    await logIn();
    const path = join(directory, 'default.json');
    const { token: _token, ...profile } = JSON.parse(await readFile(path, 'utf8'));
    // As it is when the token is in a keyring, which this machine does not have.
    await writeFile(path, JSON.stringify({ ...profile, credential: 'keyring' }));
    const { code, err } = await run(['logout']);
    expect({ code, err }).toEqual({ code: 5, err: expect.stringContaining('--forget') });
    expect(await readdir(directory)).toContain('default.json');
    expect((await run(['logout', '--forget'])).code).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });

  it('logout revokes the token and removes the login', async () => {
    const { directory, run, logIn } = machine();
    await logIn();
    const { token } = JSON.parse(await readFile(join(directory, 'default.json'), 'utf8'));
    expect((await run(['logout'])).code).toBe(0);
    expect(await readdir(directory)).toEqual([]);
    const env = { KEYHOLD_CLI_SERVER: world.service.url, KEYHOLD_CLI_TOKEN: token };
    expect((await run(['whoami'], { env })).code).toBe(5);
    expect((await run(['whoami'])).err).toContain('keyhold login');
    expect((await run(['logout'])).code).toBe(5);
  });

  it('login with a wrong password is refused and stores nothing', async () => {
    const { directory, logIn } = machine();
    const { code, err } = await logIn('ada', [], 'not the password\n');
    expect(code).toBe(5);
    expect(err).not.toContain('not the password');
    expect(await readdir(directory)).toEqual([]);
  });

  it('login creates no token where it cannot be stored', async () => {
    const file = join(world.directory, 'a-file');
    await writeFile(file, '');
    const before = await tokensOf('ada');
    const { run } = machine();
    const env = { KEYHOLD_CLI_CONFIG_DIR: join(file, 'cli') };
    const args = ['login', world.service.url, '-u', 'ada', '--password-stdin'];
    const { code, err } = await run(args, { env, input: password });
    expect(code).toBe(9);
    expect(err).toContain('cannot be written');
    expect(err).not.toContain('all the same');
    expect(await tokensOf('ada')).toHaveLength(before.length);
  });

  it('login sends the password only to a Keyhold service, and not unencrypted to another machine', async () => {
    const received: string[] = [];
    const other = createServer((request, response) => {
      request.on('data', (chunk) => received.push(String(chunk)));
      response.setHeader('content-type', 'application/json');
      response.end('{"status":"ok"}');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { run } = machine();
    const there = (server: string) => run(['login', server, '-u', 'ada', '--password-stdin'], { input: password });
    const wrong = await there(`http://127.0.0.1:${port}`);
    expect(wrong).toMatchObject({ code: 7, err: expect.stringContaining('not a Keyhold service') });
    expect(received.join('')).toBe('');
    other.close();
    expect(await there('http://keyhold.example.org')).toMatchObject({
      code: 2,
      err: expect.stringContaining('unencrypted'),
    });
  });

  it('login stores a Keyhold token as it is, and creates a lasting one for an access token', async () => {
    const { run } = machine();
    const token = world.ada.env['KEYHOLD_CLI_TOKEN'] ?? '';
    const login = ['login', world.service.url, '--token-stdin'];
    expect((await run(login, { input: `${token}\n` })).code).toBe(0);
    expect((await run(['ls'])).code).toBe(0);
    expect((await run(login, { input: `${world.grace.person.token}\n` })).code).toBe(0);
    const me = JSON.parse((await run(['whoami', '--json'])).out);
    expect(me.user.username).toBe('grace');
    expect((await run(login, { input: 'kh_nothing' })).code).toBe(5);
  });
});

describe('profiles', () => {
  it('profiles keep several users and servers apart', async () => {
    const { run, logIn } = machine();
    await logIn('ada');
    await logIn('grace', ['--profile', 'work']);
    const userOf = async (args: readonly string[], env = {}) =>
      JSON.parse((await run(['whoami', '--json', ...args], { env })).out).user.username;
    expect(await userOf([])).toBe('ada');
    expect(await userOf(['--profile', 'work'])).toBe('grace');
    expect(await userOf([], { KEYHOLD_CLI_PROFILE: 'work' })).toBe('grace');
    expect((await run(['profile', 'use', 'work'])).code).toBe(0);
    expect(await userOf([])).toBe('grace');
    expect((await run(['profile', 'list'])).out.trim().split('\n')).toHaveLength(2);
    expect((await run(['profile', 'remove', 'work'])).code).toBe(0);
    expect(await userOf([])).toBe('ada');
    expect((await run(['profile', 'use', 'work'])).code).toBe(3);
    expect((await run(['profile', 'remove', '../default'])).code).toBe(2);
  });

  it('a profile’s token goes only to the server that issued it', async () => {
    const received: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      received.push(request.headers.authorization);
      response.end();
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const { run, logIn } = machine();
    await logIn();
    const env = { KEYHOLD_CLI_SERVER: `http://127.0.0.1:${port}` };
    expect((await run(['ls'], { env })).code).toBe(5);
    expect(received).toEqual([]);
    other.close();
    expect((await run(['ls'], { env: { KEYHOLD_CLI_SERVER: `${world.service.url}/` } })).code).toBe(0);
    const token = world.ada.env['KEYHOLD_CLI_TOKEN'] ?? '';
    expect((await run(['ls'], { env: { KEYHOLD_CLI_TOKEN: token } })).code).toBe(2);
  });
});

describe('tokens', () => {
  it('tokens are created, listed and revoked with the password', async () => {
    const { run, logIn } = machine();
    await logIn();
    const input = password;
    const create = ['token', 'create', 'builder', '--agent', 'bot', '--permission', 'secrets:list', '--password-stdin'];
    const made = await run(create, { input });
    expect(made.code, made.err).toBe(0);
    const env = { KEYHOLD_CLI_SERVER: world.service.url, KEYHOLD_CLI_TOKEN: made.out.trim() };
    expect((await run(['ls'], { env })).code).toBe(0);
    expect((await run(['get', 'ANY'], { env })).code).toBe(4);
    const listed = await run(['token', 'list', '--password-stdin'], { input });
    expect(listed.out).toMatch(/^builder\tbot\t/m);
    expect(listed.out).not.toContain(made.out.trim());
    expect((await run(['token', 'revoke', 'builder', '--password-stdin'], { input })).code).toBe(0);
    expect((await run(['ls'], { env })).code).toBe(5);
    expect((await run(['token', 'revoke', 'builder', '--password-stdin'], { input })).code).toBe(3);
  });

  it('a token that cannot be printed is revoked', async () => {
    const { run, logIn } = machine();
    await logIn();
    const before = await tokensOf('ada');
    const create = ['token', 'create', 'unseen', '--password-stdin'];
    for (const [stdout, code] of [
      ['full', 9],
      ['closed', 141],
    ] as const) {
      const ended = await run(create, { input: password, stdout });
      expect(ended.code).toBe(code);
      expect(ended.err).not.toContain('all the same');
    }
    expect(await tokensOf('ada')).toHaveLength(before.length);
  });
});
