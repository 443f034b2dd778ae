import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CompletingShell,
  isInstalled,
  type ShellName,
  startCompletingShell,
} from '../support/completing-shell.ts';
import { startWithCommandLines } from '../support/keyhold-cli.ts';
import { type Ran, runKeyhold } from '../support/keyhold-process.ts';
import { keepSecret, password, startSession } from '../support/people.ts';

type World = Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace'>>>;

let world: World;
/** A username that a shell would execute, expand and split, if it took it for code. */
const hostileName = 'evil$(touch pwned)`touch pwned` ;*\'"\\ end';

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace');
  await keepSecret(world.ada.person, { name: 'STRIPE_KEY' });
  await keepSecret(world.ada.person, { name: 'DB.main-url' });
  await keepSecret(world.grace.person, { name: 'GRACES_OWN' });
  await startSession(world.ada.person, [], { external_id: 'chat:42', title: '$(touch pwned)' });
  const add = ['admin', 'user', 'add', hostileName, '--generate'];
  expect((await runKeyhold(add, { env: world.serviceEnv })).code).toBe(0);
});
afterAll(() => world.close());

const complete = (words: readonly string[], env: Readonly<Record<string, string>> = world.ada.env): Promise<Ran> =>
  runKeyhold(['__complete', '--', ...words], { env });

const listen = async (server: ReturnType<typeof createServer>) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    env: { ...world.ada.env, KEYHOLD_CLI_SERVER: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

const nothing = { code: 0, out: '', err: '' };

describe('keyhold __complete', () => {
  it('__complete prints the names that the user can see, each with a description, and no others', async () => {
    expect(await complete(['get', ''])).toEqual({
      ...nothing,
      out: expect.stringMatching(/^words\n(?:[\w.-]+\t.+\n){2}$/),
    });
    expect((await complete(['get', 'STR'])).out).toBe('words\nSTRIPE_KEY\tapi_key\n');
    expect((await complete(['share', 'STRIPE_KEY', 'gra'])).out).toMatch(/^words\ngrace\t?.*\n$/);
    expect((await complete(['session', 'end', 'chat'])).out).toBe('words\nchat:42\t$(touch pwned)\n');
  });

  it('__complete offers no permission or role that grants nothing', async () => {
    const permissions = (await complete(['token', 'create', 'X', '--permission', ''])).out.split('\n');
    expect(permissions).toEqual(expect.arrayContaining(['secrets:list', 'graph:own', 'admin']));
    expect(permissions.filter((one) => one.startsWith('audit:'))).toEqual([]);
    expect((await complete(['admin', 'user', 'add', 'X', '--role', ''])).out).toBe('words\nmember\nadmin\n');
  });

  it('__complete reads names with the stored login, completes the names of profiles, and stores nothing', async () => {
    const env = { KEYHOLD_CLI_CONFIG_DIR: join(world.directory, 'completing'), KEYHOLD_CLI_KEYRING: 'off' };
    const login = ['login', world.service.url, '-u', 'grace', '--password-stdin', '--profile', 'of-grace'];
    expect((await runKeyhold(login, { env, input: password })).code).toBe(0);
    const before = await readdir(env.KEYHOLD_CLI_CONFIG_DIR);
    expect((await complete(['--profile', ''], env)).out).toBe('words\nof-grace\n');
    expect((await complete(['--profile', 'of-grace', 'get', ''], env)).out).toBe('words\nGRACES_OWN\tapi_key\n');
    expect(await readdir(env.KEYHOLD_CLI_CONFIG_DIR)).toEqual(before);
  });

  it('__complete prints nothing on stdout or stderr and exits with 0 when nobody is logged in', async () => {
    const env = { KEYHOLD_CLI_CONFIG_DIR: join(world.directory, 'nobody'), KEYHOLD_CLI_KEYRING: 'off' };
    expect(await complete(['get', ''], env)).toEqual(nothing);
    expect(await readdir(world.directory)).not.toContain('nobody');
    expect((await complete(['ls', '--state', 'del'], env)).out).toBe('words\ndeleted\n');
  });

  it.each([
    ['a token that is not accepted', { KEYHOLD_CLI_TOKEN: 'kh_nothing' }],
    ['a service that cannot be reached', { KEYHOLD_CLI_SERVER: 'http://127.0.0.1:9' }],
    ['an address that is none', { KEYHOLD_CLI_SERVER: 'not an address' }],
    ['a session that the user is not in', { KEYHOLD_CLI_SESSION: 'no-such-session' }],
    ['a setting that does not exist', { KEYHOLD_CLI_TOKN: 'x' }],
  ])('__complete prints nothing and exits with 0 given %s', async (_what, env) => {
    expect(await complete(['get', ''], { ...world.ada.env, ...env })).toEqual(nothing);
  });

  it('__complete prints nothing and exits with 0 when the service never answers', async () => {
    const server = await listen(createServer(() => undefined));
    expect(await complete(['get', ''], server.env)).toEqual(nothing);
    server.close();
  });

  it('__complete drops invalid names from a server’s response', async () => {
    const names = ['$(touch pwned)', 'two words', 'line\nend', '--yes', 'GOOD'];
    const secrets = names.map((name) => ({ name, type: 'other', description: 'of\ttwo\nlines' }));
    const server = await listen(
      createServer((_request, response) => {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ secrets, damaged: [], next_cursor: null }));
      }),
    );
    expect((await complete(['get', ''], server.env)).out).toBe('words\nGOOD\tof two lines\n');
    server.close();
  });
});

/** What the shell makes of a word of its line. */
const evaluated = (shell: ShellName, word: string, cwd: string): string =>
  spawnSync(shell, ['-c', `printf %s ${word}`], { cwd, encoding: 'utf8' }).stdout;

for (const name of ['bash', 'zsh', 'fish'] as const) {
  describe.skipIf(!isInstalled(name))(`the completion script of ${name}`, () => {
    let shell: CompletingShell;
    beforeAll(async () => {
      shell = await startCompletingShell(name, world.directory, world.ada.env);
    });
    afterAll(async () => {
      await shell[Symbol.asyncDispose]();
    });

    it.each([
      ['keyhold unsh', 'keyhold unshare'],
      ['keyhold session sta', 'keyhold session start'],
      ['keyhold set --gen', 'keyhold set --generate'],
      ['keyhold ls --state dele', 'keyhold ls --state deleted'],
      ['keyhold ls --type=ssh', 'keyhold ls --type=ssh_key'],
      ['keyhold get STR', 'keyhold get STRIPE_KEY'],
      ['keyhold export --only DB.main-url,STR', 'keyhold export --only DB.main-url,STRIPE_KEY'],
      ['keyhold session show chat:', 'keyhold session show chat:42'],
      ['keyhold share STRIPE_KEY gra', 'keyhold share STRIPE_KEY grace'],
      ['keyhold import bi', 'keyhold import bin/'],
      ['keyhold run -- ./bi', 'keyhold run -- ./bin/'],
    ])(`${name} completes "%s" to "%s"`, async (text, expected) => {
      expect(await shell.complete(text, expected)).toBe(expected);
    });

    it(`${name} lists several candidates`, async () => {
      const shown = await shell.listing('keyhold session ', 'leave');
      for (const verb of ['start', 'list', 'show', 'add', 'remove', 'end']) expect(shown).toContain(verb);
    });

    it(`${name} quotes a name that it would otherwise execute, and executes nothing`, async () => {
      const begin = 'keyhold share STRIPE_KEY ';
      const line = await shell.complete(`${begin}evil`, `${begin}evil\\$`);
      expect(evaluated(name, line.slice(begin.length), shell.directory)).toBe(hostileName);
      expect(await readdir(shell.directory)).not.toContain('pwned');
    });

    it(`${name} leaves the line unchanged and offers no file where no name matches`, async () => {
      expect(await shell.complete('keyhold get NO_SUCH_NAME')).toBe('keyhold get NO_SUCH_NAME');
      expect(await shell.complete('keyhold get bi')).toBe('keyhold get bi');
    });
  });
}
