import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AtCommandLine, commandLine, openTerminal, startWithCommandLines } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret } from '../support/people.ts';

let world: Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace' | 'edith' | 'radia'>>>;
let ada: AtCommandLine;

const stripe = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const password = 'p@ss w0rd/+?&="quoted"\\é';

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace', 'edith', 'radia');
  ada = world.ada;
  await keepSecret(ada.person, { name: 'STRIPE_KEY', value: stripe, tags: ['billing'] });
  await keepSecret(ada.person, { name: 'db.main-password', value: password });
});

afterAll(() => world.close());

const sh = (script: string): string[] => ['--', 'sh', '-c', script];
const node = (script: string): string[] => ['--', process.execPath, '-e', script];

describe('a command with secrets', () => {
  it('a command receives its user’s own secrets as variables, with underscores for dots and dashes, and not their token', async () => {
    const { code, out } = await ada.run(['run', '--no-mask', '--', 'env']);
    expect(code).toBe(0);
    expect(out).toContain(`STRIPE_KEY=${stripe}\n`);
    expect(out).toContain(`db_main_password=${password}\n`);
    expect(out).not.toContain('KEYHOLD_CLI_TOKEN');
  });

  it('a command receives only the secrets chosen by tag or name, under a prefix', async () => {
    const tagged = await ada.run(['run', '--no-mask', '--tag', 'billing', '--prefix', 'KH_', '--', 'env']);
    expect(tagged.out).toContain(`KH_STRIPE_KEY=${stripe}\n`);
    expect(tagged.out).not.toContain('KH_db_main_password');
    const named = await ada.run(['run', '--no-mask', '--only', 'db.main-password', '--', 'env']);
    expect(named.out).toContain(`db_main_password=${password}\n`);
    expect(named.out).not.toContain('STRIPE_KEY');
  });

  it('a command receives its arguments unchanged, including a second -- and options like Keyhold’s', async () => {
    const { out } = await ada.run(['run', '--', 'printf', '<%s>', '--', '--only', '-q', '--json', 'a b']);
    expect(out).toBe('<--><--only><-q><--json><a b>');
  });

  it('a session’s secret takes precedence over another of the same name', async () => {
    const session = expectStatus(
      await ada.person.call('POST', '/sessions', { body: { external_id: 'run-1' } }),
      201,
    ).body;
    const place = { scope: 'session', session_id: session.id };
    await keepSecret(ada.person, { name: 'STRIPE_KEY', value: 'sk_of_the_session', ...place });
    const inside = await ada.run(['run', '--session', 'run-1', '--no-mask', '--', 'printenv', 'STRIPE_KEY']);
    expect(inside.out).toBe('sk_of_the_session\n');
    const outside = await ada.run(['run', '--no-mask', '--', 'printenv', 'STRIPE_KEY']);
    expect(outside.out).toBe(`${stripe}\n`);
  });

  it('a command receives another user’s secret only by name', async () => {
    await keepSecret(world.grace.person, {
      name: 'GRACES',
      value: 'shared by grace',
      scope: 'shared',
      shared_with: [ada.person.id],
    });
    const unnamed = await ada.run(['run', '--no-mask', '--', 'env']);
    expect(unnamed.out).not.toContain('GRACES');
    const named = await ada.run(['run', '--no-mask', '--only', 'GRACES', '--', 'printenv', 'GRACES']);
    expect(named.out).toBe('shared by grace\n');
    const withOwner = await ada.run(['run', '--no-mask', '--only', 'grace/GRACES', '--', 'printenv', 'GRACES']);
    expect(withOwner.out).toBe('shared by grace\n');
  });

  it('run exits with the command’s exit code, piped or not', async () => {
    const codes = [0, 1, 130];
    const end = async (options: string[]) =>
      await Promise.all(codes.map(async (code) => (await ada.run(['run', ...options, ...sh(`exit ${code}`)])).code));
    expect(await Promise.all([end([]), end(['--no-mask'])])).toEqual([codes, codes]);
  });

  it('run terminates by the signal that terminated the command, piped or not', async () => {
    const signals = ['SIGTERM', 'SIGKILL', 'SIGUSR1'] as const;
    const end = (options: string[]) =>
      Promise.all(
        signals.map(
          async (signal) => (await ada.run(['run', ...options, ...sh(`kill -${signal.slice(3)} $$`)])).signal,
        ),
      );
    expect(await Promise.all([end([]), end(['--no-mask'])])).toEqual([signals, signals]);
  });

  it.each([[[]], [['--no-mask']]])('a command receives the signals sent to keyhold (options %j)', async (options) => {
    const script =
      "process.on('SIGTERM', () => { console.log('told'); process.exit(7); }); console.log('ready'); setInterval(() => {}, 1000)";
    const command = ada.start(['run', ...options, ...node(script)]);
    await command.prints(/ready/);
    command.signal('SIGTERM');
    expect(await command.ended).toMatchObject({ code: 7, out: 'ready\ntold\n' });
  });

  it('run exits with 127 for a missing command and 126 for one that is not executable', async () => {
    const missing = await ada.run(['run', '--', 'no-such-command-here']);
    expect(missing).toMatchObject({ code: 127 });
    expect(missing.err).toContain('no-such-command-here');
    const path = join(world.directory, 'plain.txt');
    await writeFile(path, 'echo plain $STRIPE_KEY\n');
    expect(await ada.run(['run', '--', path])).toMatchObject({ code: 126 });
    await chmod(path, 0o755);
    expect(await ada.run(['run', '--', path])).toMatchObject({ code: 0, out: 'plain [masked]\n' });
    expect(await ada.run(['run', '--no-mask', '--', path])).toMatchObject({ code: 0, out: `plain ${stripe}\n` });
  });

  it('a command notices a closed pipe as it would without keyhold', async () => {
    const piped = `${commandLine.join(' ')} run -- yes | head -1; echo "over"`;
    const terminal = openTerminal('/bin/sh', ['-c', piped], ada.env);
    await terminal.ended;
    expect(terminal.shown()).toBe('y\r\nover\r\n');
    const inside = await ada.run(['run', '--no-mask', ...sh('yes | head -1')]);
    expect(inside).toMatchObject({ code: 0, out: 'y\n', err: '' });
  });
});

describe('piped output', () => {
  it('10 MB of piped output show no value, wherever it is split and in whatever form it is written', async () => {
    const script = `
      const values = [process.env.STRIPE_KEY, process.env.db_main_password];
      const forms = values.flatMap((value) => [
        value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1), new URLSearchParams({ v: value }).toString().slice(2),
        Buffer.from(value).toString('base64'), Buffer.from(value).toString('base64url'),
      ]);
      const { writeSync } = require('node:fs');
      const out = (text) => { for (let rest = Buffer.from(text); rest.length > 0;) rest = rest.subarray(writeSync(1, rest)); };
      let written = 0;
      for (let round = 0; written < 10 * 1024 * 1024; round += 1) {
        const form = forms[round % forms.length];
        const cut = round % (form.length + 1);
        const filler = '-'.repeat(65536 - (round * 7) % 60);
        out(filler + form.slice(0, cut));
        out(form.slice(cut) + '\\n');
        written += filler.length + form.length + 1;
      }`;
    const { code, out } = await ada.run(['run', ...node(script)]);
    expect(code).toBe(0);
    for (const value of [stripe, password]) {
      const forms = [value, encodeURIComponent(value), Buffer.from(value).toString('base64url')];
      for (const form of [
        ...forms,
        Buffer.from(value).toString('base64').replace(/=*$/, ''),
        JSON.stringify(value).slice(1, -1),
      ]) {
        expect(out.includes(form)).toBe(false);
      }
    }
    expect(out.length).toBeGreaterThan(10_000_000);
    expect(out.replaceAll(/-+\[masked\]\n/g, '')).toBe('');
  });

  it('stderr is masked like stdout, and --no-mask masks neither', async () => {
    const both = sh('echo "out $STRIPE_KEY"; echo "err $STRIPE_KEY" >&2');
    expect(await ada.run(['run', ...both])).toMatchObject({ out: 'out [masked]\n', err: 'err [masked]\n' });
    expect(await ada.run(['run', '--no-mask', ...both])).toMatchObject({
      out: `out ${stripe}\n`,
      err: `err ${stripe}\n`,
    });
  });

  it('piped output can be opened as /dev/stdout, like any pipe', async () => {
    const { out, err } = await ada.run(['run', ...sh('echo one > /dev/stdout; echo two | tee /dev/stderr')]);
    expect(out).toBe('one\ntwo\n');
    expect(err).toBe('two\n');
  });
});

describe('on a terminal', () => {
  it('a command on a terminal has the terminal itself', async () => {
    const terminal = ada.onTerminal([
      'run',
      ...sh('test -t 0 && test -t 1 && test -t 2 && echo "a terminal: $STRIPE_KEY"'),
    ]);
    expect(await terminal.ended).toEqual({ code: 0, signal: 0 });
    expect(terminal.shown()).toContain(`a terminal: ${stripe}`);
  });

  const interrupted = async (): Promise<string[]> => {
    const path = join(world.directory, 'interrupted.cjs');
    await writeFile(
      path,
      `let times = 0;
      const told = () => { times += 1; console.log('interrupted ' + times); setTimeout(() => process.exit(40 + times), 400); };
      process.on('SIGINT', told);
      setInterval(() => {}, 1000);
      console.log('ready');`,
    );
    return ['--', process.execPath, path];
  };

  it.each([[[]], [['--mask']]])('Ctrl-C on a terminal reaches the command once (options %j)', async (options) => {
    const terminal = ada.onTerminal(['run', ...options, ...(await interrupted())]);
    await terminal.shows('ready');
    terminal.type('\u0003');
    expect(await terminal.ended).toEqual({ code: 41, signal: 0 });
    expect(terminal.shown()).toContain('interrupted 1');
  });

  it('Ctrl-C reaches the command once even where its output is piped', async () => {
    const words = [...commandLine, 'run', ...(await interrupted())].join(' ');
    const script = `trap : INT; ${words} | (trap '' INT; cat); echo "ended \${PIPESTATUS[0]}"`;
    const terminal = openTerminal('/bin/bash', ['-c', script], ada.env);
    await terminal.shows('ready');
    terminal.type('\u0003');
    await terminal.ended;
    expect(terminal.shown()).toContain('interrupted 1');
    expect(terminal.shown()).toContain('ended 41');
  });

  it.each([
    ['directly', []],
    ['masked', ['--mask']],
  ])('exit codes and signals of a command on a terminal are passed on, run %s', async (_how, options) => {
    const end = async (script: string) => await ada.onTerminal(['run', ...options, ...sh(script)]).ended;
    expect(await end('exit 0')).toEqual({ code: 0, signal: 0 });
    expect(await end('exit 1')).toEqual({ code: 1, signal: 0 });
    expect(await end('exit 130')).toEqual({ code: 130, signal: 0 });
    expect(await end('kill -TERM $$')).toMatchObject({ signal: 15 });
  });

  it('--mask hides values on a terminal and passes its changes of size on', async () => {
    const script = `echo "<$STRIPE_KEY>"; stty size; until test "$(stty size)" = "30 100"; do sleep 0.1; done
      echo resized; read line; echo "typed $line"`;
    const terminal = ada.onTerminal(['run', '--mask', ...sh(script)]);
    await terminal.shows('24 80');
    terminal.resize(100, 30);
    await terminal.shows('resized');
    terminal.type('hello\r');
    expect(await terminal.ended).toEqual({ code: 0, signal: 0 });
    expect(terminal.shown()).toContain('<[masked]>');
    expect(terminal.shown()).toContain('typed hello');
    expect(terminal.shown()).not.toContain(stripe);
  });
});

describe('refusals before the command starts', () => {
  const marker = () => join(world.directory, 'started');
  const touch = () => ['--', 'touch', marker()];
  const started = () =>
    readFile(marker()).then(
      () => true,
      () => false,
    );

  it('run starts nothing when the server cannot be reached', async () => {
    const { code, err } = await ada.run(['run', ...touch()], { KEYHOLD_CLI_SERVER: 'http://127.0.0.1:9' });
    expect(code).toBe(7);
    expect(err).toContain('cannot be reached');
    expect(await started()).toBe(false);
  });

  it('run starts nothing when the token is not valid', async () => {
    expect(await ada.run(['run', ...touch()], { KEYHOLD_CLI_TOKEN: 'kh_nothing' })).toMatchObject({ code: 5 });
    expect(await started()).toBe(false);
  });

  it('run starts nothing when a name or tag matches nothing', async () => {
    expect(await ada.run(['run', '--only', 'STRIPE_KEY,NO_SUCH', ...touch()])).toMatchObject({ code: 3 });
    expect(await ada.run(['run', '--tag', 'no-such', ...touch()])).toMatchObject({ code: 2 });
    expect(await started()).toBe(false);
  });

  it('run starts nothing when a secret would set a variable that programs obey, unless that is allowed', async () => {
    const { edith } = world;
    const names = ['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'PYTHONPATH', 'BASH_ENV', 'git_ssh_command'];
    for (const name of names) await keepSecret(edith.person, { name, value: `/nonexistent/${name}` });
    const refused = await Promise.all(names.map((name) => edith.run(['run', '--only', name, ...touch()])));
    for (const { code, err } of refused) {
      expect(code).toBe(2);
      expect(err).toContain('--allow-unsafe-name');
    }
    expect(await started()).toBe(false);
    // A secret that was not named is left out, with a warning.
    await keepSecret(edith.person, { name: 'HARMLESS', value: 'of edith’s own' });
    const rest = await edith.run(['run', '--no-mask', '--', 'env']);
    expect(rest).toMatchObject({ code: 0, out: expect.stringContaining('HARMLESS=of edith’s own\n') });
    for (const name of names) {
      expect(rest.err).toContain(name);
      expect(rest.out).not.toContain(`/nonexistent/${name}`);
    }
    const prefixed = await edith.run(['run', '--no-mask', '--prefix', 'MY_', '--', 'env']);
    for (const name of names) expect(prefixed.out).toContain(`MY_${name}=/nonexistent/${name}\n`);
    const allowed = ['--allow-unsafe-name', '--only', 'BASH_ENV,git_ssh_command', '--', 'env'];
    const { out } = await edith.run(['run', '--no-mask', ...allowed]);
    expect(out).toContain('BASH_ENV=/nonexistent/BASH_ENV\n');
    // A credential is passed on, although its name begins like such a variable.
    await keepSecret(edith.person, { name: 'NODE_AUTH_TOKEN', value: 'npm_0123456789' });
    const token = ['--only', 'NODE_AUTH_TOKEN', '--', 'printenv', 'NODE_AUTH_TOKEN'];
    expect(await edith.run(['run', '--no-mask', ...token])).toMatchObject({ code: 0, out: 'npm_0123456789\n' });
  });

  it('run starts nothing for a duplicate or invalid variable name, or a value with a NUL', async () => {
    const { radia } = world;
    await keepSecret(radia.person, { name: 'a.b', value: 'first' });
    await keepSecret(radia.person, { name: 'a-b', value: 'second' });
    const clash = await radia.run(['run', ...touch()]);
    expect(clash.code).toBe(2);
    expect(clash.err).toMatch(/a[.-]b and a[.-]b would both become the variable a_b/);
    expect(await radia.run(['run', '--only', 'a.b', '--', 'printenv', 'a_b'])).toMatchObject({ out: '[masked]\n' });
    await keepSecret(radia.person, { name: '9lives', value: 'a cat' });
    expect(await radia.run(['run', '--only', '9lives', ...touch()])).toMatchObject({ code: 2 });
    expect(await radia.run(['run', '--only', '9lives', '--prefix', 'K', '--', 'printenv', 'K9lives'])).toMatchObject({
      code: 0,
    });
    await keepSecret(radia.person, { name: 'NUL', value: 'a\0b' });
    const nul = await radia.run(['run', '--only', 'NUL', ...touch()]);
    expect(nul).toMatchObject({ code: 2 });
    expect(nul.err).toContain('NUL character');
    expect(await started()).toBe(false);
  });
});
