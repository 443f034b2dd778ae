import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { startWorld, type World } from '../world.ts';
import { signIn } from './world.ts';

const serverPackage = '@modelcontextprotocol/server-memory@2026.8.31';
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

interface MemoryServer extends AsyncDisposable {
  call(tool: string, given: object): Promise<void>;
}

/** The official server as clients start it, on a file of its own. */
const startMemoryServer = async (file: string, text: string): Promise<MemoryServer> => {
  const directory = await mkdtemp(join(tmpdir(), 'keyhold-bench-memory-'));
  execFileSync('npm', ['install', '--prefix', directory, '--no-audit', '--no-fund', serverPackage], {
    stdio: 'ignore',
  });
  const path = join(directory, file);
  await writeFile(path, text);
  const program = join(directory, 'node_modules/@modelcontextprotocol/server-memory/dist/index.js');
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, MEMORY_FILE_PATH: path },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const waiting = new Map<number, (answer: { error?: unknown; result?: { isError?: boolean } }) => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line);
    waiting.get(answer.id)?.(answer);
  });
  let last = 0;
  const request = async (method: string, params: object): Promise<void> => {
    last += 1;
    const id = last;
    const answered = new Promise<{ error?: unknown; result?: { isError?: boolean } }>((resolve) =>
      waiting.set(id, resolve),
    );
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const answer = await answered;
    waiting.delete(id);
    if (answer.error || answer.result?.isError) throw new Error(`${method}: ${JSON.stringify(answer)}`);
  };
  await request('initialize', {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  });
  child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`);
  return {
    call: (tool, given) => request('tools/call', { name: tool, arguments: given }),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
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

const pairsOf = (world: World, token: string, server: MemoryServer): Pair[] => {
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
  await using server = await startMemoryServer('memory.json', text);
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
