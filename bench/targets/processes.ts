import { run } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import { startServer } from '../processes.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { person, startWorld } from '../world.ts';

const connections = 64;

/** More than one core: a second process on the same database, the load shared out between the two. */
export const processes = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', 1000);
  await using second = await startServer(['src/main.ts', 'serve'], /^Keyhold serves (\S+)/, {
    ...world.env,
    KEYHOLD_DATABASE_URL: await world.url(),
  });
  const load = {
    connections,
    seconds: options.seconds,
    headers: { authorization: `Bearer ${ada.token}` },
    requests: ada.ids.map((id) => ({ method: 'GET' as const, path: `/api/v1/secrets/${id}/value` })),
  };
  const measured = await alternate(options, {
    'one process, reveals/s': async () => (await run({ ...load, urls: [world.service.url] })).perSecond,
    'two processes, reveals/s': async () => (await run({ ...load, urls: [world.service.url, second.url] })).perSecond,
  });
  const [one, two] = [measured['one process, reveals/s'], measured['two processes, reveals/s']];
  return [
    {
      target: 'cores',
      what: 'single reveals over two processes on one database',
      unit: '/s',
      ours: figure(two),
      baseline: { what: 'one process', unit: '/s', figure: figure(one) },
      reached: median(two) / median(one),
      bound: { is: 'at least', value: 1, unit: '×' },
    },
  ];
};
