import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Command as CommanderCommand } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createContext } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';
import { deafHook } from '../support/app.ts';
import { some } from '../support/counts.ts';
import { send } from '../support/http.ts';
import { openTerminal, startWithCommandLines } from '../support/keyhold-cli.ts';
import { fewAtATime, type Ran, type RunOptions, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, logInAdmin, password, startSession } from '../support/people.ts';
import { remember } from '../support/remembered.ts';

/** A command as it is typed. Words in capitals, such as NAME, SESSION and FILE, stand for what the test makes for it. */
interface Typed {
  readonly args: readonly string[];
  readonly input?: string;
  /** True if it needs no permission. */
  readonly open?: true;
  /** True if it changes something. */
  readonly changes?: true;
  /** Who types it: ada where nobody is named. */
  readonly by?: 'grace';
  /** True if stdout belongs to another program. */
  readonly silent?: true;
}

/** Every command that calls the service with a stored credential. */
const commands: readonly Typed[] = [
  { args: ['whoami'], open: true },
  { args: ['ls'] },
  { args: ['status'] },
  { args: ['get', 'NAME'] },
  { args: ['get', 'NAME', '--field', 'tags'] },
  { args: ['set', 'NAME'], input: 'another value', changes: true },
  { args: ['edit', 'NAME'], changes: true },
  { args: ['access', 'NAME'] },
  { args: ['history', 'NAME'] },
  { args: ['history', 'NAME', '--restore', '1'], changes: true },
  { args: ['share', 'NAME', 'grace'], changes: true },
  { args: ['unshare', 'NAME', 'grace'], changes: true },
  { args: ['transfer', 'NAME', '--to-user'], changes: true },
  { args: ['handover', 'offer', 'NAME', 'grace'], changes: true },
  { args: ['handover', 'list'] },
  { args: ['deactivate', 'NAME'], changes: true },
  { args: ['activate', 'NAME'], changes: true },
  { args: ['rm', 'NAME', '--yes'], changes: true },
  { args: ['rm', 'NAME', '--purge', '--yes'], changes: true },
  { args: ['recover', 'NAME'], changes: true },
  { args: ['session', 'start'], changes: true },
  { args: ['notices', '--all'] },
  { args: ['session', 'list'] },
  { args: ['session', 'show', 'SESSION'] },
  { args: ['session', 'add', 'SESSION', 'grace'], changes: true },
  { args: ['session', 'remove', 'SESSION', 'grace'], changes: true },
  { args: ['session', 'end', 'SESSION', '--yes'], changes: true },
  { args: ['session', 'join', 'SESSION'], changes: true },
  { args: ['session', 'leave', 'SESSION'], changes: true },
  { args: ['webhook', 'add', deafHook], changes: true },
  { args: ['webhook', 'list'] },
  { args: ['webhook', 'off', 'WEBHOOK'], changes: true },
  { args: ['webhook', 'on', 'WEBHOOK'], changes: true },
  { args: ['webhook', 'rotate-secret', 'WEBHOOK'], changes: true },
  { args: ['webhook', 'rotate-secret', 'WEBHOOK', '--drop-previous'], changes: true },
  { args: ['webhook', 'test', 'WEBHOOK'], changes: true },
  { args: ['webhook', 'deliveries', 'WEBHOOK'] },
  { args: ['webhook', 'redeliver', 'WEBHOOK', 'DELIVERY'], changes: true },
  { args: ['webhook', 'rm', 'WEBHOOK'], changes: true },
  { args: ['graph', 'search', 'ENTITY'] },
  { args: ['graph', 'show', 'ENTITY'] },
  { args: ['graph', 'neighbours', 'ENTITY'] },
  { args: ['graph', 'path', 'ENTITY', 'OTHER_ENTITY'] },
  { args: ['graph', 'add', 'TASK', 'ENTITY'], changes: true },
  { args: ['graph', 'update', 'ENTITY', '--tag', 'new'], changes: true },
  { args: ['graph', 'relate', 'ENTITY', 'blocks', 'OTHER_ENTITY'], changes: true },
  { args: ['graph', 'observe', 'ENTITY', 'something new'], changes: true },
  { args: ['graph', 'merge', 'ENTITY', 'OTHER_ENTITY'], changes: true },
  { args: ['graph', 'forget', 'ENTITY', '--yes'], changes: true },
  { args: ['graph', 'import', 'MEMORY'], changes: true },
  { args: ['graph', 'export'] },
  { args: ['graph', 'activities', '--session', 'SESSION'] },
  // By somebody else, since it would forget what the others are about.
  { args: ['graph', 'erase', '--yes'], changes: true, by: 'grace' },
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
  readonly webhook: string;
  readonly delivery: string;
  readonly entity: string;
}

const nowhere: Place = {
  name: 'NO_SUCH_SECRET',
  session: 'no-such-session',
  webhook: randomUUID(),
  delivery: randomUUID(),
  entity: 'no such entity',
};

/** A .env file whose one name is new each time, so that importing it clashes with nothing. */
const newFile = (): string => {
  count += 1;
  const path = join(world.directory, `import-${count}.env`);
  writeFileSync(path, `IMPORTED_${count}=${planted}\n`);
  return path;
};

/** A file of a memory server. */
const newMemory = (): string => {
  count += 1;
  const path = join(world.directory, `memory-${count}.json`);
  writeFileSync(path, `{"type":"entity","name":"imported ${count}","entityType":"person","observations":[]}\n`);
  return path;
};

const newPath = (): string => {
  count += 1;
  return join(world.directory, `new-${count}`);
};

const typed = ({ args }: Typed, { name, session, webhook, delivery, entity }: Place): string[] => {
  const meant: Readonly<Record<string, string>> = {
    NAME: name,
    SESSION: session,
    WEBHOOK: webhook,
    DELIVERY: delivery,
    ENTITY: entity,
    OTHER_ENTITY: `other ${entity}`,
  };
  const made: Readonly<Record<string, () => string>> = { FILE: newFile, MEMORY: newMemory };
  return args.map((arg) => made[arg]?.() ?? meant[arg] ?? arg);
};

const run = (command: Typed, place: Place, options: Partial<RunOptions> = {}): Promise<Ran> =>
  runKeyhold(typed(command, place), {
    ...options,
    input: command.input ?? '',
    env: { ...world[command.by ?? 'ada'].env, EDITOR: 'sh -c "printf other > $1" editor', ...options.env },
  });

/** True for one message on stderr, without a stack, a module or a value. */
const isSentence = (code: number | null, err: string): boolean =>
  (code === 0 || /^keyhold: .{12,}/m.test(err)) &&
  err.trim().split('\n').length <= 3 &&
  !/\n\s+at |node:internal|Error:/.test(err) &&
  !err.includes(planted);

/** The exit code of each command, by how it is typed, or its stderr where that is not one message. */
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

/** A new webhook for a command that needs one, with a delivery. There can be 20 of them. */
const freshWebhook = async ({ args }: Typed): Promise<Partial<Place>> => {
  const { person } = world.ada;
  for (const { id } of (await person.call('GET', '/webhooks')).body.webhooks.slice(0, -8))
    await person.call('DELETE', `/webhooks/${id}`);
  if (!args.includes('WEBHOOK')) return {};
  const { id } = expectStatus(await person.call('POST', '/webhooks', { body: { url: deafHook } }), 201).body;
  if (!args.includes('DELIVERY')) return { webhook: id };
  const delivery = expectStatus(await person.call('POST', `/webhooks/${id}/test`), 200).body.id;
  return { webhook: id, delivery };
};

/** A new secret and session for a command, in the state that it needs. */
const fresh = async (command: Typed): Promise<Place> => {
  count += 1;
  const { person } = world.ada;
  const names = { name: `FRESH_${count}`, session: `fresh-${count}` };
  const entity = `entity ${count}`;
  const place = { ...nowhere, ...names, entity, ...(await freshWebhook(command)) };
  if (command.args.includes('ENTITY')) for (const name of [entity, `other ${entity}`]) await remember(person, { name });
  const { id } = await keepSecret(person, { name: place.name, value: planted });
  await startSession(person, [world.grace.person], { external_id: place.session });
  if (command.args.includes('--restore')) {
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
  it('every command succeeds when nothing is wrong', async () => {
    expect(await outcomes(commands, fresh)).toEqual(every(commands, 0));
  });

  it('every command reports that the service cannot be reached', async () => {
    const env = { KEYHOLD_CLI_SERVER: `http://127.0.0.1:${closedPort}` };
    const tried = some(commands, 0, 5);
    expect(await outcomes(tried, nowhere, { env })).toEqual(every(tried, 7));
    expect((await run({ args: ['ls'] }, nowhere, { env })).err).toContain('nothing listens there');
  });

  it('every command reports a server that is not Keyhold', async () => {
    const page = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<html>Welcome</html>');
    });
    const env = { KEYHOLD_CLI_SERVER: `http://127.0.0.1:${await listen(page)}` };
    const tried = some(commands, 1, 5);
    expect(await outcomes(tried, nowhere, { env })).toEqual(every(tried, 7));
    page.close();
  });

  it.each([
    ['another program’s refusal', 404, 'application/json', '{"error":"no such page"}'],
    ['an empty answer', 200, 'application/json', ''],
    ['a redirect', 302, 'text/html', ''],
    ['a proxy that has lost the service', 502, 'text/html', 'Bad Gateway'],
  ])('a command reports a server that is not Keyhold by %s', async (_what, status, type, body) => {
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
  ])('every command says how to log in again once its token %s', async (how, expires_in) => {
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
    const tried = some(commands, how === 'was revoked' ? 2 : 4, 5);
    expect(await outcomes(tried, nowhere, { env })).toEqual(every(tried, 5));
    expect((await run({ args: ['ls'] }, nowhere, { env })).err).toContain('keyhold login');
  });

  it('every command says which permission its token lacks', async () => {
    const body = { name: 'narrow', permissions: ['secrets:use'], expires_in: 3600 };
    const { token } = expectStatus(await world.ada.person.call('POST', '/auth/tokens', { body }), 201).body;
    const place = await fresh({ args: [] });
    const env = { KEYHOLD_CLI_TOKEN: token };
    const narrow = some(
      commands.filter(({ open }) => !open),
      0,
    );
    expect(await outcomes(narrow, place, { env })).toEqual(every(narrow, 4));
    expect((await run({ args: ['ls'] }, place, { env })).err).toMatch(/secrets:list\. Use a token that has it/);
    expect((await run({ args: ['whoami'] }, place, { env })).code).toBe(0);
  });

  it('a refusal that is not about a permission ends without the advice to use another token', async () => {
    const { person } = world.ada;
    const { id: session_id } = await startSession(person);
    const body = { name: 'bound', permissions: ['sessions:write'], session_id, expires_in: 3600 };
    const { token } = expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body;
    const started = await run({ args: ['session', 'start'] }, nowhere, { env: { KEYHOLD_CLI_TOKEN: token } });
    expect(started).toMatchObject({ code: 4, err: expect.stringMatching(/cannot start another one\.\n$/) });
  });

  it('every command reports a name that does not exist', async () => {
    const [named, expected] = missing(3);
    expect(await outcomes(named, nowhere)).toEqual(expected);
    const ofEntity = commands.filter(
      ({ args }) => args.includes('ENTITY') && !['add', 'search'].includes(args[1] ?? ''),
    );
    const fewOfEntity = some(ofEntity, 0, 3);
    expect(await outcomes(fewOfEntity, nowhere)).toEqual(every(fewOfEntity, 3));
    const ofSession = commands.filter(({ args }) => args.includes('SESSION'));
    expect(await outcomes(ofSession, nowhere)).toEqual(every(ofSession, 4));
    const elsewhere = await run({ args: ['ls', '--session', 'no-such-session'] }, nowhere);
    expect(elsewhere).toMatchObject({ code: 4, err: expect.stringContaining('session list') });
  });

  it('every command reports output that could not be written, and whether its change was saved', async () => {
    const loud = commands.filter(({ silent }) => !silent);
    const json = some(loud, 2, 5).map((one) => ({ ...one, args: [...one.args, '--json'] }));
    expect(await outcomes(json, fresh, { stdout: 'full' })).toEqual(every(json, 9));
    const place = await fresh({ args: [] });
    const changed = await run({ args: ['set', 'NAME', '--json'], input: 'x' }, place, { stdout: 'full' });
    expect(changed.err).toMatch(/no space is left.*The change itself was saved\./);
    const looked = await run({ args: ['get', 'NAME'] }, place, { stdout: 'full' });
    expect(looked.err).not.toContain('was saved');
  });

  it('every command exits silently when the reader of its output is gone', async () => {
    const looking = commands.filter(({ silent, changes }) => !silent && !changes);
    const json = some(looking, 0).map(({ args }) => ({ args: [...args, '--json'] }));
    const ended = await fewAtATime(
      json,
      async (command) => await run(command, await fresh(command), { stdout: 'closed' }),
    );
    for (const { code, err } of ended) expect({ code, err }).toEqual({ code: 141, err: '' });
  });
});

/** Commands that use the password, from stdin. SERVER stands for the address. */
const accountCommands: readonly Typed[] = [
  { args: ['login', 'SERVER', '-u', 'ada', '--password-stdin'], input: password, changes: true },
  { args: ['token', 'list', '--password-stdin'], input: password },
  { args: ['token', 'create', 'made', '--password-stdin'], input: password, changes: true },
  { args: ['token', 'revoke', 'made', '--password-stdin'], input: password, changes: true },
  { args: ['logout'], changes: true },
];

describe('every account command', () => {
  /** A machine that is logged in, whose profile then names another server. */
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

  it('account commands report that the service cannot be reached, and remove nothing', async () => {
    expect(await all(`http://127.0.0.1:${closedPort}`)).toEqual(every(accountCommands, 7));
  });

  it('account commands report a server that is not Keyhold, and remove nothing', async () => {
    const page = createServer((_request, response) => response.end('<html>Welcome</html>'));
    expect(await all(`http://127.0.0.1:${await listen(page)}`)).toEqual(every(accountCommands, 7));
    page.close();
  });

  it('account commands report a wrong password', async () => {
    const { run } = await machine(world.service.url);
    for (const command of accountCommands.filter(({ input }) => input !== undefined)) {
      const { code, err } = await run({ ...command, input: 'not the password' });
      expect({ code, sentence: isSentence(code, err) }, command.args.join(' ')).toEqual({ code: 5, sentence: true });
    }
  });

  it('account commands report output that could not be written, and exit silently when its reader is gone', async () => {
    const { run } = await machine(world.service.url);
    const list = { args: ['token', 'list', '--password-stdin'], input: password };
    expect((await run(list, { stdout: 'full' })).code).toBe(9);
    expect(await run(list, { stdout: 'closed' })).toMatchObject({ code: 141, err: '' });
    expect((await run({ args: ['token', 'revoke', 'none', '--password-stdin'], input: password })).code).toBe(3);
  });
});

/** Commands that run on the service's machine. FILE stands for a file of the test, NEW for one that does not exist. */
const operatorCommands: readonly (readonly string[])[] = [
  ['migrate', 'status'],
  ['migrate', 'up'],
  ['admin', 'user', 'list'],
  ['admin', 'user', 'add', 'linus', '--generate'],
  ['admin', 'user', 'disable', 'nobody'],
  ['admin', 'user', 'enable', 'nobody'],
  ['admin', 'user', 'reset-password', 'nobody', '--generate'],
  ['admin', 'user', 'erase', 'nobody', '--yes'],
  ['admin', 'import', 'FILE', '--owner', 'nobody'],
  ['backup', 'NEW'],
  ['audit', 'export'],
  ['restore', '--release'],
];

describe('every server-side command', () => {
  const operate = (args: readonly string[], env: Readonly<Record<string, string>>, stdout?: RunOptions['stdout']) =>
    runKeyhold(
      args.map((arg) => (arg === 'FILE' ? newFile() : arg === 'NEW' ? newPath() : arg)),
      { env: { ...world.serviceEnv, ...env }, ...(stdout ? { stdout } : {}) },
    );

  const codes = async (all: readonly (readonly string[])[], env: Readonly<Record<string, string>>) => {
    const ended = await fewAtATime(all, (args) => operate(args, env));
    return ended.map(({ code, err }, at) => [all[at]?.join(' '), isSentence(code, err) ? code : err]);
  };
  const each = (all: readonly (readonly string[])[], code: number) => all.map((args) => [args.join(' '), code]);

  const serving = [...operatorCommands, ['serve']];

  it('server-side commands report that the database cannot be reached', async () => {
    const env = { KEYHOLD_DATABASE_URL: `postgres://127.0.0.1:${closedPort}/keyhold` };
    expect(await codes(some(serving, 0), env)).toEqual(each(some(serving, 0), 7));
    expect((await operate(['migrate', 'status'], env)).err).toMatch(/KEYHOLD_DATABASE_URL.*nothing listens there/);
  });

  it('server-side commands report a server that is not PostgreSQL', async () => {
    const page = createServer((_request, response) => response.end('<html>Welcome</html>'));
    const env = { KEYHOLD_DATABASE_URL: `postgres://127.0.0.1:${await listen(page)}/keyhold` };
    expect(await codes(some(serving, 1), env)).toEqual(each(some(serving, 1), 7));
    expect((await operate(['serve'], env)).err).toContain('no PostgreSQL');
    page.close();
  });

  it('server-side commands report that the database refuses them', async () => {
    const url = world.serviceEnv['KEYHOLD_DATABASE_URL'] ?? '';
    const env = { KEYHOLD_DATABASE_URL: url.replace(/\/[^/?]+\?/, '/no_such_database?') };
    expect(await codes(some(serving, 2), env)).toEqual(each(some(serving, 2), 7));
    expect((await operate(['admin', 'user', 'list'], env)).err).toContain('has no database no_such_database');
  });

  it('server-side commands report an unknown user, and succeed otherwise', async () => {
    const expected = operatorCommands.map((args) => [args.join(' '), args.includes('nobody') ? 3 : 0]);
    expect(await codes(operatorCommands, {})).toEqual(expected);
    expect((await operate(['admin', 'user', 'add', 'linus', '--generate'], {})).code).toBe(6);
    expect((await operate(['admin', 'import', '/no/such/file', '--owner', 'ada'], {})).code).toBe(2);
  });

  it('server-side commands report output that could not be written, and exit silently when its reader is gone', async () => {
    const printing = [['migrate', 'status'], ['admin', 'user', 'list'], ['doctor'], ['audit', 'export']];
    for (const args of printing) {
      expect((await operate(args, {}, 'full')).code, args.join(' ')).toBe(9);
      expect(await operate(args, {}, 'closed'), args.join(' ')).toMatchObject({ code: 141, err: '' });
    }
    const unseen = await operate(['admin', 'user', 'add', 'unseen', '--generate'], {}, 'full');
    expect(unseen).toMatchObject({ code: 9, err: expect.stringContaining('The change itself was saved.') });
  });

  it.each([
    ['add', 'never'],
    ['reset-password', 'ada'],
  ])('Ctrl-C at the prompt of admin user %s changes nothing', async (verb, name) => {
    const screen = openTerminal(process.execPath, ['bin/keyhold.mjs', 'admin', 'user', verb, name], world.serviceEnv);
    await screen.shows('New password');
    screen.type('half a password\u0003');
    expect((await screen.ended).code).toBe(130);
    expect(screen.shown()).not.toMatch(/\n\s+at |half a password/);
    expect((await operate(['admin', 'user', 'list'], {})).out).not.toContain('never');
    expect((await world.ada.run(['whoami'])).code).toBe(0);
  });
});

/** Commands of administrators. Each begins something or shows it, and nothing that the next one would mind. */
const administratorCommands: readonly Typed[] = [
  { args: ['keys', 'status'] },
  { args: ['keys', 'rewrap'], changes: true },
  { args: ['keys', 'rewrap', '--no-wait'], changes: true },
  { args: ['keys', 'reencrypt', '--user', 'ada', '--no-wait'], changes: true },
  { args: ['keys', 'rotate-seal', '--no-wait'], changes: true },
];

/** Those that the state of this service refuses: its root keys come from a variable, and there is no such job. */
const refusedCommands: readonly (Typed & { readonly code: number })[] = [
  { args: ['keys', 'reload'], code: 6 },
  { args: ['keys', 'rotate-root'], code: 6 },
  { args: ['keys', 'retire', '0123456789abcdef', '--yes'], code: 3 },
  { args: ['keys', 'retire', '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f', '--yes'], code: 3 },
  { args: ['keys', 'cancel', '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f'], code: 3 },
];

describe('every administrator’s command', () => {
  const both = [...administratorCommands, ...refusedCommands];
  let env: Readonly<Record<string, string>>;
  beforeAll(async () => {
    const call = (method: string, path: string, options?: object) =>
      send(world.service.url, method, `/api/v1${path}`, options);
    const admin = await logInAdmin({ call });
    const body = { name: 'keys', permissions: ['admin'], expires_in: 86_400 };
    env = { KEYHOLD_CLI_TOKEN: expectStatus(await admin.call('POST', '/auth/tokens', { body }), 201).body.token };
  });

  it('administrators’ commands succeed when nothing is wrong, and otherwise say what is', async () => {
    expect(await outcomes(administratorCommands, nowhere, { env })).toEqual(every(administratorCommands, 0));
    for (const { code, ...command } of refusedCommands) {
      const ran = await run(command, nowhere, { env });
      expect(ran, command.args.join(' ')).toMatchObject({ code, err: expect.stringMatching(/^keyhold: .{12,}/) });
      expect(ran.err).not.toMatch(/\n\s+at |secret/);
    }
  });

  it('administrators’ commands report that the service cannot be reached', async () => {
    const away = { ...env, KEYHOLD_CLI_SERVER: `http://127.0.0.1:${closedPort}` };
    expect(await outcomes(both, nowhere, { env: away })).toEqual(every(both, 7));
  });

  it('administrators’ commands say which permission a member’s token lacks', async () => {
    expect(await outcomes(both, nowhere)).toEqual(every(both, 4));
  });

  it('administrators’ commands report output that could not be written, and exit silently when its reader is gone', async () => {
    expect(await outcomes(administratorCommands, nowhere, { env, stdout: 'full' })).toEqual(
      every(administratorCommands, 9),
    );
    for (const command of administratorCommands)
      expect(await run(command, nowhere, { env, stdout: 'closed' })).toMatchObject({ code: 141, err: '' });
  });

  it('a key, a job and a row are named by ids, and what is none is refused', async () => {
    for (const args of [
      ['keys', 'retire', 'the-old-one', '--yes'],
      ['keys', 'retire', '0123456789abcdef'],
      ['keys', 'retire', '0123456789abcdef', '--yes', '--give-up', 'secrets'],
      ['keys', 'cancel', 'the-job'],
    ]) {
      const { code, err } = await run({ args }, nowhere, { env });
      expect({ code, sentence: isSentence(code, err) }, args.join(' ')).toEqual({ code: 2, sentence: true });
    }
  });
});

/** Commands without a row in the tables above, and where they are tested instead. */
const testedElsewhere: Readonly<Record<string, string>> = {
  'events tail': 'cli-notices.test.ts',
  serve: 'in this file and in test/e2e/processes.test.ts',
  doctor: 'in this file and in test/e2e/cli-server-side.test.ts',
  'migrate down': 'in test/e2e/cli-hardened.test.ts and test/migrations: it erases the database',
  'profile list': 'in test/e2e/cli-login.test.ts: it uses files only',
  'profile use': 'in test/e2e/cli-login.test.ts: it uses files only',
  'profile remove': 'in test/e2e/cli-login.test.ts: it uses files only',
  'handover user': 'in test/e2e/cli-handover.test.ts: it needs a user who is disabled',
  'handover accept': 'in test/e2e/cli-handover.test.ts: it needs an offer of somebody else',
  'handover cancel': 'in test/e2e/cli-handover.test.ts: it needs an offer',
  completion: 'in test/e2e/cli-completion.test.ts: it prints a constant',
  keygen: 'in test/e2e/cli-keys.test.ts: it asks nobody',
};

const leafCommands = (command: CommanderCommand, path: readonly string[] = []): string[] =>
  command.commands.length === 0
    ? [path.join(' ')]
    : command.commands.flatMap((child) => leafCommands(child, [...path, child.name()]));

it('every command of the command line has a row in the tables of this file, or is tested elsewhere', async () => {
  const program = await createProgram(createContext().context, () => undefined);
  const rows = [...commands, ...accountCommands, ...administratorCommands, ...refusedCommands]
    .map(({ args }) => args)
    .concat(operatorCommands);
  const isCovered = (path: string): boolean =>
    path in testedElsewhere || rows.some((args) => `${args.join(' ')} `.startsWith(`${path} `));
  const missing = leafCommands(program).filter((path) => !isCovered(path));
  expect(missing, 'Add each of these commands to a table in cli-trouble.test.ts, or to `testedElsewhere`').toEqual([]);
  const unknown = Object.keys(testedElsewhere).filter((path) => !leafCommands(program).includes(path));
  expect(unknown, 'Remove these from `testedElsewhere`: there are no such commands').toEqual([]);
});

describe('invalid settings', () => {
  it.each([
    ['a session’s name', ['ls', '--session', 'a b\r\nX: y'], {}],
    ['a server’s address', ['ls'], { KEYHOLD_CLI_SERVER: 'http://user:pass@host/path' }],
    ['a token', ['ls'], { KEYHOLD_CLI_TOKEN: 'kh_two\nlines' }],
    ['a profile’s name', ['ls', '--profile', '../x'], { KEYHOLD_CLI_TOKEN: '', KEYHOLD_CLI_SERVER: '' }],
    ['a variable’s name', ['ls'], { KEYHOLD_CLI_TOKN: 'kh_x' }],
    ['a number', ['ls', '--limit', '-1'], {}],
    ['a time', ['set', 'X', '--expires', 'tomorrow'], {}],
  ])('an invalid setting is refused with a message: %s', async (_what, args, env) => {
    const { code, err } = await runKeyhold(args, { env: { ...world.ada.env, ...env } });
    expect(code, err).toBe(2);
    expect(isSentence(code, err)).toBe(true);
  });
});
