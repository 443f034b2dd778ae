import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { startWorld, type World } from '../world.ts';
import { type McpMemoryServer, startMcpMemoryServer } from './mcp-memory-server.ts';
import { signIn } from './world.ts';

const entities = 20_000;
const callsOfRound = 20;

const linesOf = function* (): Generator<string> {
  for (let at = 0; at < entities; at += 1) {
    const observations = [`works on service ${at % 97} since release ${at}`, `asked about ticket T-${at}`];
    yield JSON.stringify({ type: 'entity', name: `colleague ${at}`, entityType: 'person', observations });
  }
  for (let at = 1; at < entities; at += 1)
    yield JSON.stringify({
      type: 'relation',
      from: `colleague ${at}`,
      to: `colleague ${at - 1}`,
      relationType: 'knows',
    });
};

/** The time of one call in the middle of a round, in milliseconds. */
const p50 = async (call: (at: number) => Promise<unknown>): Promise<number> => {
  const times: number[] = [];
  for (let at = 0; at < callsOfRound; at += 1) {
    const begun = performance.now();
    await call(at);
    times.push(performance.now() - begun);
  }
  return median(times);
};

const importInto = async (world: World, token: string, text: string): Promise<void> => {
  const response = await fetch(`${world.service.url}/api/v1/graph/import?format=jsonl`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
    body: text,
  });
  if (!response.ok) throw new Error(`import: ${response.status} ${await response.text()}`);
};

interface Pair {
  readonly what: string;
  readonly ours: (at: number) => Promise<unknown>;
  readonly theirs: (at: number) => Promise<unknown>;
}

const pairsOf = (world: World, token: string, server: McpMemoryServer): Pair[] => {
  let fresh = 0;
  const post = (path: string, body: object) => world.call('POST', `/graph${path}`, { token, body });
  const name = (at: number): string => `colleague ${(at * 7919) % entities}`;
  const next = (): string => {
    fresh += 1;
    return `newcomer ${fresh}`;
  };
  return [
    {
      what: 'search',
      ours: (at) => world.call('GET', `/graph/search?q=T-${1000 + at * 131}`, { token }),
      theirs: (at) => server.call('search_nodes', { query: `T-${1000 + at * 131}` }),
    },
    {
      what: 'adding an entity',
      ours: () => post('/entities', { entities: [{ type: 'person', name: next(), observations: ['is new'] }] }),
      theirs: () =>
        server.call('create_entities', {
          entities: [{ name: next(), entityType: 'person', observations: ['is new'] }],
        }),
    },
    {
      what: 'adding an observation',
      ours: (at) =>
        post('/observations', { observations: [{ entity: { name: name(at) }, contents: [`saw ${next()}`] }] }),
      theirs: (at) =>
        server.call('add_observations', { observations: [{ entityName: name(at), contents: [`saw ${next()}`] }] }),
    },
  ];
};

/** A search and an addition beside the official MCP memory server, on the same 20,000 entities. */
export const besideMemoryServer = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const text = `${[...linesOf()].join('\n')}\n`;
  await using server = await startMcpMemoryServer(text);
  const { token } = await signIn(world, 'asker');
  await importInto(world, token, text);
  const client = await world.connect();
  await client.query('vacuum analyze');
  await client.end();
  const findings: Finding[] = [];
  for (const { what, ours, theirs } of pairsOf(world, token, server)) {
    const measured = await alternate(
      { ...options, say: (said) => options.say(`${what}: ${said}`) },
      { 'p50, ms': () => p50(ours), 'MCP memory server, ms': () => p50(theirs) },
    );
    findings.push({
      target: 'P7',
      what: `${what} among ${entities} entities, how many times as fast`,
      unit: 'ms',
      ours: figure(measured['p50, ms']),
      baseline: { what: 'MCP memory server', unit: 'ms', figure: figure(measured['MCP memory server, ms']) },
      reached: median(measured['MCP memory server, ms']) / median(measured['p50, ms']),
      bound: { is: 'at least', value: 10, unit: '×' },
    });
  }
  return findings;
};
