import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWithCommandLines } from '../support/keyhold-cli.ts';
import { type Ran, type RunOptions, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus } from '../support/people.ts';
import { startServiceProxy } from '../support/service-proxy.ts';

type World = Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace' | 'linus'>>>;
type Name = 'ada' | 'grace' | 'linus';

let world: World;

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace', 'linus');
});
afterAll(() => world.close());

const keyhold = (who: Name, args: readonly string[], options: Partial<RunOptions> = {}): Promise<Ran> =>
  runKeyhold(args, { ...options, env: { ...world[who].env, ...options.env } });

/** The output of a command that succeeds. */
const done = async (who: Name, args: readonly string[], options: Partial<RunOptions> = {}): Promise<string> => {
  const { code, out, err } = await keyhold(who, args, options);
  expect(code, `keyhold ${args.join(' ')}: ${err}`).toBe(0);
  return out;
};

const asJson = async (who: Name, args: readonly string[]): Promise<any> =>
  JSON.parse(await done(who, [...args, '--json']));

describe.concurrent('a value', () => {
  it('a value from stdin or a file comes back byte for byte, without an added newline', async () => {
    const value = 'two\nlines\u0000and ünïcödé 🔑';
    expect(await done('ada', ['set', 'ODD'], { input: `${value}\n` })).toBe('');
    expect(await done('ada', ['get', 'ODD'])).toBe(value);
    const path = join(world.directory, 'value.txt');
    await writeFile(path, 'ends in a line end\n');
    await done('ada', ['set', 'ODD', '--file', path]);
    expect(await done('ada', ['get', 'ODD'])).toBe('ends in a line end\n');
    expect((await asJson('ada', ['get', 'ODD'])).version).toBe(2);
  });

  it('set --generate creates a random value of the requested length', async () => {
    await done('ada', ['set', 'MADE', '--generate', '--length', '40']);
    await done('ada', ['set', 'MADE_TOO', '-g', '--length', '40']);
    const [one, other] = [await done('ada', ['get', 'MADE']), await done('ada', ['get', 'MADE_TOO'])];
    expect(one).toMatch(/^[A-Za-z0-9]{40}$/);
    expect(other).not.toBe(one);
  });

  it('a value as an argument is refused and not repeated', async () => {
    for (const args of [
      ['set', 'TYPED', 'sk_typed_by_mistake'],
      ['set', 'TYPED', '--value=sk_typed_by_mistake'],
      ['set', 'TYPED', '-psk_typed_by_mistake'],
      ['set', 'TYPED', '-----sk_typed_by_mistake'],
      ['get', 'TYPED', 'sk_typed_by_mistake'],
    ]) {
      const { code, out, err } = await keyhold('ada', args);
      expect(code, args.join(' ')).toBe(2);
      expect(out + err).not.toContain('sk_typed');
    }
    expect((await keyhold('ada', ['set', 'TYPED', 'x'])).err).toContain('process list');
    expect((await keyhold('ada', ['get', 'TYPED'])).code).toBe(3);
  });

  it('a value that is empty, not UTF-8 or too long is refused and not stored', async () => {
    for (const input of ['', '\n', Buffer.from([0xff, 0xfe]), 'x'.repeat(65_537)]) {
      const { code, err } = await keyhold('ada', ['set', 'NONE'], { input });
      expect(code, err).toBe(2);
    }
    expect((await keyhold('ada', ['get', 'NONE'])).code).toBe(3);
    await done('ada', ['set', 'LONGEST'], { input: 'x'.repeat(65_536) });
    expect(await done('ada', ['get', 'LONGEST'])).toHaveLength(65_536);
  });

  it('edit opens the value in a private file and removes it afterwards', async () => {
    await done('ada', ['set', 'EDITED'], { input: 'before' });
    const seen = join(world.directory, 'seen');
    const editor = `sh -c 'stat -c "%a %n" "$1" > ${seen}; printf "after\\n" > "$1"' editor`;
    await done('ada', ['edit', 'EDITED'], { env: { EDITOR: editor } });
    expect(await done('ada', ['get', 'EDITED'])).toBe('after');
    const [mode, path = ''] = (await readFile(seen, 'utf8')).trim().split(' ');
    expect(mode).toBe('600');
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });

  it('a value stays unchanged when the editor fails or changes nothing', async () => {
    await done('ada', ['set', 'KEPT'], { input: 'as it was' });
    const failed = await keyhold('ada', ['edit', 'KEPT'], { env: { EDITOR: 'sh -c "echo x > $1; exit 3" editor' } });
    expect(failed).toMatchObject({ code: 1, err: expect.stringContaining('Nothing was changed') });
    await done('ada', ['edit', 'KEPT'], { env: { EDITOR: 'true' } });
    expect(await asJson('ada', ['get', 'KEPT'])).toMatchObject({ version: 1, value: 'as it was' });
  });
});

describe.concurrent('metadata', () => {
  it('metadata is set with a value, kept by the next one, and read without revealing', async () => {
    const about = ['--type', 'api_key', '--tag', 'billing', '--tag', 'live', '--description', 'of the shop'];
    await done('ada', ['set', 'KNOWN', ...about, '--expires', '90d'], { input: 'one' });
    await done('ada', ['set', 'KNOWN', '--expires', 'never'], { input: 'two' });
    expect(await done('ada', ['get', 'KNOWN', '--field', 'type'])).toBe('api_key\n');
    expect(await done('ada', ['get', 'KNOWN', '--field', 'tags'])).toBe('["billing","live"]\n');
    expect(await done('ada', ['get', 'KNOWN', '--field', 'expires_at'])).toBe('\n');
    const audit = (await asJson('ada', ['ls', 'KNOWN']))[0];
    expect(audit).toMatchObject({ name: 'KNOWN', version: 2, description: 'of the shop' });
    expect(audit).not.toHaveProperty('value');
  });

  it('ls filters, and prints tab-separated lines without headings for programs', async () => {
    await done('ada', ['set', 'LISTED', '--tag', 'only-this'], { input: 'x' });
    const line = await done('ada', ['ls', '--tag', 'only-this', '--owner', 'me', '--state', 'live']);
    expect(line.split('\t').slice(0, 5)).toEqual(['LISTED', 'other', 'user', 'ada', 'live']);
    expect(line.trim().split('\n')).toHaveLength(1);
    const nothing = await keyhold('ada', ['ls', '--tag', 'no-such-tag']);
    expect(nothing).toMatchObject({ code: 0, out: '' });
  });

  it('control characters in others’ data are shown as escapes', async () => {
    const title = 'red \u001b[31m alert';
    await done('ada', ['session', 'start', 'escape', '--title', title]);
    expect(await done('ada', ['session', 'list'])).toContain('red \\u{1b}[31m alert');
  });
});

describe.concurrent('sharing', () => {
  it('share gives access, access shows who has it and why, and unshare withdraws it', async () => {
    await done('ada', ['set', 'LENT'], { input: 'lent' });
    expect((await keyhold('grace', ['get', 'LENT'])).code).toBe(3);
    await done('ada', ['share', 'LENT', 'grace']);
    expect(await done('grace', ['get', 'LENT'])).toBe('lent');
    const reached = (await done('ada', ['access', 'LENT'])).trim().split('\n');
    expect(reached.map((line) => line.split('\t').slice(0, 2))).toEqual([
      ['ada', 'owner'],
      ['grace', 'it is shared with them'],
    ]);
    expect(await keyhold('grace', ['access', 'LENT'])).toMatchObject({ code: 4 });
    await done('ada', ['unshare', 'LENT', 'grace']);
    expect((await keyhold('grace', ['get', 'LENT'])).code).toBe(3);
  });

  it('a user can give up their own access to a shared secret', async () => {
    await done('ada', ['set', 'OFFERED'], { input: 'x' });
    await done('ada', ['share', 'OFFERED', 'grace']);
    await done('grace', ['unshare', 'OFFERED']);
    expect((await keyhold('grace', ['get', 'OFFERED'])).code).toBe(3);
  });

  it('an ambiguous name lists its candidates with their owners, and owner/NAME resolves it', async () => {
    for (const who of ['ada', 'grace'] as const) {
      await done(who, ['set', 'TWICE'], { input: `of ${who}` });
      await done(who, ['share', 'TWICE', 'linus']);
    }
    for (const args of [
      ['get', 'TWICE'],
      ['unshare', 'TWICE'],
    ]) {
      const { code, err } = await keyhold('linus', args);
      expect(code).toBe(8);
      expect(err).toContain('ada/TWICE');
      expect(err).toContain('grace/TWICE');
    }
    expect(await done('linus', ['get', 'grace/TWICE'])).toBe('of grace');
    const [id] = (await done('linus', ['get', 'ada/TWICE', '--field', 'id'])).split('\n');
    expect(await done('linus', ['get', String(id)])).toBe('of ada');
    expect(await done('ada', ['get', 'TWICE'])).toBe('of ada');
  });
});

describe.concurrent('a name on the command line', () => {
  it('a name is looked up by exactly that name, in one request, however many secrets mention it', async () => {
    const items = Array.from({ length: 205 }, (_, at) => ({
      ...{ name: `MENTIONS_${at}`, type: 'other', value: 'x', scope: 'user' },
      description: 'stands in for EXACT',
    }));
    const body = { items, on_conflict: 'fail' };
    await done('ada', ['set', 'EXACT'], { input: 'the one that is meant' });
    expectStatus(await world.ada.person.call('POST', '/secrets/import', { body }), 201);
    const proxy = await startServiceProxy(world.service.url);
    const env = { KEYHOLD_CLI_SERVER: proxy.url };
    expect(await done('ada', ['get', 'EXACT', '--field', 'name'], { env })).toBe('EXACT\n');
    await done('ada', ['set', 'EXACT'], { input: 'another value', env });
    proxy.close();
    const lists = proxy.requests.filter((line) => line.startsWith('GET /api/v1/secrets?'));
    expect(lists).toHaveLength(2);
    for (const line of lists) expect(new URLSearchParams(line.split('?')[1]).get('name')).toBe('EXACT');
  });
});

describe.concurrent('the life of a secret', () => {
  it('an earlier version is restored from the history', async () => {
    for (const input of ['one', 'two']) await done('ada', ['set', 'VERSIONED'], { input });
    const lines = (await done('ada', ['history', 'VERSIONED'])).trim().split('\n');
    expect(lines.map((line) => line.split('\t')[0])).toEqual(['2', '1']);
    await done('ada', ['history', 'VERSIONED', '--restore', '1']);
    expect(await asJson('ada', ['get', 'VERSIONED'])).toMatchObject({ value: 'one', version: 3 });
    expect((await keyhold('ada', ['history', 'VERSIONED', '--restore', '77'])).code).toBe(3);
    const old = await keyhold('ada', ['restore', 'VERSIONED', '1']);
    expect(old).toMatchObject({ code: 2, err: expect.stringContaining('keyhold history <name> --restore <version>') });
  });

  it('a deleted secret is recovered, and an erased one is not', async () => {
    await done('ada', ['set', 'DELETED'], { input: 'x' });
    const refused = await keyhold('ada', ['rm', 'DELETED']);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    await done('ada', ['rm', 'DELETED', '--yes']);
    expect((await keyhold('ada', ['get', 'DELETED'])).code).toBe(3);
    await done('ada', ['recover', 'DELETED']);
    expect(await done('ada', ['get', 'DELETED'])).toBe('x');
    await done('ada', ['rm', 'DELETED', '--yes', '--purge']);
    expect((await keyhold('ada', ['recover', 'DELETED'])).code).toBe(3);
  });

  it('a deactivated secret cannot be revealed until it is activated', async () => {
    await done('ada', ['set', 'SWITCHED'], { input: 'x' });
    await done('ada', ['deactivate', 'SWITCHED']);
    const { code, err } = await keyhold('ada', ['get', 'SWITCHED']);
    expect(code).toBe(6);
    expect(err).toContain('Activate it first');
    await done('ada', ['activate', 'SWITCHED']);
    expect(await done('ada', ['get', 'SWITCHED'])).toBe('x');
  });
});

describe.concurrent('a session', () => {
  /** Starts a session of Ada's that Grace has joined. */
  const startWithGrace = async (...args: string[]): Promise<string> => {
    const id = (await done('ada', ['session', 'start', ...args, '--with', 'grace'])).trim();
    await done('grace', ['session', 'join', id]);
    return id;
  };

  it('an invitation is shown with the command that joins, and can be declined', async () => {
    const id = (await done('ada', ['session', 'start', 'chat-5', '--title', 'Come in', '--with', 'grace'])).trim();
    const listed = await keyhold('grace', ['session', 'list']);
    expect(listed.err).toContain(`Come in from ada: keyhold session join ${id}`);
    const ids = async () =>
      (await asJson('grace', ['session', 'list', '--state', 'invited'])).map((one: any) => one.id);
    expect(await ids()).toContain(id);
    const shown = await keyhold('grace', ['session', 'show', id]);
    expect(shown).toMatchObject({ code: 4, err: expect.stringContaining(`keyhold session join ${id}`) });
    await done('grace', ['session', 'leave', id]);
    expect(await ids()).not.toContain(id);
    // A session named on the command line is not named to the service, which would refuse it.
    await done('grace', ['session', 'join', id, '--session', id]);
    expect(await done('grace', ['session', 'list'])).toContain('chat-5');
  });

  it('an owner who leaves a session hands it over, to whom they choose', async () => {
    const id = await startWithGrace('chat-6');
    const left = await keyhold('ada', ['session', 'leave', 'chat-6', '--new-owner', 'grace']);
    expect(left).toMatchObject({ code: 0, err: expect.stringContaining('It belongs to grace now.') });
    await done('grace', ['session', 'end', id, '--yes']);
    const alone = (await done('ada', ['session', 'start', 'chat-7'])).trim();
    expect((await keyhold('ada', ['session', 'leave', alone])).err).toContain('it has ended');
  });

  it('a session can be started, joined, shown, left and ended, and its secrets follow', async () => {
    const id = await startWithGrace('chat-1', '--title', 'Deploy');
    expect(await done('grace', ['session', 'list'])).toContain('chat-1');
    await done('ada', ['set', 'KEY', '--session', 'chat-1'], { input: 'of the session' });
    expect(await done('grace', ['get', 'KEY', '--session', 'chat-1'])).toBe('of the session');
    const outside = await keyhold('ada', ['get', 'KEY']);
    expect(outside).toMatchObject({ code: 3, err: expect.stringContaining(`in session ${id}`) });
    const [, keyId = ''] = /^ {2}(\S+) in session/m.exec(outside.err) ?? [];
    await done('ada', ['session', 'add', 'chat-1', 'linus']);
    const shown = await asJson('ada', ['session', 'show', 'chat-1']);
    expect(shown.participants.map((one: { username: string }) => one.username)).toEqual(['ada', 'grace', 'linus']);
    expect(shown.secrets).toMatchObject([{ name: 'KEY', mine: true }]);
    await done('ada', ['session', 'remove', 'chat-1', 'grace']);
    expect((await keyhold('grace', ['get', 'KEY', '--session', 'chat-1'])).code).toBe(4);
    await done('linus', ['session', 'join', id]);
    await done('linus', ['session', 'leave', id]);
    const { err } = await keyhold('ada', ['session', 'end', 'chat-1', '--yes']);
    expect(err).toContain('KEY  yours');
    expect((await keyhold('ada', ['ls', '--session', 'chat-1'])).code).toBe(4);
    // What was said while the session was active still works after its end.
    expect((await keyhold('ada', ['get', 'KEY'])).err).toContain(keyId);
    expect(await done('ada', ['get', keyId])).toBe('of the session');
    await done('ada', ['transfer', 'KEY', '--to-user']);
    expect(await done('ada', ['get', 'KEY'])).toBe('of the session');
  });

  it('a secret goes into a session only when this command line says so, not by the environment alone', async () => {
    await startWithGrace('chat-2');
    const env = { KEYHOLD_CLI_SESSION: 'chat-2' };
    await done('ada', ['set', 'QUIETLY'], { input: 'x', env });
    expect(await done('ada', ['get', 'QUIETLY', '--field', 'scope'], { env })).toBe('user\n');
    await done('ada', ['set', 'ALOUD', '--scope', 'session'], { input: 'x', env });
    expect(await done('grace', ['get', 'ALOUD'], { env })).toBe('x');
  });

  it('a secret can be moved into a session and out of it', async () => {
    await startWithGrace('chat-3');
    await done('ada', ['set', 'MOVED'], { input: 'x' });
    await done('ada', ['transfer', 'MOVED', '--to-session', 'chat-3']);
    expect(await done('grace', ['get', 'MOVED', '--session', 'chat-3'])).toBe('x');
    await done('ada', ['transfer', 'MOVED', '--session', 'chat-3', '--to-user']);
    expect((await keyhold('grace', ['get', 'MOVED', '--session', 'chat-3'])).code).toBe(3);
    expect(await done('ada', ['get', 'MOVED'])).toBe('x');
  });

  it('a session is not started when a participant is unknown', async () => {
    const { code } = await keyhold('ada', ['session', 'start', 'chat-4', '--with', 'grace', '--with', 'nobody']);
    expect(code).toBe(3);
    expect(await done('ada', ['session', 'list'])).not.toContain('chat-4');
  });
});
