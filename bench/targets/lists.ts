import { readConfig } from '../../src/config/config.ts';
import { rootKeySource } from '../../src/config/root-keys.ts';
import { grow } from '../grow.ts';
import { type Load, run } from '../load-process.ts';
import { mostLookedAt } from '../looking.ts';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { person, startWorld, type World } from '../world.ts';

const own = 10_000;
/** More than any of them has to look at; a scan of what others own has far more. */
const fewEnough = 300;

/** Fills the table with what belongs to others; each of them has as many secrets as the one who lists. */
const fill = async (world: World, { grown, say }: Options): Promise<void> => {
  const database = await world.open();
  try {
    const rootKeys = rootKeySource(world.env, '/nonexistent');
    const owners = grown.secrets / own - 1;
    say(`filling the table with ${owners * own} secrets of others, among ${grown.users} users`);
    await grow({
      config: readConfig(world.env),
      rootKeys,
      database,
      users: grown.users,
      owners,
      secretsEach: own,
    });
  } finally {
    await database.close();
  }
};

/** P5: a page of one's own list, in a small table and in one a hundred times as large, side by side. */
export const lists = async (options: Options): Promise<Finding[]> => {
  await using small = await startWorld();
  await using large = await startWorld();
  const loadOf = async (world: World, ada: Awaited<ReturnType<typeof person>>): Promise<Load> => {
    const client = await world.connect();
    await client.query('vacuum analyze');
    await client.end();
    const first = await world.call<{ next_cursor: string }>('GET', '/secrets?limit=50', ada);
    return {
      urls: [world.service.url],
      connections: 1,
      seconds: options.seconds / 2,
      headers: { authorization: `Bearer ${ada.token}` },
      requests: [
        { method: 'GET', path: '/api/v1/secrets?limit=50' },
        { method: 'GET', path: `/api/v1/secrets?limit=50&cursor=${first.next_cursor}` },
      ],
    };
  };
  // Others' secrets come after hers: whoever looks through all in order of age meets them first.
  const adaOfLarge = await person(large, 'ada', own);
  await fill(large, options);
  const smallLoad = await loadOf(small, await person(small, 'ada', own));
  const largeLoad = await loadOf(large, adaOfLarge);
  const measured = await alternate(options, {
    'p95 small, ms': async () => (await run(smallLoad)).p95,
    'p95 large, ms': async () => (await run(largeLoad)).p95,
  });
  const looked = await mostLookedAt(large, adaOfLarge);
  const [ours, baseline] = [measured['p95 large, ms'], measured['p95 small, ms']];
  return [
    {
      target: 'P5',
      what: `p95 of a page of 50 of one’s ${own}, ${options.grown.secrets} in the table`,
      unit: 'ms',
      ours: figure(ours),
      baseline: { what: `${own} in the table`, unit: 'ms', figure: figure(baseline) },
      reached: median(ours) / median(baseline),
      bound: { is: 'at most', value: 2, unit: '×' },
    },
    {
      target: 'P5',
      what: 'rows of one table that any statement of a list, a reveal or a share looks at',
      unit: '',
      ours: figure([looked]),
      baseline: null,
      reached: looked,
      bound: { is: 'at most', value: fewEnough, unit: '' },
    },
  ];
};
