import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { some } from '../support/counts.ts';
import { openTerminal, startWithCommandLines } from '../support/keyhold-cli.ts';
import { fewAtATime, type Ran, type RunOptions, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, password, startSession } from '../support/people.ts';

/**
 * Every command that asks the service, as it is typed; NAME and SESSION stand for what is there. `unless` names what
 * doesn't happen to it.
 */
interface Typed {
  readonly args: readonly string[];
  readonly input?: string;
  /** True where it needs no permission. */
  readonly open?: true;
  /** True where it changes something. */
  readonly changes?: true;
  /** True where stdout is another program’s. */
  readonly silent?: true;
}

const commands: readonly Typed[] = [
  { args: ['whoami'], open: true },
  { args: ['ls'] },
  { args: ['get', 'NAME'] },
  { args: ['get', 'NAME', '--field', 'tags'] },
  { args: ['set', 'NAME'], input: 'another value', changes: true },
  { args: ['edit', 'NAME'], changes: true },
  { args: ['access', 'NAME'] },
  { args: ['history', 'NAME'] },
  { args: ['restore', 'NAME', '1'], changes: true },
  { args: ['share', 'NAME', 'grace'], changes: true },
  { args: ['unshare', 'NAME', 'grace'], changes: true },
  { args: ['transfer', 'NAME', '--to-user'], changes: true },
  { args: ['deactivate', 'NAME'], changes: true },
  { args: ['activate', 'NAME'], changes: true },
  { args: ['rm', 'NAME', '--yes'], changes: true },
  { args: ['rm', 'NAME', '--purge', '--yes'], changes: true },
  { args: ['recover', 'NAME'], changes: true },
  { args: ['session', 'start'], changes: true },
  { args: ['session', 'list'] },
  { args: ['session', 'show', 'SESSION'] },
  { args: ['session', 'add', 'SESSION', 'grace'], changes: true },
  { args: ['session', 'remove', 'SESSION', 'grace'], changes: true },
  { args: ['session', 'end', 'SESSION', '--yes'], changes: true },
  { args: ['session', 'leave', 'SESSION'], changes: true },
  { args: ['import', 'FILE'], changes: true },
  { args: ['import', 'FILE', '--dry-run'] },
  { args: ['export', '-', '--only', 'NAME'] },
  { args: ['run', '--only', 'NAME', '--', 'true'], silent: true },
];

type World = Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace'>>>;

const planted = 'sk_planted_4eC39HqLyjWDarjtT1zdp7dc';
let world: World;
let closedPort: number;
let count = 0;

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace');
  const server = createServer();
  closedPort = await listen(server);
  await new Promise((resolve) => server.close(resolve));
});
afterAll(() => world.close());

interface Place {
  readonly name: string;
  readonly session: string;
}

const nowhere: Place = { name: 'NO_SUCH_SECRET', session: 'no-such-session' };

/** A .env file whose one name is new each time, so that importing it clashes with nothing. */
const newFile = (): string => {
  count += 1;
  const path = join(world.directory, `import-${count}.env`);
  writeFileSync(path, `IMPORTED_${count}=${planted}\n`);
  return path;
};

const typed = ({ args }: Typed, { name, session }: Place): string[] =>
  args.map((arg) => (arg === 'NAME' ? name : arg === 'SESSION' ? session : arg === 'FILE' ? newFile() : arg));

const run = (command: Typed, place: Place, options: Partial<RunOptions> = {}): Promise<Ran> =>
  runKeyhold(typed(command, place), {
    ...options,
    input: command.input ?? '',
    env: { ...world.ada.env, EDITOR: 'sh -c "printf other > $1" editor', ...options.env },
  });

/** One sentence on stderr: no stack, no module, no value. */
const isSentence = (code: number | null, err: string): boolean =>
  (code === 0 || /^keyhold: .{12,}/m.test(err)) &&
  err.trim().split('\n').length <= 3 &&
  !/\n\s+at |node:internal|Error:/.test(err) &&
  !err.includes(planted);

/** What each command came to, by how it is typed; a difference shows which one it was. */
const outcomes = async (
  all: readonly Typed[],
  place: Place | ((command: Typed) => Promise<Place>),
  options: Partial<RunOptions> = {},
): Promise<Record<string, unknown>> => {
  const entries = await fewAtATime(all, async (command) => {
    const here = typeof place === 'function' ? await place(command) : place;
    const { code, err } = await run(command, here, options);
    return [command.args.join(' '), isSentence(code, err) ? code : err] as const;
  });
  return Object.fromEntries(entries);
};

const every = (all: readonly Typed[], code: number): Record<string, unknown> =>
  Object.fromEntries(all.map(({ args }) => [args.join(' '), code]));

/** A secret and a session of the command's own, in the state that it needs. */
const fresh = async (command: Typed): Promise<Place> => {
  count += 1;
  const { person } = world.ada;
  const place = { name: `FRESH_${count}`, session: `fresh-${count}` };
  const { id } = await keepSecret(person, { name: place.name, value: planted });
  await startSession(person, [world.grace.person], { external_id: place.session });
  if (command.args[0] === 'restore') {
    expectStatus(await person.call('PUT', `/secrets/${id}/value`, { body: { value: 'the next one' } }), 200);
  }
  if (command.args[0] === 'recover') expectStatus(await person.call('DELETE', `/secrets/${id}`), 204);
  return place;
};

const missing = (code: number): [Typed[], Record<string, unknown>] => {
  const named = some(
    commands.filter(({ args }) => args.includes('NAME') && args[0] !== 'set'),
    1,
  );
  return [[...named], every(named, code)];
};

describe('every command', () => {
  it('does what it says when nothing is in its way', async () => {
    // Who owns a session leaves it too; the rest is as in the tables below.
    expect(await outcomes(commands, fresh)).toEqual(every(commands, 0));
  });

  it('says that the service cannot be reached', async () => {
    const env = { KEYHOLD_CLI_SERVER: `http://127.0.0.1:${closedPort}` };
    const asked = some(commands, 0, 5);
    expect(await outcomes(asked, nowhere, { env })).toEqual(every(asked, 7));
    expect((await run({ args: ['ls'] }, nowhere, { env })).err).toContain('nothing listens there');
  });

  it('says that something else answers', async () => {
    const page = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<html>Welcome</html>');
    });
    const env = { KEYHOLD_CLI_SERVER: `http://127.0.0.1:${await listen(page)}` };
    const asked = some(commands, 1, 5);
    expect(await outcomes(asked, nowhere, { env })).toEqual(every(asked, 7));
    page.close();
  });

  it.each([
    ['another program’s refusal', 404, 'application/json', '{"error":"no such page"}'],
    ['an empty answer', 200, 'application/json', ''],
    ['a redirect', 302, 'text/html', ''],
    ['a proxy that has lost the service', 502, 'text/html', 'Bad Gateway'],
  ])('says that something else answers, be it %s', async (_what, status, type, body) => {
    const other = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': type, location: world.service.url });
      response.end(body);
    });
    const env = { KEYHOLD_CLI_SERVER: `http://127.0.0.1:${await listen(other)}` };
    const { code, err } = await run({ args: ['set', 'NAME'], input: 'x' }, nowhere, { env });
    expect({ code, err }).toEqual({ code: 7, err: expect.stringContaining('not a Keyhold service') });
    other.close();
  });

  it.each([
    ['was revoked', 3600],
    ['has expired', 1],
  ])('says how to log in again once its token %s', async (how, expires_in) => {
    const { person } = world.ada;
    const body = { name: how, permissions: ['secrets:list'], expires_in };
    const { token, id } = expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body;
    const env = { KEYHOLD_CLI_TOKEN: token };
    if (how === 'was revoked') {
      expect((await run({ args: ['ls'] }, nowhere, { env })).code).toBe(0);
      expectStatus(await person.call('DELETE', `/auth/tokens/${id}`), 204);
    } else {
      const ask = async () => (await person.with(token).call('GET', '/secrets')).status;
      await expect.poll(ask, { timeout: 5000 }).toBe(401);
    }
    const asked = some(commands, how === 'was revoked' ? 2 : 4, 5);
    expect(await outcomes(asked, nowhere, { env })).toEqual(every(asked, 5));
    expect((await run({ args: ['ls'] }, nowhere, { env })).err).toContain('keyhold login');
  });

  it('says which permission its token lacks', async () => {
    const body = { name: 'narrow', permissions: ['graph:read'], expires_in: 3600 };
    const { token } = expectStatus(await world.ada.person.call('POST', '/auth/tokens', { body }), 201).body;
    const place = await fresh({ args: [] });
    const env = { KEYHOLD_CLI_TOKEN: token };
    const narrow = some(
      commands.filter(({ open }) => !open),
      0,
    );
    expect(await outcomes(narrow, place, { env })).toEqual(every(narrow, 4));
    expect((await run({ args: ['ls'] }, place, { env })).err).toContain('secrets:list');
    expect((await run({ args: ['whoami'] }, place, { env })).code).toBe(0);
  });

  it('says that there is nothing of this name', async () => {
    const [named, expected] = missing(3);
    expect(await outcomes(named, nowhere)).toEqual(expected);
    const ofSession = commands.filter(({ args }) => args.includes('SESSION'));
    expect(await outcomes(ofSession, nowhere)).toEqual(every(ofSession, 4));
    const elsewhere = await run({ args: ['ls', '--session', 'no-such-session'] }, nowhere);
    expect(elsewhere).toMatchObject({ code: 4, err: expect.stringContaining('session list') });
  });

  it('says when its output could not be written, and that a change was made all the same', async () => {
    const loud = commands.filter(({ silent }) => !silent);
    const json = some(loud, 2, 5).map((one) => ({ ...one, args: [...one.args, '--json'] }));
    expect(await outcomes(json, fresh, { stdout: 'full' })).toEqual(every(json, 9));
    const place = await fresh({ args: [] });
    const changed = await run({ args: ['set', 'NAME', '--json'], input: 'x' }, place, { stdout: 'full' });
    expect(changed.err).toMatch(/no space is left.*was done all the same/);
    const looked = await run({ args: ['get', 'NAME'] }, place, { stdout: 'full' });
    expect(looked.err).not.toContain('all the same');
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const looking = commands.filter(({ silent, changes }) => !silent && !changes);
    const json = some(looking, 0).map(({ args }) => ({ args: [...args, '--json'] }));
    const ended = await fewAtATime(
      json,
      async (command) => await run(command, await fresh(command), { stdout: 'closed' }),
    );
    for (const { code, err } of ended) expect({ code, err }).toEqual({ code: 141, err: '' });
  });
});

/** Commands by which people log in, with the password from stdin; SERVER stands for the address. */
const accountCommands: readonly Typed[] = [
  { args: ['login', 'SERVER', '-u', 'ada', '--password-stdin'], input: password, changes: true },
  { args: ['token', 'list', '--password-stdin'], input: password },
  { args: ['token', 'create', 'made', '--password-stdin'], input: password, changes: true },
  { args: ['token', 'revoke', 'made', '--password-stdin'], input: password, changes: true },
  { args: ['logout'], changes: true },
];

describe('every command about who one is', () => {
  /** Logged in to `server` as the service gave it, then the server is another one. */
  const machine = async (server: string) => {
    count += 1;
    const env = { KEYHOLD_CLI_CONFIG_DIR: join(world.directory, `account-${count}`), KEYHOLD_CLI_KEYRING: 'off' };
    const login = ['login', world.service.url, '-u', 'ada', '--password-stdin'];
    expect((await runKeyhold(login, { env, input: password })).code).toBe(0);
    const profile = join(env.KEYHOLD_CLI_CONFIG_DIR, 'default.json');
    const stored = readFileSync(profile, 'utf8');
    writeFileSync(profile, stored.replaceAll(world.service.url, server));
    const run = ({ args, input = '' }: Typed, more: Partial<RunOptions> = {}): Promise<Ran> =>
      runKeyhold(
        args.map((arg) => (arg === 'SERVER' ? server : arg)),
        { input, ...more, env },
      );
    return { run, stored: () => readFileSync(profile, 'utf8').replaceAll(server, world.service.url) === stored };
  };

  const all = async (server: string): Promise<Record<string, unknown>> => {
    const { run, stored } = await machine(server);
    const codes: Record<string, unknown> = {};
    for (const command of accountCommands) {
      const { code, err } = await run(command);
      codes[command.args.join(' ')] = isSentence(code, err) ? code : err;
    }
    expect(stored()).toBe(true);
    return codes;
  };

  it('says that the service cannot be reached, and forgets nothing', async () => {
    expect(await all(`http://127.0.0.1:${closedPort}`)).toEqual(every(accountCommands, 7));
  });

  it('says that something else answers, and forgets nothing', async () => {
    const page = createServer((_request, response) => response.end('<html>Welcome</html>'));
    expect(await all(`http://127.0.0.1:${await listen(page)}`)).toEqual(every(accountCommands, 7));
    page.close();
  });

  it('says when the password is not right', async () => {
    const { run } = await machine(world.service.url);
    for (const command of accountCommands.filter(({ input }) => input !== undefined)) {
      const { code, err } = await run({ ...command, input: 'not the password' });
      expect({ code, sentence: isSentence(code, err) }, command.args.join(' ')).toEqual({ code: 5, sentence: true });
    }
  });

  it('says when its output could not be written, and ends quietly when nobody reads it', async () => {
    const { run } = await machine(world.service.url);
    const list = { args: ['token', 'list', '--password-stdin'], input: password };
    expect((await run(list, { stdout: 'full' })).code).toBe(9);
    expect(await run(list, { stdout: 'closed' })).toMatchObject({ code: 141, err: '' });
    expect((await run({ args: ['token', 'revoke', 'none', '--password-stdin'], input: password })).code).toBe(3);
  });
});

/** Commands beside the service. */
const operatorCommands: readonly (readonly string[])[] = [
  ['migrate', 'status'],
  ['migrate', 'up'],
  ['admin', 'user', 'list'],
  ['admin', 'user', 'add', 'linus', '--generate'],
  ['admin', 'user', 'disable', 'nobody'],
  ['admin', 'user', 'enable', 'nobody'],
  ['admin', 'user', 'reset-password', 'nobody', '--generate'],
  ['admin', 'import', 'FILE', '--owner', 'nobody'],
];

describe('every command beside the service', () => {
  const operate = (args: readonly string[], env: Readonly<Record<string, string>>, stdout?: RunOptions['stdout']) =>
    runKeyhold(
      args.map((arg) => (arg === 'FILE' ? newFile() : arg)),
      { env: { ...world.serviceEnv, ...env }, ...(stdout ? { stdout } : {}) },
    );

  const codes = async (all: readonly (readonly string[])[], env: Readonly<Record<string, string>>) => {
    const ended = await fewAtATime(all, (args) => operate(args, env));
    return ended.map(({ code, err }, at) => [all[at]?.join(' '), isSentence(code, err) ? code : err]);
  };
  const each = (all: readonly (readonly string[])[], code: number) => all.map((args) => [args.join(' '), code]);

  const serving = [...operatorCommands, ['serve']];

  it('says that the database cannot be reached', async () => {
    const env = { KEYHOLD_DATABASE_URL: `postgres://127.0.0.1:${closedPort}/keyhold` };
    expect(await codes(some(serving, 0), env)).toEqual(each(some(serving, 0), 7));
    expect((await operate(['migrate', 'status'], env)).err).toMatch(/KEYHOLD_DATABASE_URL.*nothing listens there/);
  });

  it('says that something else answers', async () => {
    const page = createServer((_request, response) => response.end('<html>Welcome</html>'));
    const env = { KEYHOLD_DATABASE_URL: `postgres://127.0.0.1:${await listen(page)}/keyhold` };
    expect(await codes(some(serving, 1), env)).toEqual(each(some(serving, 1), 7));
    expect((await operate(['serve'], env)).err).toContain('no PostgreSQL');
    page.close();
  });

  it('says that the database lets it not in', async () => {
    const url = world.serviceEnv['KEYHOLD_DATABASE_URL'] ?? '';
    const env = { KEYHOLD_DATABASE_URL: url.replace(/\/[^/?]+\?/, '/no_such_database?') };
    expect(await codes(some(serving, 2), env)).toEqual(each(some(serving, 2), 7));
    expect((await operate(['admin', 'user', 'list'], env)).err).toContain('has no database no_such_database');
  });

  it('says that there is nobody of this name, and does the rest', async () => {
    const expected = operatorCommands.map((args) => [args.join(' '), args.includes('nobody') ? 3 : 0]);
    expect(await codes(operatorCommands, {})).toEqual(expected);
    expect((await operate(['admin', 'user', 'add', 'linus', '--generate'], {})).code).toBe(6);
    expect((await operate(['admin', 'import', '/no/such/file', '--owner', 'ada'], {})).code).toBe(2);
  });

  it('says when its output could not be written, and ends quietly when nobody reads it', async () => {
    const printing = [['migrate', 'status'], ['admin', 'user', 'list'], ['doctor']];
    for (const args of printing) {
      expect((await operate(args, {}, 'full')).code, args.join(' ')).toBe(9);
      expect(await operate(args, {}, 'closed'), args.join(' ')).toMatchObject({ code: 141, err: '' });
    }
    const unseen = await operate(['admin', 'user', 'add', 'unseen', '--generate'], {}, 'full');
    expect(unseen).toMatchObject({ code: 9, err: expect.stringContaining('done all the same') });
  });

  it.each([
    ['add', 'never'],
    ['reset-password', 'ada'],
  ])('interrupted at its question does nothing: %s', async (verb, name) => {
    const screen = openTerminal(process.execPath, ['bin/keyhold.mjs', 'admin', 'user', verb, name], world.serviceEnv);
    await screen.shows('New password');
    screen.type('half a password\u0003');
    expect((await screen.ended).code).toBe(130);
    expect(screen.shown()).not.toMatch(/\n\s+at |half a password/);
    expect((await operate(['admin', 'user', 'list'], {})).out).not.toContain('never');
    expect((await world.ada.run(['whoami'])).code).toBe(0);
  });
});

describe('settings that are wrong', () => {
  it.each([
    ['a session’s name', ['ls', '--session', 'a b\r\nX: y'], {}],
    ['a server’s address', ['ls'], { KEYHOLD_CLI_SERVER: 'http://user:pass@host/path' }],
    ['a token', ['ls'], { KEYHOLD_CLI_TOKEN: 'kh_two\nlines' }],
    ['a profile’s name', ['ls', '--profile', '../x'], { KEYHOLD_CLI_TOKEN: '', KEYHOLD_CLI_SERVER: '' }],
    ['a variable’s name', ['ls'], { KEYHOLD_CLI_TOKN: 'kh_x' }],
    ['a number', ['ls', '--limit', '-1'], {}],
    ['a time', ['set', 'X', '--expires', 'tomorrow'], {}],
  ])('are refused with a sentence: %s', async (_what, args, env) => {
    const { code, err } = await runKeyhold(args, { env: { ...world.ada.env, ...env } });
    expect(code, err).toBe(2);
    expect(isSentence(code, err)).toBe(true);
  });
});
