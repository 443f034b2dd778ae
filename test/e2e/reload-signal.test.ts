import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newRootKey } from '../support/app.ts';
import { until } from '../support/deadlines.ts';
import { administratorOf, atEnd, keyFile, newPlace, rootKeyIdOf } from '../support/key-services.ts';
import { openTerminal } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret } from '../support/people.ts';

/** The records of reloads, oldest first, as "outcome reason request". */
const reloadsIn = async (client: { query(text: string): Promise<{ rows: any[] }> }): Promise<string[]> => {
  const { rows } = await client.query(`select outcome, reason, request_id from audit_log
    where action = 'key.reload' order by id`);
  return rows.map(({ outcome, reason, request_id }) => `${outcome} ${reason} ${request_id}`);
};

describe('SIGHUP to a service without a terminal', () => {
  it('SIGHUP has a service without a terminal read its root keys again, and the operator on record', async () => {
    const { database, directory, start } = await newPlace();
    const [first, second] = [newRootKey(), newRootKey()];
    const file = keyFile(join(directory, 'keys'));
    file.write(first);
    const service = await start({ KEYHOLD_ROOT_KEY_FILE: file.path });
    const { admin } = await administratorOf(service);
    file.write(first, second);
    process.kill(service.pid, 'SIGHUP');
    await until('it says so', 10_000, async () => service.stdout().includes('The root keys were read again'));
    const { root_keys } = expectStatus(await admin.call('GET', '/admin/keys'), 200).body;
    expect(root_keys.map(({ id, state }: any) => [id, state])).toEqual([
      [rootKeyIdOf(first), 'primary'],
      [rootKeyIdOf(second), 'current'],
    ]);
    expect(await reloadsIn(database.client)).toEqual(['allowed operator SIGHUP']);
  });

  it('SIGHUP with keys that cannot be used changes nothing, is logged with the reason, and ends no service', async () => {
    const { database, directory, start } = await newPlace();
    const first = newRootKey();
    const file = keyFile(join(directory, 'keys'));
    file.write(first);
    const service = await start({ KEYHOLD_ROOT_KEY_FILE: file.path });
    const { admin } = await administratorOf(service);
    const { id } = await keepSecret(admin);
    file.write(newRootKey());
    process.kill(service.pid, 'SIGHUP');
    const refusal = `Root keys are missing from ${file.path}: ${rootKeyIdOf(first)} (1 owner key)`;
    await until('it says why', 10_000, async () => service.stdout().includes(refusal));
    expectStatus(await admin.call('GET', `/secrets/${id}/value`), 200);
    await until('both records are there', 10_000, async () => (await reloadsIn(database.client)).length === 2);
    expect(await reloadsIn(database.client)).toEqual(['allowed operator SIGHUP', 'failed state_conflict SIGHUP']);
    file.write(first);
    process.kill(service.pid, 'SIGHUP');
    await until('it works again', 10_000, async () => service.stdout().includes('The root keys were read again'));
  });

  it('SIGHUP to a service whose root keys come from a variable says that a restart is needed', async () => {
    const { start } = await newPlace();
    const service = await start({ KEYHOLD_ROOT_KEYS: newRootKey() });
    process.kill(service.pid, 'SIGHUP');
    const sentence = 'The root keys were not read again: The root keys come from KEYHOLD_ROOT_KEYS';
    await until('it says so', 10_000, async () => service.stdout().includes(sentence));
    expect(service.stdout()).toContain('Restart the service instead');
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  });
});

describe('SIGHUP to a service on a terminal', () => {
  it('SIGHUP stops a service on a terminal in order, as closing its window does', async () => {
    const { directory, env } = await newPlace();
    const file = keyFile(join(directory, 'keys'));
    file.write(newRootKey());
    const more = { KEYHOLD_ROOT_KEY_FILE: file.path, KEYHOLD_PORT: '0' };
    const terminal = openTerminal(process.execPath, ['src/main.ts', 'serve'], { ...env, ...more });
    atEnd(() => terminal.signal('SIGKILL'));
    await terminal.shows('Keyhold serves');
    terminal.signal('SIGHUP');
    expect(await terminal.ended).toEqual({ code: 0, signal: 0 });
    expect(terminal.shown()).not.toContain('read again');
  });
});
