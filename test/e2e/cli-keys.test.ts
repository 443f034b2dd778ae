import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminPassword } from '../support/app.ts';
import { startCommand } from '../support/command.ts';
import { until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { type AtKeys, administratorOf, keyFile, linesOf, rootKeyIdOf } from '../support/key-services.ts';
import { commandLine, openTerminal, type Terminal } from '../support/keyhold-cli.ts';
import { runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, logIn, type Person, people } from '../support/people.ts';

describe('keygen', () => {
  it('keyhold keygen prints a new root key each time, and nothing else', async () => {
    const [one, other] = [await runKeyhold(['keygen'], { env: {} }), await runKeyhold(['keygen'], { env: {} })];
    for (const { code, out, err } of [one, other]) {
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toMatch(/^[\w-]{43}=\n$/);
      expect(rootKeyIdOf(out.trim())).toMatch(/^[0-9a-f]{16}$/);
    }
    expect(one.out).not.toBe(other.out);
  });
});

describe('rotating keys at the command line of a service with an embedded database', () => {
  let service: EmbeddedService;
  let at: AtKeys;
  let ada: Person;
  let file: ReturnType<typeof keyFile>;
  /** The job that Ctrl-C stopped following. */
  let leftAlone: (() => Promise<{ readonly state: string }>) | undefined;
  beforeAll(async () => {
    service = await startEmbeddedService();
    at = await administratorOf(service);
    ({ ada } = await people(service, at.admin, 'ada'));
    file = keyFile(join(service.env['KEYHOLD_CONFIG_DIR'] ?? '', 'root.key'));
  });
  afterAll(() => service[Symbol.asyncDispose]());

  const readValue = async (who: Person, id: string): Promise<string> =>
    expectStatus(await who.call('GET', `/secrets/${id}/value`), 200).body.value;

  const status = async (): Promise<any> => {
    const ran = await at.keys('status', '--json');
    expect(ran).toMatchObject({ code: 0, err: '' });
    return JSON.parse(ran.out);
  };

  it('rotate-root replaces the root key of a running service, which reads and starts with the new one', async () => {
    const kept = await keepSecret(ada, { value: 'kept before' });
    const [before = ''] = file.ids();
    const ran = await at.keys('rotate-root');
    expect(ran.code, ran.err).toBe(0);
    const [now = '', ...others] = file.ids();
    expect(others).toEqual([before]);
    expect(now).not.toBe(before);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    // For programs, each line is one change, and the last one has the keys.
    const lines = linesOf(ran);
    expect(lines.at(-2).job).toMatchObject({ kind: 'rewrap', state: 'done', total: 2, done: 2, failed: 0 });
    expect(lines.at(-1)).toMatchObject({ root_key_id: now, keys: { source: file.path } });
    expect(ran.err).toContain(`Root key ${now} is the primary one now. Back up ${file.path} now`);
    expect(ran.err).toContain(`retire it: keyhold keys retire ${before}`);
    expect(ran.err).toMatch(new RegExp(`Backups from before 20\\S+Z cannot be opened without it: keep ${before}`));
    expect(`${ran.out}${ran.err}`).not.toContain(file.keys()[0]?.slice(0, 20));
    const { root_keys } = await status();
    expect(root_keys.map(({ id, state, owner_keys }: any) => [id, state, owner_keys])).toEqual([
      [now, 'primary', 2],
      [before, 'current', 0],
    ]);
    expect(await readValue(ada, kept.id)).toBe('kept before');
    await service.process().stop();
    await service.restart();
    expect(await readValue(ada, kept.id)).toBe('kept before');
    expect(await readValue(ada, (await keepSecret(ada, { value: 'kept after' })).id)).toBe('kept after');
  });

  it('retire refuses a root key whose access tokens may still be valid, whoever is logged out, and says until when', async () => {
    const old = file.ids().at(-1) ?? '';
    const ran = await at.keys('retire', old, '--end-logins', '--yes');
    expect(ran).toMatchObject({ code: 6, out: '' });
    expect(ran.err).toMatch(
      new RegExp(
        `^keyhold: Root key ${old} is still needed. (\\d+ logins? that needed it (was|were) ended. )?Access tokens that it signed may be valid until 20\\S+Z.\n$`,
      ),
    );
    const { root_keys } = await status();
    expect(root_keys.find(({ id }: any) => id === old)).toMatchObject({ state: 'current' });
    // The primary key wraps and signs, whatever is ended.
    const [primary = ''] = file.ids();
    expect((await at.keys('retire', primary, '--yes')).err).toContain('It is the primary root key of 1 service.');
  });

  it('a root key that nothing has used is retired, and its line in the file is then of no use', async () => {
    const [first = '', second = ''] = file.keys();
    const { out } = await runKeyhold(['keygen'], { env: {} });
    file.write(first, second, out.trim());
    const added = rootKeyIdOf(out.trim());
    expect(await at.keys('reload')).toMatchObject({ code: 0, err: expect.stringContaining(added) });
    expect((await at.keys('status')).out).toContain(`Root key ${added} was added and is not used yet.`);
    const ran = await at.keys('retire', added, '--yes');
    expect(ran.code, ran.err).toBe(0);
    expect(ran.err).toContain(`Root key ${added} is retired. Remove its line from ${file.path}`);
    expect((await status()).root_keys.find(({ id }: any) => id === added)).toMatchObject({ state: 'retired' });
    file.write(first, second);
    expect((await at.keys('reload')).code).toBe(0);
  });

  it('reload with a file that lacks a key keeps the keys, and names the key and how much needs it', async () => {
    const keys = file.keys();
    const [primary = ''] = file.ids();
    file.write(...keys.slice(1));
    const ran = await at.keys('reload');
    expect(ran.code).toBe(6);
    expect(ran.err).toContain(`Root keys are missing from ${file.path}: ${primary} (2 owner keys)`);
    file.write(...keys);
    expect((await at.keys('reload')).code).toBe(0);
  });

  it('reencrypt starts for a user who is named, and can be cancelled', async () => {
    // The login under the old root key may have been ended with it.
    ada = await logIn(service, 'ada');
    const kept = await keepSecret(ada, { value: 'encrypted twice' });
    const started = await at.keys('reencrypt', '--user', 'ada', '--no-wait');
    expect(started.code, started.err).toBe(0);
    const id = started.out.trim();
    expect((await status()).jobs.map((job: any) => job.id)).toContain(id);
    expect(await at.keys('cancel', id)).toMatchObject({
      code: 0,
      err: expect.stringContaining('What it had done stays'),
    });
    expect(await at.keys('cancel', id)).toMatchObject({ code: 6, err: expect.stringContaining('already ended') });
    expect(await readValue(ada, kept.id)).toBe('encrypted twice');
    expect(await at.keys('reencrypt', '--user', 'nobody')).toMatchObject({
      code: 3,
      err: 'keyhold: There is no user nobody.\n',
    });
  });

  describe('on a terminal', () => {
    let env: Record<string, string>;
    beforeAll(async () => {
      const config = join(service.dataDir, '..', 'cli');
      env = { KEYHOLD_CLI_CONFIG_DIR: config, KEYHOLD_CLI_KEYRING: 'off' };
      const login = ['login', service.url, '--username', 'admin', '--password-stdin'];
      expect((await runKeyhold(login, { env, input: adminPassword })).code).toBe(0);
    });

    const onTerminal = async (...args: readonly string[]): Promise<Terminal> => {
      const terminal = openTerminal(process.execPath, ['bin/keyhold.mjs', 'keys', ...args], env);
      await terminal.shows('Password of admin: ');
      terminal.type(`${adminPassword}\r`);
      return terminal;
    };

    const liveLogins = async (): Promise<number> => {
      const client = await service.connect();
      const { rows } = await client.query('select count(*)::int as live from logins where ended_at is null');
      await client.end();
      return rows[0].live;
    };

    it('Ctrl-C stops following a job that goes on, says how to see it, and leaves no login behind', async () => {
      const before = await liveLogins();
      const terminal = await onTerminal('rotate-seal');
      await terminal.shows('Sealing rows anew');
      await terminal.shows('waiting for a minute');
      terminal.type('\u0003');
      expect((await terminal.ended).code).toBe(130);
      const [, id = ''] = /The service goes on with job (\S+)\./.exec(terminal.shown()) ?? [];
      expect(terminal.shown()).toContain('"keyhold keys status"');
      expect(await liveLogins()).toBe(before);
      const job = async () => expectStatus(await at.admin.call('GET', `/admin/jobs/${id}`), 200).body;
      expect(['running', 'done']).toContain((await job()).state);
      leftAlone = job;
    });

    it('status shows people the keys, the services and what to do next', async () => {
      const terminal = await onTerminal('status');
      expect((await terminal.ended).code).toBe(0);
      for (const heading of ['ROOT KEY', 'SEAL KEY', 'SERVICE']) expect(terminal.shown()).toContain(heading);
      expect(terminal.shown()).toMatch(/cannot be retired yet\. (Access tokens that it signed|It still signs)/);
    });

    it('retire asks first, and a no retires nothing', async () => {
      const old = file.ids().at(-1) ?? '';
      const terminal = await onTerminal('retire', old);
      await terminal.shows(`Retire ${old} for good?`);
      terminal.type('n\r');
      expect((await terminal.ended).code).toBe(130);
      expect(terminal.shown()).toContain('Nothing was retired.');
      // Its allowed twin is refused by the service alone.
      const agreed = await onTerminal('retire', old);
      await agreed.shows(`Retire ${old} for good?`);
      agreed.type('y\r');
      expect((await agreed.ended).code).toBe(6);
      expect(agreed.shown()).toContain('is still needed');
    });
  });

  it('reencrypt is followed to its end over a service that is killed and started again', async () => {
    const kept = await keepSecret(ada, { value: 'encrypted again' });
    const ownerKeys = async (): Promise<string[]> => {
      const client = await service.connect();
      const { rows } = await client.query('select id from owner_keys where owner_id = $1', [ada.id]);
      await client.end();
      return rows.map(({ id }) => id);
    };
    const before = await ownerKeys();
    const command = startCommand(['keys', 'reencrypt', '--user', 'ada'], { env: at.env, program: commandLine });
    await command.prints(/a minute to pass/);
    await service.process().kill();
    await service.restart();
    const { code, err } = await command.ended;
    expect(code, err).toBe(0);
    expect(err).toContain('encrypted with a new owner key');
    const after = await ownerKeys();
    expect(after).toHaveLength(1);
    expect(before).not.toContain(after[0]);
    expect(await readValue(ada, kept.id)).toBe('encrypted again');
  });

  it('a job that nobody follows any more is done in the end', async () => {
    await until('the job is done', 120_000, async () => (await leftAlone?.())?.state === 'done');
    const { seal_keys } = await status();
    expect(seal_keys.map(({ generation, state }: any) => [generation, state])).toEqual([
      [2, 'sealing'],
      [1, 'retired'],
    ]);
  });
});
