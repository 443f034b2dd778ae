import { writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWithCommandLines } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret, startSession } from '../support/people.ts';
import { type ServiceProxy, startServiceProxy } from '../support/service-proxy.ts';

let world: Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace' | 'edith'>>>;
let proxy: ServiceProxy;

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace', 'edith');
  proxy = await startServiceProxy(world.service.url);
});
afterAll(async () => {
  proxy.close();
  await world.close();
});

/** Runs a command whose connection is dropped at the requests that `drop` names. */
const cutAt = async (drop: Parameters<ServiceProxy['dropIf']>[0], args: readonly string[]) => {
  proxy.dropIf(drop);
  const ended = await world.ada.run(args, { KEYHOLD_CLI_SERVER: proxy.url });
  proxy.dropIf(() => false);
  return ended;
};

const isImport = ({ url }: IncomingMessage): boolean => url?.endsWith('/secrets/import') ?? false;

describe('a command of several steps that is interrupted between them', () => {
  it('set says which fields of a secret it changed when it could not change the value', async () => {
    const { person } = world.ada;
    const { id } = await keepSecret(person, { name: 'TWO_STEPS', value: 'before' });
    const path = join(world.directory, 'value');
    await writeFile(path, 'after');
    const args = ['set', 'TWO_STEPS', '--file', path, '--tag', 'new', '--description', 'said first'];
    const { code, err } = await cutAt(({ method }) => method === 'PUT', args);
    expect({ code, err }).toEqual({
      code: 7,
      err: expect.stringContaining('set: tags, description. The value may not'),
    });
    expect(expectStatus(await person.call('GET', `/secrets/${id}`), 200).body).toMatchObject({ tags: ['new'] });
    expect(expectStatus(await person.call('GET', `/secrets/${id}/value`), 200).body.value).toBe('before');
    expect(await cutAt(() => false, args)).toMatchObject({ code: 0, err: expect.not.stringContaining('may not be') });
    expect(expectStatus(await person.call('GET', `/secrets/${id}/value`), 200).body.value).toBe('after');
  });

  it('session add says who was invited when it could not invite everyone', async () => {
    const { id } = await startSession(world.ada.person, [], { external_id: 'two-steps' });
    let added = 0;
    const atTheSecond = ({ url, method }: IncomingMessage): boolean => {
      if (method === 'POST' && url?.endsWith('/participants')) added += 1;
      return added === 2;
    };
    const args = ['session', 'add', 'two-steps', 'grace', 'edith'];
    expect(await cutAt(atTheSecond, args)).toMatchObject({
      code: 7,
      err: expect.stringContaining('Invited so far: grace.'),
    });
    const { participants } = expectStatus(await world.ada.person.call('GET', `/sessions/${id}`), 200).body;
    expect(participants.map((one: any) => one.username).sort()).toEqual(['ada', 'grace']);
    expect(await cutAt(() => false, args)).toMatchObject({ code: 0 });
  });

  it('import says how many sessions it started when it could not import the secrets, and the next import uses them', async () => {
    const store = fileURLToPath(new URL('../fixtures/store', import.meta.url));
    let dry = false;
    const theRealOne = (incoming: IncomingMessage): boolean => {
      // The sessions are started between the dry run and the import itself.
      if (incoming.method === 'POST' && incoming.url?.endsWith('/sessions')) dry = true;
      return dry && isImport(incoming);
    };
    const { code, err } = await cutAt(theRealOne, ['import', store]);
    expect({ code, err }).toEqual({ code: 7, err: expect.stringContaining('2 sessions were started for the chats') });
    const again = await world.ada.run(['import', store, '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ created: 8, sessions_started: 0 });
  });
});

describe('an import during another import', () => {
  it('an import waits for another import to finish, then succeeds', async () => {
    const { person, start } = world.grace;
    const path = join(world.directory, 'waiting.env');
    await writeFile(path, 'WAITED_FOR=its turn\n');
    const body = JSON.stringify({ items: [], on_conflict: 'fail' });
    const begun = () => {
      const other = request(`${world.service.url}/api/v1/secrets/import`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${person.token}`,
          'content-type': 'application/json',
          'content-length': body.length,
        },
      });
      const status = new Promise((resolve) => other.once('response', (answer) => resolve(answer.statusCode)));
      other.on('error', () => undefined).write(body.slice(0, 5));
      return { other, status };
    };
    const isTaken = async () =>
      (await person.call('POST', '/secrets/import', { body: JSON.parse(body) })).status === 503;
    // `isTaken` itself may have taken the place and so have refused this one; then it is started again.
    let { other, status } = begun();
    for (let tries = 0; tries < 50; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (await isTaken()) break;
      other.destroy();
      ({ other, status } = begun());
    }
    expect(await isTaken()).toBe(true);
    const waiting = start(['import', path]);
    await expect.poll(() => waiting.err(), { timeout: 10_000 }).toContain('Waiting for it');
    other.end(body.slice(5));
    expect(await waiting.ended).toMatchObject({ code: 0 });
    expect([201, 400]).toContain(await status);
  });
});
