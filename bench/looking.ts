import { pino } from 'pino';
import { createApp } from '../src/app.ts';
import { readConfig } from '../src/config/config.ts';
import { rootKeySource } from '../src/config/root-keys.ts';
import { systemClock } from '../src/core/clock.ts';
import { plansOf, statementsOf } from './plans.ts';
import type { person, World } from './world.ts';

type Person = Awaited<ReturnType<typeof person>>;

/** The requests whose plans are looked at: what is asked most, and the one that changes what others see. */
const requests = ({ ids }: Person) =>
  [
    ['GET', '/secrets?limit=50'],
    ['GET', `/secrets/${ids[0]}/value`],
    ['POST', `/secrets/${ids[1]}/share`, { username: 'grown-5' }],
  ] as const;

/**
 * How many rows of one table any statement of a list, a reveal or a share looks at, at most, in this world as it has grown.
 * The service runs in this process for that, so that its statements can be seen.
 */
export const mostLookedAt = async (world: World, who: Person): Promise<number> => {
  const database = await world.open();
  const config = readConfig(world.env);
  const rootKeys = rootKeySource(world.env, '/nonexistent');
  const logger = pino({ level: 'silent' });
  const app = await createApp({ config, rootKeys, clock: systemClock, database, logger });
  const url = await app.listen();
  const client = await world.connect();
  try {
    const sent = await statementsOf(async () => {
      for (const [method, path, body] of requests(who)) {
        const response = await fetch(`${url}/api/v1${path}`, {
          method,
          headers: { authorization: `Bearer ${who.token}`, 'content-type': 'application/json' },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
      }
    });
    const plans = await plansOf(client, sent);
    return Math.max(...plans.flatMap(({ looked }) => looked.map(({ rows }) => rows)));
  } finally {
    await client.end();
    await app.close();
    await database.close();
  }
};
