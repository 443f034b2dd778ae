import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTerminal, startWithCommandLines } from '../support/keyhold-cli.ts';
import { keyholdBin, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, password, startSession } from '../support/people.ts';

type World = Awaited<ReturnType<typeof startWithCommandLines<'ada'>>>;

let world: World;
let stored: Record<string, string>;

beforeAll(async () => {
  world = await startWithCommandLines('ada');
  stored = { KEYHOLD_CLI_CONFIG_DIR: `${world.directory}/stored`, KEYHOLD_CLI_KEYRING: 'off' };
  const args = ['login', world.service.url, '-u', 'ada', '--password-stdin'];
  expect((await runKeyhold(args, { env: stored, input: password })).code).toBe(0);
});
afterAll(() => world.close());

const ctrlC = '\u0003';
const terminal = (args: readonly string[], env: Record<string, string> = {}) =>
  openTerminal(process.execPath, [keyholdBin, ...args], { ...stored, ...env });
const keyhold = (args: readonly string[]) => runKeyhold(args, { env: stored });

const tokens = async (): Promise<unknown[]> =>
  expectStatus(await world.ada.person.call('GET', '/auth/tokens'), 200).body.tokens;

/** The command lines of all processes, as `ps` shows them. */
const processes = async (): Promise<string> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const texts = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(texts)).join('\n');
};

describe('a typed value', () => {
  it('a typed value is not shown and is stored', async () => {
    const screen = terminal(['set', 'TYPED']);
    await screen.shows('Value of TYPED');
    screen.type('sk_typed_in\u007f\u007fin\r');
    expect((await screen.ended).code).toBe(0);
    expect(screen.shown()).not.toContain('sk_typed');
    expect((await keyhold(['get', 'TYPED'])).out).toBe('sk_typed_in');
  });

  it('a value of several lines can be pasted', async () => {
    const screen = terminal(['set', 'PASTED']);
    await screen.shows('\u001b[?2004h');
    screen.type('\u001b[200~-----BEGIN KEY-----\rabc\r-----END KEY-----\r\u001b[201~\r');
    expect((await screen.ended).code).toBe(0);
    expect((await keyhold(['get', 'PASTED'])).out).toBe('-----BEGIN KEY-----\nabc\n-----END KEY-----\n');
  });

  it('a value never appears in process lists, error output or logs', async () => {
    const planted = 'sk_planted_on_its_way_8dQ2';
    const path = `${world.directory}/planted.env`;
    await writeFile(path, `IMPORTED=${planted}\n`);
    const seen: string[] = [];
    let running = true;
    const watch = (async () => {
      while (running) seen.push(await processes());
    })();
    const said: string[] = [];
    const run = async (args: readonly string[], code: number, input = '', env = {}) => {
      const ended = await runKeyhold(args, { env: { ...stored, ...env }, input });
      expect(ended.code, `${args[0]}: ${ended.err}`).toBe(code);
      said.push(ended.err, args[0] === 'get' ? '' : ended.out);
    };
    await run(['set', 'PLANTED'], 0, planted);
    await run(['set', 'PLANTED', '--type', 'no such type'], 2, planted);
    await run(['edit', 'PLANTED'], 1, '', { EDITOR: 'false' });
    await run(['import', path], 0);
    await run(['import', path], 6);
    await run(['export', `${world.directory}/exported.env`], 0);
    await run(['get', 'PLANTED'], 0);
    await run(['run', '--', 'sh', '-c', 'echo $PLANTED; sleep 0.2; exit 7'], 7);
    await run(['run', '--no-mask', '--', 'sh', '-c', 'sleep 0.2; exit 7'], 7);
    await run(['run', '--', 'no-such-command'], 127);
    running = false;
    await watch;
    for (const verb of ['set', 'import', 'export', 'get', 'run', 'sleep']) {
      expect(seen.some((text) => text.includes(`\0${verb}\0`) || text.includes(`${verb}\0`))).toBe(true);
    }
    expect(seen.join('')).not.toContain(planted);
    expect(said.join('')).not.toContain(planted);
    expect(world.service.stdout() + world.service.stderr()).not.toContain(planted);
    expect(world.service.stdout()).toContain('/api/v1/secrets');
    expect((await keyhold(['get', 'PLANTED'])).out).toBe(planted);
  });
});

describe('output on a terminal', () => {
  it('output on a terminal has headings and a final newline, and no colour with NO_COLOR', async () => {
    await keepSecret(world.ada.person, { name: 'SHOWN', value: 'on a screen' });
    const list = terminal(['ls', 'SHOWN']);
    await list.ended;
    expect(list.shown()).toMatch(/NAME +TYPE +SCOPE/);
    expect(list.shown()).toContain('\u001b[1m');
    const plain = terminal(['ls', 'SHOWN'], { NO_COLOR: '1' });
    await plain.ended;
    expect(plain.shown()).not.toContain('\u001b[');
    const value = terminal(['get', 'SHOWN']);
    await value.ended;
    expect(value.shown()).toBe('on a screen\r\n');
  });
});

describe('prompts', () => {
  it('rm deletes nothing before it is confirmed', async () => {
    await keepSecret(world.ada.person, { name: 'ASKED' });
    const no = terminal(['rm', 'ASKED']);
    await no.shows('Delete ASKED?');
    no.type('n\r');
    expect((await no.ended).code).toBe(130);
    expect((await keyhold(['get', 'ASKED'])).code).toBe(0);
    const yes = terminal(['rm', 'ASKED']);
    await yes.shows('Delete ASKED?');
    yes.type('y\r');
    expect((await yes.ended).code).toBe(0);
    expect((await keyhold(['get', 'ASKED'])).code).toBe(3);
  });

  it('session end shows what it would do before it asks', async () => {
    const session = await startSession(world.ada.person, [], { external_id: 'asked' });
    await keepSecret(world.ada.person, { name: 'INSIDE', scope: 'session', session_id: session.id });
    const screen = terminal(['session', 'end', 'asked']);
    await screen.shows('End session asked?');
    expect(screen.shown()).toMatch(/INSIDE +yours/);
    screen.type(ctrlC);
    expect((await screen.ended).code).toBe(130);
    expect((await keyhold(['session', 'list'])).out).toContain('asked');
  });

  it('admin user erase shows what is lost before it asks, and erases nobody without a yes', async () => {
    const operate = (...args: string[]) => runKeyhold(['admin', 'user', ...args], { env: world.serviceEnv });
    const ask = () =>
      openTerminal(process.execPath, [keyholdBin, 'admin', 'user', 'erase', 'leaver'], world.serviceEnv);
    expect((await operate('add', 'leaver', '--generate')).code).toBe(0);
    const no = ask();
    await no.shows('Erase leaver for good?');
    expect(no.shown()).toContain('Erasing leaver takes away');
    no.type('n\r');
    expect((await no.ended).code).toBe(130);
    expect((await operate('list')).out).toContain('leaver');
    const yes = ask();
    await yes.shows('Erase leaver for good?');
    yes.type('y\r');
    expect((await yes.ended).code).toBe(0);
    expect((await operate('list')).out).not.toContain('leaver');
  });

  it.each([
    ['the value', ['set', 'NEVER'], 'Value of NEVER'],
    ['deleting', ['rm', 'STAYS'], 'Delete STAYS?'],
    ['the password for a token', ['token', 'create', 'never'], 'Password of ada'],
    ['the password for listing', ['token', 'list'], 'Password of ada'],
    ['the password for revoking', ['token', 'revoke', 'never'], 'Password of ada'],
    ['the username', ['login'], 'Username at'],
    ['the password', ['login', '-u', 'ada'], 'Password of ada'],
  ])('Ctrl-C at the prompt for %s exits with 130 and changes nothing', async (_what, args, question) => {
    if (args[1] === 'STAYS') await keepSecret(world.ada.person, { name: 'STAYS' });
    const before = await tokens();
    const screen = terminal(args);
    await screen.shows(question);
    screen.type(args.includes('NEVER') ? `half a value${ctrlC}` : ctrlC);
    expect((await screen.ended).code).toBe(130);
    expect(screen.shown()).not.toMatch(/\n\s+at |half a value/);
    expect(await tokens()).toHaveLength(before.length);
    expect((await keyhold(['get', 'NEVER'])).code).toBe(3);
    if (args[1] === 'STAYS') expect((await keyhold(['get', 'STAYS'])).code).toBe(0);
  });

  it('login prompts for the password without showing it', async () => {
    const screen = terminal(['login', world.service.url], { KEYHOLD_CLI_CONFIG_DIR: `${world.directory}/asked` });
    await screen.shows('Username at');
    screen.type('ada\r');
    await screen.shows('Password of ada');
    screen.type(`${password}\r`);
    expect((await screen.ended).code).toBe(0);
    expect(screen.shown()).toContain('Logged in to');
    expect(screen.shown()).not.toContain(password);
  });
});
