import { chmod, copyFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../support/command.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { commandLine } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret, logIn, logInAdmin, type Person, people } from '../support/people.ts';

let service: EmbeddedService;
let admin: Person;
let ada: Person;

beforeAll(async () => {
  service = await startEmbeddedService();
  admin = await logInAdmin(service);
  ({ ada } = await people(service, admin, 'ada'));
});

afterAll(() => service[Symbol.asyncDispose]());

const env = () => {
  const { KEYHOLD_DATA_DIR = '', KEYHOLD_CONFIG_DIR = '' } = service.env;
  return { KEYHOLD_DATA_DIR, KEYHOLD_CONFIG_DIR };
};
const run = (...args: string[]) => runCommand(args, { env: env(), program: commandLine });

const json = async (...args: string[]) => {
  const ended = await run(...args, '--json');
  return { ...ended, result: ended.out === '' ? null : JSON.parse(ended.out) };
};

/** Findings of the doctor, by the check that has them. */
const findings = async (...args: string[]): Promise<Record<string, string[]>> => {
  const { result } = await json('doctor', ...args);
  const some = result.checks.filter((check: any) => check.findings.length > 0);
  return Object.fromEntries(some.map((check: any) => [check.name, check.findings.map((one: any) => one.what)]));
};

const lastRecords = async (action: string) => {
  const client = await service.connect();
  try {
    const query = 'select actor_id, reason, details, target_id from audit_log where action = $1 order by id desc';
    return (await client.query(query, [action])).rows;
  } finally {
    await client.end();
  }
};

describe('the operator', () => {
  it('the operator creates, lists, disables and enables users of a running service, and the audit log says so', async () => {
    const added = await json('admin', 'user', 'add', 'grace', '--generate');
    expect(added.code).toBe(0);
    const grace = await logIn(service, 'grace', added.result.password);
    expect((await lastRecords('user.create'))[0]).toMatchObject({
      actor_id: null,
      target_id: grace.id,
      details: { operator: true },
    });
    expect(await run('admin', 'user', 'add', 'GRACE', '--generate')).toMatchObject({ code: 6 });
    const { result } = await json('admin', 'user', 'list');
    expect(result.users.map((one: any) => one.username)).toEqual(['admin', 'ada', 'grace']);

    expect(await run('admin', 'user', 'disable', 'grace')).toMatchObject({ code: 0 });
    expect((await grace.call('GET', '/auth/me')).status).toBe(401);
    expect(await run('admin', 'user', 'enable', 'grace')).toMatchObject({ code: 0 });
    expect((await grace.call('GET', '/auth/me')).status).toBe(401);
    await logIn(service, 'grace', added.result.password);
    expect(await run('admin', 'user', 'disable', 'nobody')).toMatchObject({ code: 3 });
    // Nobody can disable the last administrator.
    expect(await run('admin', 'user', 'disable', 'admin')).not.toMatchObject({ code: 0 });
  });

  it('the operator sees what erasing a user takes away, and erases them', async () => {
    expect(await run('admin', 'user', 'add', 'linus', '--generate')).toMatchObject({ code: 0 });
    expect(await run('admin', 'user', 'erase', 'linus')).toMatchObject({ code: 2, out: '' });
    const preview = await json('admin', 'user', 'erase', 'linus', '--preview');
    expect(preview).toMatchObject({ code: 0, result: { username: 'linus', counts: { secrets: 0 }, blocking: [] } });
    const own = await run('admin', 'user', 'erase', 'admin', '--preview');
    expect(own.out).toContain('Make somebody else an administrator first.');
    const refused = await run('admin', 'user', 'erase', 'admin', '--yes');
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('last active administrator') });
    const erased = await json('admin', 'user', 'erase', 'linus', '--yes');
    expect(erased).toMatchObject({ code: 0, result: { complete: true, job_id: null, counts: preview.result.counts } });
    expect((await lastRecords('user.erase'))[0]).toMatchObject({ actor_id: null, target_id: erased.result.user_id });
    expect(await run('admin', 'user', 'erase', 'linus', '--yes')).toMatchObject({ code: 3 });
  });

  it('a password that the operator reset opens no secret during the waiting period', async () => {
    const secret = await keepSecret(ada, { value: 'hers' });
    const { code, result } = await json('admin', 'user', 'reset-password', 'ada', '--generate');
    expect(code).toBe(0);
    expect(Date.parse(result.secrets_from)).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    const reset = await logIn(service, 'ada', result.password);
    expect((await reset.call('GET', `/secrets/${secret.id}/value`)).status).toBe(403);
    expect((await ada.call('GET', `/secrets/${secret.id}/value`)).body.value).toBe('hers');
    expect((await lastRecords('user.password_reset'))[0]).toMatchObject({ actor_id: null, target_id: ada.id });
    expectStatus(await ada.call('POST', `/users/${ada.id}/password/cancel`), 200);
  });

  it('the operator imports an old store for a user, who owns its secrets and sessions', async () => {
    const store = fileURLToPath(new URL('../fixtures/store', import.meta.url));
    const owner = await logIn(service, 'ada');
    const wrong = await run('admin', 'import', store, '--owner', 'ada', '--key', join(store, 'wrong.key'));
    expect(wrong).toMatchObject({ code: 2, out: '' });
    const dry = await json('admin', 'import', store, '--owner', 'ada', '--dry-run');
    expect(dry.result).toMatchObject({ created: 8 });
    expect((await owner.call('GET', '/sessions')).body.sessions).toEqual([]);
    expect(await run('admin', 'import', store, '--owner', 'nobody')).toMatchObject({ code: 3 });

    const { code, result } = await json('admin', 'import', store, '--owner', 'ada');
    expect({ code, created: result?.created }).toEqual({ code: 0, created: 8 });
    const { sessions } = (await owner.call('GET', '/sessions')).body;
    expect(sessions.map((one: any) => one.metadata.imported_chat_id).sort()).toEqual(['Ein Chat / Nr. 2', 'chat-1']);
    const inChat = await owner.call('POST', '/secrets/reveal', { session: 'chat-1', body: { names: ['DB_URL'] } });
    expect(inChat.body.secrets[0].value).toBe('postgres://u:p@db/one');
    const general = await owner.call('POST', '/secrets/reveal', { body: { names: ['DB_URL', 'OPENAI_KEY'] } });
    expect(general.body.secrets.map((one: any) => one.value)).toEqual([
      'postgres://u:p@db/general',
      'sk-old-0123456789abcdef',
    ]);
    expect((await lastRecords('secret.import'))[0]).toMatchObject({ actor_id: null, details: { operator: true } });

    const clash = await run('admin', 'import', store, '--owner', 'ada');
    expect(clash).toMatchObject({ code: 6, out: '' });
  });
});

describe('the doctor', () => {
  it('the doctor reports that a service is in order', async () => {
    const { code, out, err } = await run('doctor', '--full');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('Everything is in order.');
  });

  it('the doctor names changed rows and swapped or destroyed values', async () => {
    const first = await keepSecret(admin, { value: 'one' });
    const second = await keepSecret(admin, { value: 'two' });
    const kept = await keepSecret(admin, { value: 'three' });
    const client = await service.connect();
    const values = (await client.query('select id, encrypted_value from secrets')).rows;
    const tokenOf = (id: string): string => values.find((row: any) => row.id === id).encrypted_value;
    const set = 'update secrets set encrypted_value = $2 where id = $1';
    try {
      await client.query('update secrets set shared_with = $2, scope = $3 where id = $1', [
        first.id,
        JSON.stringify([ada.id]),
        'shared',
      ]);
      await client.query(set, [second.id, tokenOf(kept.id)]);
      await client.query("update users set role = 'admin' where id = $1", [ada.id]);
      const { code, out } = await run('doctor');
      expect(code).toBe(1);
      expect(out).toContain(`The seal of secrets ${first.id} is not valid.`);
      expect(out).toContain('→');
      const found = await findings('--full');
      expect(Object.keys(found).sort()).toEqual(['seals', 'values']);
      expect(found['seals']?.sort()).toEqual([
        `The seal of secrets ${first.id} is not valid.`,
        `The seal of users ${ada.id} is not valid.`,
      ]);
      expect(found['values']).toEqual([`The value of secret ${second.id}, version 1, does not open.`]);
    } finally {
      await client.query("update users set role = 'member' where id = $1", [ada.id]);
      await client.query("update secrets set shared_with = '[]', scope = 'user' where id = $1", [first.id]);
      await client.query(set, [second.id, tokenOf(second.id)]);
      await client.end();
    }
    expect(await findings('--full')).toEqual({});
  });

  it('the doctor reports a root key that is readable by others, wrong or missing', async () => {
    const key = join(env().KEYHOLD_CONFIG_DIR, 'root.key');
    await chmod(key, 0o644);
    expect((await findings())['files']?.[0]).toContain('mode 0644');
    await chmod(key, 0o600);
    const elsewhere = join(dirname(env().KEYHOLD_CONFIG_DIR), 'other.key');
    await writeFile(elsewhere, `${Buffer.alloc(32, 7).toString('base64url')}=\n`, { mode: 0o600 });
    const wrong = await runCommand(['doctor'], {
      env: { ...env(), KEYHOLD_ROOT_KEY_FILE: elsewhere },
      program: commandLine,
    });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/No configured root key opens the seal key/);
    const missing = { ...env(), KEYHOLD_ROOT_KEY_FILE: `${elsewhere}.gone` };
    const without = await runCommand(['doctor'], { env: missing, program: commandLine });
    expect(without.code).toBe(1);
    expect(without.out).toContain('no root key');
    await copyFile(key, `${elsewhere}.gone`);
    await chmod(`${elsewhere}.gone`, 0o600);
    expect((await runCommand(['doctor'], { env: missing, program: commandLine })).code).toBe(0);
  });

  it('the doctor reports a missing database and creates none', async () => {
    const nowhere = { ...env(), KEYHOLD_DATA_DIR: join(dirname(service.dataDir), 'nowhere') };
    const { code, out } = await runCommand(['doctor'], { env: nowhere, program: commandLine });
    expect(code).toBe(1);
    expect(out).toContain('There is no database in');
    expect(await runCommand(['admin', 'user', 'list'], { env: nowhere, program: commandLine })).toMatchObject({
      code: 2,
    });
  });

  it('the doctor works without a running service, which can start again afterwards', async () => {
    await service.process().stop();
    expect(await run('doctor')).toMatchObject({ code: 0 });
    await service.restart();
    expect(await service.readiness()).toBe(200);
  });
});
