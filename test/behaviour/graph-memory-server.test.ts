import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type McpMemoryServer, startMcpMemoryServer } from '../../bench/graph/mcp-memory-server.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { isFull } from '../support/counts.ts';
import { badPlaces, exportText, importText } from '../support/graph-transfer.ts';
import { expectStatus, logInAdmin, type Person, people } from '../support/people.ts';

/*
 * Files of the real MCP memory server, made by its tools: imported, exported, and read by it again. In the soak only,
 * since the server is installed from npm each time.
 */

const entities = 10_000;
const ofOneCall = 1000;

/** The lines of a file, in an order that does not depend on who wrote it. */
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { type, name, entityType, observations, from, to, relationType } = JSON.parse(line);
      return JSON.stringify(
        type === 'entity' ? [type, name, entityType, observations.toSorted()] : [type, from, to, relationType],
      );
    })
    .sort();

const awkward = [
  { name: 'Ada Lovelace', entityType: 'User', observations: ['née Byron', 'said: "the Engine weaves"', 'a\nb\tc'] },
  { name: ' spaces around ', entityType: 'two words', observations: ['  kept as they are  '] },
  { name: '悬空', entityType: '概念', observations: ['😀', '\u00e9', 'e\u0301'] },
  { name: "a'b\\c%_", entityType: 'x]->() DELETE n //', observations: [] },
  { name: 'incident/a?b=1#c', entityType: 'bug', observations: ['https://x.io/?a=b&c=%20'] },
];

const fillServer = async (server: McpMemoryServer): Promise<void> => {
  for (let first = 0; first < entities; first += ofOneCall) {
    const numbers = Array.from({ length: ofOneCall }, (_, at) => first + at);
    await server.call('create_entities', {
      entities: numbers.map((at) => ({
        name: `colleague ${at}`,
        entityType: ['person', 'Person', 'machine'][at % 3],
        observations: [`knows service ${at % 97}`, `joined with ticket T-${at}`],
      })),
    });
    await server.call('create_relations', {
      relations: numbers.map((at) => ({
        from: `colleague ${at}`,
        to: `colleague ${Math.floor(at / 2)}`,
        relationType: at % 2 === 0 ? 'reports to' : 'knows',
      })),
    });
  }
  await server.call('create_entities', { entities: awkward });
  await server.call('create_relations', {
    relations: awkward.map(({ name }) => ({ from: name, to: 'Ada Lovelace', relationType: '由...组成' })),
  });
  await server.call('add_observations', {
    observations: [{ entityName: 'colleague 1', contents: ['was added later'] }],
  });
  await server.call('delete_entities', { entityNames: ['colleague 2'] });
};

describe.runIf(isFull)('the official MCP memory server', () => {
  let app: TestApp;
  let ada: Person;
  let ben: Person;
  let file: string;
  beforeAll(async () => {
    app = await startApp();
    ({ ada, ben } = await people(app, await logInAdmin(app), 'ada', 'ben'));
    await using server = await startMcpMemoryServer('');
    await fillServer(server);
    file = await server.file();
  }, 600_000);
  afterAll(() => app.close());

  it('finds in our export what it wrote into its own file, after an import that adds nothing the second time', async () => {
    const count = entities - 1 + awkward.length;
    const { body } = expectStatus(await importText(app, ada, file), 200);
    expect(body.entities).toEqual({ created: count, existing: 0 });
    const again = expectStatus(await importText(app, ada, file), 200).body;
    expect(again.entities).toEqual({ created: 0, existing: count });
    for (const kind of ['observations', 'relations'])
      expect(again[kind]).toMatchObject({ created: 0, existing: body[kind].created });

    const { text } = await exportText(app, ada, 'jsonl');
    expect(linesOf(text)).toEqual(linesOf(file));
    await using reader = await startMcpMemoryServer(text);
    const graph = await reader.call<any>('read_graph', {});
    expect(graph.entities).toHaveLength(count);
    expect(graph.relations).toHaveLength(body.relations.created);
    expect((await reader.call<any>('search_nodes', { query: 'T-4711' })).entities).toMatchObject([
      { name: 'colleague 4711' },
    ]);
    for (const one of awkward)
      expect((await reader.call<any>('open_nodes', { names: [one.name] })).entities).toEqual([one]);
  });

  it('may write what breaks a limit: its file is refused whole, with the line and the limit', async () => {
    await using server = await startMcpMemoryServer('');
    const [fits, long] = ['x'.repeat(65_536), 'x'.repeat(65_537)];
    const create = (name: string, observation: string) =>
      server.call('create_entities', { entities: [{ name, entityType: 'note', observations: [observation] }] });
    await create('fits', fits);
    expectStatus(await importText(app, ben, await server.file()), 200);
    expectStatus(await ben.call('DELETE', '/graph/me'), 200);
    await create('too long', long);
    const refused = await importText(app, ben, await server.file());
    expect(badPlaces(refused)).toEqual(['line 2']);
    expect(refused.text).toContain('65536');
    expect((await exportText(app, ben, 'jsonl')).text).toBe('');
  });
});
