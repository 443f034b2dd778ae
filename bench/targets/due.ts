import { type Load, run } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median, pause } from '../statistics.ts';
import { person, startWorld, type World } from '../world.ts';

const connections = 64;
const dueTogether = 10_000;
const batch = 2000;
const pollMs = 100;

/** Secrets that all expire at the same moment, soon after the last of them was made. */
const makeDue = async (world: World, { token }: { readonly token: string }, round: number): Promise<void> => {
  const expires_at = new Date(Date.now() + 20_000).toISOString();
  for (let from = 0; from < dueTogether; from += batch) {
    const items = Array.from({ length: batch }, (_, at) => ({
      name: `DUE_${round}_${from + at}`,
      type: 'other',
      value: 'v',
      expires_at,
    }));
    await world.call('POST', '/secrets/import', { token, body: { items, on_conflict: 'fail' } });
  }
  await pause(Math.max(0, Date.parse(expires_at) - Date.now()));
};

/** Reveals while the owner of 10,000 secrets is told that all of them have expired. */
export const due = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', 1000);
  const bob = await person(world, 'bob', 1);
  const client = await world.connect();
  const told = async (): Promise<number> =>
    (await client.query(`select count(*)::int as told from events where type = 'secret.expired'`)).rows[0].told;
  const load: Load = {
    urls: [world.service.url],
    connections,
    seconds: options.seconds,
    headers: { authorization: `Bearer ${ada.token}` },
    requests: ada.ids.map((id) => ({ method: 'GET', path: `/api/v1/secrets/${id}/value` })),
  };
  let round = 0;
  const whileTelling = async (): Promise<number> => {
    const before = await told();
    round += 1;
    await makeDue(world, bob, round);
    // The service looks for what is due every half minute.
    while ((await told()) === before) await pause(pollMs);
    const { perSecond } = await run(load);
    options.say(`told of ${(await told()) - before} of ${dueTogether} secrets by the end of the round`);
    while ((await told()) < before + dueTogether) await pause(pollMs);
    return perSecond;
  };
  const measured = await alternate(options, {
    'with nothing due, reveals/s': async () => (await run(load)).perSecond,
    'while 10,000 secrets expire, reveals/s': whileTelling,
  });
  await client.end();
  const [without, during] = [
    measured['with nothing due, reveals/s'],
    measured['while 10,000 secrets expire, reveals/s'],
  ];
  return [
    {
      target: 'due',
      what: 'single reveals while the owner of 10,000 secrets is told that they have expired',
      unit: '/s',
      ours: figure(during),
      baseline: { what: 'nothing due', unit: '/s', figure: figure(without) },
      reached: median(during) / median(without),
      bound: { is: 'at least', value: 0.8, unit: '×' },
    },
  ];
};
