import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWithCommandLines } from '../support/keyhold-cli.ts';
import { type Ran, runKeyhold } from '../support/keyhold-process.ts';
import { startSession } from '../support/people.ts';

let world: Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace'>>>;
beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace');
});
afterAll(() => world.close());

const run = (args: readonly string[], by: 'ada' | 'grace' = 'ada', input = ''): Promise<Ran> =>
  runKeyhold(['graph', ...args], { env: world[by].env, input });

/** What a command that must succeed prints. */
const printed = async (args: readonly string[], by: 'ada' | 'grace' = 'ada', input = ''): Promise<string> => {
  const { code, out, err } = await run(args, by, input);
  expect({ code, err: code === 0 ? '' : err }, args.join(' ')).toEqual({ code: 0, err: '' });
  return out;
};
/** The option comes before the names, since everything after "--" is one. */
const asJson = async ([command = '', ...args]: readonly string[], by: 'ada' | 'grace' = 'ada'): Promise<any> =>
  JSON.parse(await printed([command, '--json', ...args], by));

describe('keyhold graph', () => {
  it.each(['incident/a?b=1#c', '..', '-v', 'a, b'])(
    'an entity called %j is added, observed, related, changed, shown and forgotten by name (G20)',
    async (name) => {
      const id = (await printed(['add', 'TASK', '--tag', 'x,y', '--attribute', 'a=1', '--', name])).trim();
      await printed(['observe', '--', name, 'first, of two', 'second']);
      await printed(['add', 'TASK', '--', `${name} other`]);
      await printed(['relate', '--', name, 'leads to', `${name} other`]);
      await printed(['update', '--remove-tag', 'x,y', '--tag', 'z', '--attribute', 'b=text', '--', name]);
      const shown = await asJson(['show', id]);
      expect(shown.entity).toMatchObject({ name, tags: ['z'], attributes: { a: 1, b: 'text' } });
      expect(shown.entity.observations.map(({ content }: any) => content)).toEqual(['first, of two', 'second']);
      expect(shown.relations).toMatchObject([{ type: 'leads to', to: { name: `${name} other` } }]);
      expect((await asJson(['path', '--', name, `${name} other`])).path).toHaveLength(1);
      expect((await asJson(['neighbours', '--relation', 'leads to', '--', name])).entities).toHaveLength(2);
      await printed(['forget', '--yes', '--observation', 'second', '--', name]);
      expect((await asJson(['show', '--', name])).entity.observations).toHaveLength(1);
      await printed(['forget', '--yes', '--', name]);
      expect((await run(['show', '--', name])).code).toBe(3);
    },
  );

  it('a name that two memories have is ambiguous, and is found with --own and in its session', async () => {
    await startSession(world.ada.person, [world.grace.person], { external_id: 'chat-1' });
    const own = (await printed(['add', 'TASK', 'Acme'])).trim();
    const shared = (await printed(['add', 'TASK', 'Acme', '--session', 'chat-1'])).trim();
    const ambiguous = await run(['show', 'Acme']);
    expect(ambiguous.code).toBe(8);
    for (const id of [own, shared]) expect(ambiguous.err).toContain(id);
    expect((await asJson(['show', 'Acme', '--own'])).entity.id).toBe(own);
    expect((await asJson(['show', 'Acme', '--session', 'chat-1'])).entity.id).toBe(shared);
    expect((await asJson(['show', 'Acme'], 'grace')).entity.id).toBe(shared);
    expect((await run(['show', own], 'grace')).code).toBe(3);
  });

  it('a file of a memory server is imported by its content, from a file and from stdin, and exported again', async () => {
    const lines = [
      { type: 'relation', from: 'Curie', to: 'Radium', relationType: 'discovered' },
      { type: 'entity', name: 'Curie', entityType: 'person', observations: ['won two prizes'] },
      { type: 'entity', name: 'Radium', entityType: 'element', observations: [] },
    ];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    const path = join(world.directory, 'memory.json');
    writeFileSync(path, text);
    const counts = await asJson(['import', path], 'grace');
    expect(counts.entities).toEqual({ created: 2, existing: 0 });
    await printed(['import', '-'], 'grace', text);
    const exported = (await printed(['export', '--own'], 'grace'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(exported).toEqual(expect.arrayContaining(lines));
    expect(exported).toHaveLength(3);
    const document = await printed(['export', '--own', '--format', 'json'], 'grace');
    await printed(['import', '-'], 'grace', document);
    expect((await run(['import', '-'], 'grace', '')).code).toBe(0);
    const refused = await run(['import', '-'], 'grace', `${text}{"type":"entity"}\n`);
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/4/);
  });

  it('what asks for a confirmation changes nothing without it, and erasing leaves nothing', async () => {
    await printed(['add', 'TASK', 'to be erased']);
    for (const args of [['forget', 'to be erased'], ['erase']]) expect((await run(args)).code).toBe(2);
    expect((await asJson(['search', 'erased'])).results).toHaveLength(1);
    expect((await asJson(['erase', '--yes'])).entities).toBeGreaterThan(0);
    expect((await asJson(['search', 'erased'])).results).toHaveLength(0);
  });
});
