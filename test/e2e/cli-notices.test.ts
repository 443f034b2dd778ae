import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCommand } from '../support/command.ts';
import { until } from '../support/deadlines.ts';
import { commandLine, startWithCommandLines } from '../support/keyhold-cli.ts';
import { runKeyhold } from '../support/keyhold-process.ts';
import { expectStatus, keepSecret, password, startSession } from '../support/people.ts';
import { startServiceProxy } from '../support/service-proxy.ts';

let world: Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace'>>>;
beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace');
});
afterAll(() => world.close());

const shareWithGrace = (name: string) =>
  keepSecret(world.ada.person, { name, scope: 'shared', shared_with: [world.grace.person.id] });

/** Waits until grace has so many unread notices. */
const untilUnread = (count: number) =>
  until(`there are ${count} unread notices`, 5000, async () => {
    const { body } = expectStatus(await world.grace.person.call('GET', '/notices?unread=true'), 200);
    return body.notices.length === count;
  });

it('notices are shown once by "keyhold notices", and again with --all', async () => {
  const secret = await shareWithGrace('FIRST_KEY');
  const body = { user_id: world.grace.person.id };
  expectStatus(await world.ada.person.call('POST', `/secrets/${secret.id}/unshare`, { body }), 200);
  await shareWithGrace('SECOND_KEY');
  await untilUnread(2);
  const first = await world.grace.run(['notices']);
  expect(first.code).toBe(0);
  expect(first.out.replaceAll(/^\d{4}-\d\d-\d\d \d\d:\d\d {2}/gm, '')).toBe(
    `ada stored the secret SECOND_KEY.\nada took you off the secret ${secret.id}.\n`,
  );
  const second = await world.grace.run(['notices']);
  expect([second.out, second.err]).toEqual(['', 'No unread notices.\n']);
  const { notices } = JSON.parse((await world.grace.run(['notices', '--all', '--json'])).out);
  expect(notices.map((one: { type: string; unread: boolean }) => [one.type, one.unread])).toEqual([
    ['secret.created', false],
    ['secret.unshared', false],
  ]);
});

it('notices name those whom they are about, and the commands that are advised work', async () => {
  const { ada, grace } = world;
  const untilTold = (who: typeof grace, type: string) =>
    until(`${who.person.username} is told of ${type}`, 5000, async () => {
      const { body } = expectStatus(await who.person.call('GET', '/notices?unread=true'), 200);
      return body.notices.some((one: { type: string }) => one.type === type);
    });
  const path = ({ id }: { id: string }, who: typeof grace) => `/sessions/${id}/participants/${who.person.id}`;
  const removed = await startSession(ada.person, [grace.person], { external_id: 'told-1' });
  expectStatus(await ada.person.call('DELETE', path(removed, grace)), 204);
  const given = await startSession(ada.person, [grace.person], { title: 'Given' });
  expectStatus(await ada.person.call('DELETE', path(given, ada)), 204);
  const secret = await keepSecret(ada.person, { name: 'OFFERED' });
  const body = { to: grace.person.id };
  expectStatus(await ada.person.call('POST', `/secrets/${secret.id}/handover`, { body }), 201);
  await untilTold(grace, 'handover.offered');
  const { out } = await grace.run(['notices']);
  const advice = /: keyhold (handover accept \S+)$/m.exec(out)?.[1] ?? '';
  expect(out.replaceAll(/^.{16} {2}/gm, '').split('\n')).toEqual([
    `ada offered you the secret ${secret.id}. To accept it: keyhold ${advice}`,
    'ada handed the session "Given" over to you.',
    'ada invited you to the session "Given".',
    `ada removed you from the session ${removed.id}.`,
    '',
  ]);
  expect((await grace.run(advice.split(' '))).code).toBe(0);
  const added = await ada.run(['session', 'add', 'told-1', 'grace']);
  const again = /"keyhold (session join \S+)"/.exec(added.err)?.[1] ?? '';
  expect((await grace.run(again.split(' '))).code).toBe(0);
  await untilTold(ada, 'handover.accepted');
  const lines = (await ada.run(['notices'])).out.replaceAll(/^.{16} {2}/gm, '').split('\n');
  expect(lines).toContain(`grace joined the session ${removed.id}.`);
  expect(lines).toContain(`grace accepted the hand-over ${advice.split(' ').at(-1)}.`);
  expect((await grace.run(['notices'])).code).toBe(0);
});

it('a login shows what was not read yet, once', async () => {
  const { id } = await shareWithGrace('THIRD_KEY');
  await until('grace is told of it', 5000, async () => {
    const { body } = expectStatus(await world.grace.person.call('GET', '/notices?unread=true'), 200);
    return body.notices.some((one: { secret: { id: string } | null }) => one.secret?.id === id);
  });
  const env = { KEYHOLD_CLI_CONFIG_DIR: `${world.directory}/login`, KEYHOLD_CLI_KEYRING: 'off' };
  const login = ['login', world.service.url, '-u', 'grace', '--password-stdin'];
  const first = await runKeyhold(login, { env, input: password });
  expect(first).toMatchObject({ code: 0, out: '' });
  expect(first.err).toMatch(/^\d+ notices? since .*:\n(?:.*\n)*?.* ada stored the secret THIRD_KEY\.$/m);
  expect((await runKeyhold(login, { env, input: password })).err).not.toContain('notice');
});

it('"keyhold events tail" prints what happens, goes on by itself after its connection broke, and ends with Ctrl-C', async () => {
  const proxy = await startServiceProxy(world.service.url, (piece) => piece.replace(/^retry: \d+$/m, 'retry: 50'));
  const env = { ...world.grace.env, KEYHOLD_CLI_SERVER: proxy.url };
  const tail = startCommand(['events', 'tail', '--json'], { env, program: commandLine });
  await until('the stream was asked for', 5000, async () => proxy.requests.includes('GET /api/v1/events'));
  let made = 0;
  // Only what happens once the stream has begun is promised to be in it.
  await until('something was printed', 5000, async () => {
    if (made < 100) await shareWithGrace(`BEFORE_${made++}`);
    return tail.out().includes('BEFORE');
  });
  proxy.breakAll();
  await shareWithGrace('MEANWHILE');
  await tail.prints(/MEANWHILE/);
  const events = tail
    .out()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(new Set(events.map(({ data }) => data.id)).size).toBe(events.length);
  expect(events.at(-1)).toMatchObject({ event: 'secret.created', data: { secret: { name: 'MEANWHILE' } } });
  tail.signal('SIGINT');
  expect(await tail.ended).toMatchObject({ code: 130, err: '' });
  proxy.close();
}, 120_000);
