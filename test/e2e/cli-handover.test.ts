import { afterAll, beforeAll, expect, it } from 'vitest';
import { adminPassword } from '../support/app.ts';
import { send } from '../support/http.ts';
import { startWithCommandLines } from '../support/keyhold-cli.ts';
import { type Ran, runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, logInAdmin } from '../support/people.ts';

type Name = 'ada' | 'grace' | 'linus';
let world: Awaited<ReturnType<typeof startWithCommandLines<Name>>>;

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace', 'linus');
});
afterAll(() => world.close());

const keyhold = (who: Name, args: readonly string[], input = ''): Promise<Ran> =>
  runKeyhold(args, { input, env: world[who].env });

/** The output of a command that succeeds. */
const done = async (who: Name, args: readonly string[], input = ''): Promise<string> => {
  const { code, out, err } = await keyhold(who, args, input);
  expect(code, `keyhold ${args.join(' ')}: ${err}`).toBe(0);
  return out;
};

it('a secret is offered, listed, accepted and read by its new owner, and its former one has it no more', async () => {
  await done('ada', ['set', 'GIVEN'], 'the value');
  const id = (await done('ada', ['handover', 'offer', 'GIVEN', 'grace'])).trim();
  const line = (await done('grace', ['handover', 'list'])).trim().split('\t');
  expect(line.slice(0, 4)).toEqual(['GIVEN', 'ada', 'grace', 'pending']);
  expect((await keyhold('grace', ['get', 'GIVEN'])).code).toBe(3);
  const accepted = await keyhold('grace', ['handover', 'accept', id]);
  expect(accepted).toMatchObject({ code: 0, err: expect.stringContaining('You own GIVEN now.') });
  expect(await done('grace', ['get', 'GIVEN'])).toBe('the value');
  expect((await keyhold('ada', ['get', 'GIVEN'])).code).toBe(3);
});

it('an offer is called off by who made it and declined by whom it was made to', async () => {
  await done('ada', ['set', 'KEPT'], 'x');
  for (const who of ['ada', 'grace'] as const) {
    const id = (await done('ada', ['handover', 'offer', 'KEPT', 'grace', '--keep-sharing'])).trim();
    expect((await keyhold('linus', ['handover', 'cancel', id])).code).toBe(3);
    await done(who, ['handover', 'cancel', id]);
    expect((await keyhold('grace', ['handover', 'accept', id])).code).toBe(6);
  }
  expect(await done('ada', ['get', 'KEPT'])).toBe('x');
});

it('where the new owner uses the name already, they take the secret under another one, as the refusal says', async () => {
  for (const who of ['ada', 'grace'] as const) await done(who, ['set', 'CLASH'], `of ${who}`);
  const id = (await done('ada', ['handover', 'offer', 'CLASH', 'grace'])).trim();
  const refused = await keyhold('grace', ['handover', 'accept', id]);
  expect(refused).toMatchObject({ code: 6, err: expect.stringContaining('under another name') });
  await done('grace', ['handover', 'accept', id, '--name', 'CLASH_OF_ADA']);
  expect(await done('grace', ['get', 'CLASH_OF_ADA'])).toBe('of ada');
  expect(await done('grace', ['get', 'CLASH'])).toBe('of grace');
});

it('the preview of an erasure advises a hand-over, and following it keeps the secrets', async () => {
  const asOperator = (...args: string[]) => runKeyhold(['admin', 'user', ...args], { env: world.serviceEnv });
  await done('linus', ['set', 'LEFT_BEHIND'], 'kept');
  const preview = await asOperator('erase', 'linus', '--preview');
  const advice = /disable linus and run "keyhold (handover user linus --to) <user>"/.exec(preview.out)?.[1] ?? '';
  expect(advice, preview.out).not.toBe('');
  expect((await asOperator('disable', 'linus')).code).toBe(0);
  const call = (method: string, path: string, options?: object) =>
    send(world.service.url, method, `/api/v1${path}`, options);
  const body = { name: 'administrator', permissions: ['admin'], expires_in: 3600 };
  const { token } = expectStatus(await (await logInAdmin({ call })).call('POST', '/auth/tokens', { body }), 201).body;
  const env = { ...world.ada.env, KEYHOLD_CLI_TOKEN: token };
  const offered = await runKeyhold([...advice.split(' '), 'grace'], { env });
  expect(offered, offered.err).toMatchObject({ code: 0, err: expect.stringContaining('can be called off until') });
  const early = await keyhold('grace', ['handover', 'accept', offered.out.trim()]);
  const byMember = await keyhold('grace', ['handover', 'user', 'ada', '--to', 'grace']);
  expect(byMember).toMatchObject({ code: 4, err: expect.stringContaining('admin') });
  expect(early).toMatchObject({ code: 6, err: expect.stringContaining('Accept it after that.') });
});

it('an administrator hands over by their password what their stored login may not, and calls it off', async () => {
  const env = { KEYHOLD_CLI_CONFIG_DIR: `${world.directory}/admin`, KEYHOLD_CLI_KEYRING: 'off' };
  const asAdmin = (...args: string[]) => runKeyhold([...args, '--password-stdin'], { env, input: adminPassword });
  expect((await asAdmin('login', world.service.url, '-u', 'admin')).code).toBe(0);
  await done('ada', ['set', 'LEFT_BY_ADA'], 'kept');
  expect((await runKeyhold(['admin', 'user', 'disable', 'ada'], { env: world.serviceEnv })).code).toBe(0);
  const offered = await asAdmin('handover', 'user', 'ada', '--to', 'grace');
  expect(offered, offered.err).toMatchObject({ code: 0, err: expect.stringContaining('all secrets of ada') });
  const id = offered.out.trim();
  expect((await asAdmin('handover', 'list', '--admin')).out).toContain(id);
  expect(await asAdmin('handover', 'cancel', id, '--admin')).toMatchObject({ code: 0 });
  expect((await keyhold('grace', ['handover', 'accept', id])).code).toBe(6);
});
