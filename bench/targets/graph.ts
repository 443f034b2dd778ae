import type pg from 'pg';
import { bareNeighbourhood, barePath, bareSearch } from '../graph/bare.ts';
import { commonWord, rareWord } from '../graph/fill.ts';
import { forgetting } from '../graph/forgetting.ts';
import { besideMemoryServer } from '../graph/memory-server.ts';
import { type Asker, type GraphWorld, quickSize, startGraphWorld, wholeSize } from '../graph/world.ts';
import { run } from '../load-process.ts';
import { alternate, type Options, whole } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median, quantile } from '../statistics.ts';

/** One question of one asker, over HTTP and in bare SQL. */
interface Question {
  readonly asker: Asker;
  readonly path: string;
  readonly bare: (client: pg.Client) => Promise<void>;
}

interface Target {
  readonly what: string;
  readonly questions: readonly Question[];
  /** Milliseconds at the 95th percentile; null where only the ratio is measured. */
  readonly bound: number;
  /** How much of bare SQL it may take; null for the slow cases, which are bounded by themselves. */
  readonly ratio: number | null;
}

const limit = 100;
const startsOfEach = 20;

const entitiesOf = (world: GraphWorld, asker: Asker, count: number): string[] =>
  asker.scopes
    .flatMap((scope) => (world.filled.entities.get(scope.id) ?? []).filter((_, at) => at % 17 === 3))
    .slice(0, count);

const hopsFrom = (asker: Asker, start: string, hops: number): Question => ({
  asker,
  path: `/entities/${start}/neighbourhood?hops=${hops}&limit=${limit}`,
  bare: (client) => bareNeighbourhood(client, asker, { start, hops, limit }),
});

const hops = (world: GraphWorld, askers: readonly Asker[], count: number): Question[] =>
  askers.flatMap((asker) => entitiesOf(world, asker, startsOfEach).map((start) => hopsFrom(asker, start, count)));

const paths = (world: GraphWorld, askers: readonly Asker[]): Question[] =>
  askers.flatMap((asker) => {
    const ids = world.filled.entities.get(asker.scopes[0]?.id ?? '') ?? [];
    return Array.from({ length: startsOfEach }, (_, at): Question => {
      const [from, to] = [ids[at] ?? '', ids[ids.length - 1 - at] ?? ''];
      return { asker, path: `/path?from=${from}&to=${to}`, bare: (client) => barePath(client, asker, from, to) };
    });
  });

const searches = (askers: readonly Asker[], wordsOf: (asker: Asker) => readonly string[]): Question[] =>
  askers.flatMap((asker) =>
    wordsOf(asker).map(
      (word): Question => ({
        asker,
        path: `/search?q=${word}`,
        bare: (client) => bareSearch(client, asker, word),
      }),
    ),
  );

/** Words of the newest sessions: a search looks through so many of them, and says so where there are more. */
const rareWords = ({ scopes }: Asker): string[] => scopes.slice(-20).map((scope) => rareWord(scope.id));

const hubStart = ({ filled, hub }: GraphWorld): string => filled.entities.get(hub.scopes[0]?.id ?? '')?.[0] ?? '';

const targetsOf = (world: GraphWorld): Target[] => {
  const { typical, everywhere, hub } = world;
  const start = hubStart(world);
  return [
    { what: '2 hops', questions: hops(world, typical, 2), bound: 25, ratio: 2 },
    { what: '3 hops', questions: hops(world, typical, 3), bound: 50, ratio: 2 },
    { what: 'shortest path', questions: paths(world, typical), bound: 60, ratio: 2 },
    { what: 'search for a rare word', questions: searches(typical, rareWords), bound: 100, ratio: 2 },
    { what: 'search for a word of a tenth', questions: searches(typical, () => [commonWord]), bound: 200, ratio: null },
    { what: 'present in every session: 2 hops', questions: hops(world, [everywhere], 2), bound: 50, ratio: null },
    { what: 'present in every session: 3 hops', questions: hops(world, [everywhere], 3), bound: 100, ratio: null },
    { what: 'present in every session: path', questions: paths(world, [everywhere]), bound: 120, ratio: null },
    {
      what: 'present in every session: rare word',
      questions: searches([everywhere], rareWords),
      bound: 200,
      ratio: null,
    },
    {
      what: 'present in every session: a word of a tenth',
      questions: searches([everywhere], () => [commonWord]),
      bound: 200,
      ratio: null,
    },
    { what: 'hub: 1 hop', questions: [hopsFrom(hub, start, 1)], bound: 50, ratio: null },
    { what: 'hub: 2 hops', questions: [hopsFrom(hub, start, 2)], bound: 50, ratio: null },
  ];
};

const asked = async (world: GraphWorld, { questions }: Target, seconds: number): Promise<number> => {
  const byAsker = [...Map.groupBy(questions, (one) => one.asker)];
  const p95: number[] = [];
  for (const [asker, own] of byAsker) {
    const result = await run({
      urls: [world.world.service.url],
      connections: 1,
      seconds: seconds / byAsker.length,
      headers: { authorization: `Bearer ${asker.token}` },
      requests: own.map(({ path }) => ({ method: 'GET', path: `/api/v1/graph${path}` })),
    });
    p95.push(result.p95);
  }
  return median(p95);
};

const bare = async (client: pg.Client, { questions }: Target, seconds: number): Promise<number> => {
  const times: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let at = 0; performance.now() < end; at += 1) {
    const begun = performance.now();
    await questions[at % questions.length]?.bare(client);
    times.push(performance.now() - begun);
  }
  return quantile(times, 0.95);
};

const measure = async (world: GraphWorld, target: Target, options: Options): Promise<Finding[]> => {
  const client = await world.world.connect();
  try {
    const seconds = Math.min(options.seconds, 2);
    const measured = await alternate(
      { ...options, say: (text) => options.say(`${target.what}: ${text}`) },
      { 'p95, ms': () => asked(world, target, seconds), 'bare SQL, ms': () => bare(client, target, seconds) },
    );
    const ours = figure(measured['p95, ms']);
    const baseline = { what: 'bare SQL', unit: 'ms', figure: figure(measured['bare SQL, ms']) };
    const common = { target: 'P7', unit: 'ms', ours, baseline } as const;
    const ratio = median(measured['p95, ms']) / median(measured['bare SQL, ms']);
    const findings: Finding[] = [
      {
        ...common,
        what: `${target.what}, p95`,
        reached: ours.median,
        bound: { is: 'at most', value: target.bound, unit: ' ms' },
      },
    ];
    if (target.ratio !== null)
      findings.push({
        ...common,
        what: `${target.what}, beside bare SQL`,
        reached: ratio,
        bound: { is: 'at most', value: target.ratio, unit: '×' },
      });
    return findings;
  } finally {
    await client.end();
  }
};

/** P7: the memory graph at full size, and beside the official MCP memory server at a small one. */
export const graph = async (options: Options): Promise<Finding[]> => {
  const size = options.grown.secrets === whole.grown.secrets ? wholeSize : quickSize;
  const shorter = { ...options, rounds: Math.min(options.rounds, 3) };
  const findings: Finding[] = [];
  {
    await using world = await startGraphWorld(size, options);
    for (const target of targetsOf(world)) findings.push(...(await measure(world, target, shorter)));
  }
  findings.push(...(await forgetting(shorter)), ...(await besideMemoryServer(shorter)));
  return findings;
};
