import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCommand } from '../support/command.ts';
import { openTerminal, startWithCommandLines } from '../support/keyhold-cli.ts';
import { olderNode } from '../support/other-node.ts';
import { keepSecret } from '../support/people.ts';

const node = olderNode();
const bin = 'bin/keyhold.mjs';
let world: Awaited<ReturnType<typeof startWithCommandLines<'ada'>>>;

beforeAll(async () => {
  world = await startWithCommandLines('ada');
  await keepSecret(world.ada.person, { name: 'STRIPE_KEY', value: 'sk_live_by_the_older_node' });
});
afterAll(() => world.close());

const sh = (script: string): string[] => ['run', '--no-mask', '--', 'sh', '-c', script];

describe.runIf(node !== null)('on an older Node, which hands over to the bundled one', () => {
  const start = (args: readonly string[]) => startCommand(args, { env: world.ada.env, program: [node ?? '', bin] });
  const terminal = (args: readonly string[]) => openTerminal(node ?? '', [bin, ...args], world.ada.env);

  it('on an older Node, commands work and pass their exit code on', async () => {
    expect(await start(['get', 'STRIPE_KEY']).ended).toMatchObject({ code: 0, out: 'sk_live_by_the_older_node' });
    expect(await start(['get', 'NO_SUCH']).ended).toMatchObject({ code: 3, out: '' });
    expect(await start(sh('printf %s "$STRIPE_KEY"; exit 41')).ended).toMatchObject({
      code: 41,
      out: 'sk_live_by_the_older_node',
    });
  });

  it('on an older Node, termination by a signal is passed on', async () => {
    expect(await start(sh('kill -TERM $$')).ended).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(await start(sh('kill -KILL $$')).ended).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  it('on an older Node, a signal reaches the command', async () => {
    const command = start(sh('trap "echo told; exit 7" TERM; echo ready; while :; do sleep 0.1; done'));
    await command.prints(/ready/);
    command.signal('SIGTERM');
    expect(await command.ended).toMatchObject({ code: 7, out: expect.stringContaining('told') });
  });

  it('on an older Node, Ctrl-C reaches the command once', async () => {
    const path = join(world.directory, 'interrupted.mjs');
    await writeFile(
      path,
      `let times = 0;
      process.on('SIGINT', () => {
        times += 1;
        if (times === 1) setTimeout(() => { console.log('interrupted ' + times); process.exit(41); }, 500);
      });
      setInterval(() => undefined, 1000);
      console.log('ready');`,
    );
    for (const how of [[], ['--mask']]) {
      const shown = terminal(['run', ...how, '--', process.execPath, path]);
      await shown.shows('ready');
      shown.type('\u0003');
      expect(await shown.ended).toEqual({ code: 41, signal: 0 });
      expect(shown.shown()).toContain('interrupted 1');
    }
  });

  it('on an older Node, a confirmation appears on the terminal and Ctrl-C declines it', async () => {
    const shown = terminal(['rm', 'STRIPE_KEY']);
    await shown.shows('STRIPE_KEY?');
    shown.type('\u0003');
    expect(await shown.ended).toEqual({ code: 130, signal: 0 });
    expect(await start(['get', 'STRIPE_KEY']).ended).toMatchObject({ code: 0 });
  });
});
