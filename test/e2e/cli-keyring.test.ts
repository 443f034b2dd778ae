import { spawn, spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine, startWithCommandLines } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret, password } from '../support/people.ts';

const isThere = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const hasSecretService = isThere('dbus-run-session') && isThere('gnome-keyring-daemon');

let world: Awaited<ReturnType<typeof startWithCommandLines<'ada'>>>;
beforeAll(async () => {
  world = await startWithCommandLines('ada');
});
afterAll(() => world.close());

/** What a shell prints in a session with its own bus, where nobody is logged in yet. */
const inSession = async (name: string, script: string): Promise<{ out: string; profile: string | null }> => {
  const home = join(world.directory, name);
  await mkdir(home, { mode: 0o700 });
  await writeFile(join(home, 'password'), password);
  const child = spawn('dbus-run-session', ['--', 'bash', '-c', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      XDG_RUNTIME_DIR: home,
      KEYHOLD_CLI_CONFIG_DIR: join(home, 'cli'),
      KEYHOLD: commandLine.join(' '),
      SERVER: world.service.url,
    },
  });
  const out = await text(child.stdout);
  const profile = await readFile(join(home, 'cli', 'default.json'), 'utf8').catch(() => null);
  return { out, profile };
};

const keyring = `gnome-keyring-daemon --foreground --unlock --components=secrets < $HOME/password >&2 & ring=$!
  trap 'kill $ring' EXIT; sleep 1`;
const logIn = '$KEYHOLD login $SERVER -u ada --password-stdin < $HOME/password; echo "login $?"';

const tokens = async (): Promise<unknown[]> =>
  expectStatus(await world.ada.person.call('GET', '/auth/tokens'), 200).body.tokens;

describe.runIf(hasSecretService)('the system keyring', () => {
  it('login stores the credential in the system keyring and in no file', async () => {
    const { out, profile } = await inSession('kept', `${keyring}; ${logIn}; $KEYHOLD whoami --json; echo "whoami $?"`);
    expect(out).toMatch(/^login 0\n/);
    expect(out).toContain('"username": "ada"');
    expect(out).toContain('whoami 0');
    expect(JSON.parse(profile ?? '')).toMatchObject({ credential: 'keyring' });
    expect(profile).not.toContain('kh_');
  });

  it('completion reads an unlocked keyring and never asks to unlock a locked one', async () => {
    await keepSecret(world.ada.person, { name: 'STRIPE_KEY' });
    const lock = `busctl --user call org.freedesktop.secrets /org/freedesktop/secrets org.freedesktop.Secret.Service Lock ao 1 /org/freedesktop/secrets/collection/login >/dev/null`;
    const complete = '$KEYHOLD __complete -- get STR 2>&1; echo "complete $?"';
    const { out } = await inSession(
      'completing',
      `${keyring}; ${logIn}; ${complete}; ${lock}; echo "lock $?"; ${complete}`,
    );
    expect(out).toBe('login 0\nwords\nSTRIPE_KEY\tapi_key\ncomplete 0\nlock 0\ncomplete 0\n');
  });

  it('a missing keyring is reported with what to do', async () => {
    const gone = 'kill -KILL $ring; wait $ring';
    const { out } = await inSession('gone', `${keyring}; ${logIn}; ${gone}; $KEYHOLD whoami 2>&1; echo "whoami $?"`);
    expect(out).toContain('login 0');
    expect(out).toContain('The keyring did not return the token');
    expect(out).toContain('whoami 5');
  });

  it('logout removes the credential from the keyring and revokes the token', async () => {
    const before = (await tokens()).length;
    const script = `${keyring}; ${logIn}; $KEYHOLD logout; echo "logout $?"; $KEYHOLD whoami 2>/dev/null; echo "whoami $?"`;
    const { out, profile } = await inSession('left', script);
    expect(out).toBe('login 0\nlogout 0\nwhoami 5\n');
    expect(profile).toBeNull();
    expect(await tokens()).toHaveLength(before);
  });

  it('login stores the credential in a private file where there is no keyring', async () => {
    const { out, profile } = await inSession('none', `${logIn}; $KEYHOLD whoami >/dev/null; echo "whoami $?"`);
    expect(out).toBe('login 0\nwhoami 0\n');
    expect(JSON.parse(profile ?? '')).toMatchObject({ credential: 'file' });
  });
});
