import { type ClientRequest, request } from 'node:http';
import { type Load, run } from '../load-process.ts';
import { alternate, type Options } from '../options.ts';
import type { Finding } from '../report.ts';
import { figure, median } from '../statistics.ts';
import { adminToken, person, startWorld, type World } from '../world.ts';

const connections = 64;
const readers = 200;
const streamsOfEach = 5;

/** Access tokens of users who read events. */
const makeReaders = async (world: World): Promise<readonly string[]> => {
  const token = await adminToken(world);
  const tokens: string[] = [];
  for (let at = 0; at < readers; at += 1) {
    const body = { username: `reader-${at}`, password: `the password of reader ${at}` };
    await world.call('POST', '/users', { token, body });
    tokens.push((await world.call<{ access_token: string }>('POST', '/auth/login', { body })).access_token);
  }
  return tokens;
};

/** Opens a stream, and resolves once it has begun. */
const openStream = (url: string, token: string): Promise<ClientRequest> =>
  new Promise((resolve, reject) => {
    const sent = request(`${url}/api/v1/events`, { agent: false, headers: { authorization: `Bearer ${token}` } });
    sent.once('response', (response) => {
      if (response.statusCode !== 200) return reject(new Error(`a stream was refused with ${response.statusCode}`));
      response.on('error', () => undefined).resume();
      resolve(sent);
    });
    sent.once('error', reject).end();
  });

/** Reveals while 1,000 streams of events are open, whose callers the service asks about every second. */
export const streams = async (options: Options): Promise<Finding[]> => {
  await using world = await startWorld();
  const ada = await person(world, 'ada', 1000);
  options.say(`${readers} users log in, who read events`);
  const tokens = await makeReaders(world);
  const { url } = world.service;
  const load: Load = {
    urls: [url],
    connections,
    seconds: options.seconds,
    headers: { authorization: `Bearer ${ada.token}` },
    requests: ada.ids.map((id) => ({ method: 'GET', path: `/api/v1/secrets/${id}/value` })),
  };
  const whileOpen = async (): Promise<number> => {
    const open: ClientRequest[] = [];
    for (const token of tokens) {
      for (let at = 0; at < streamsOfEach; at += 1) open.push(await openStream(url, token));
    }
    const { perSecond } = await run(load);
    for (const one of open) one.on('error', () => undefined).destroy();
    return perSecond;
  };
  const measured = await alternate(options, {
    'without streams, reveals/s': async () => (await run(load)).perSecond,
    'with 1,000 streams, reveals/s': whileOpen,
  });
  const [without, during] = [measured['without streams, reveals/s'], measured['with 1,000 streams, reveals/s']];
  return [
    {
      target: 'streams',
      what: 'single reveals while 1,000 streams of events are open',
      unit: '/s',
      ours: figure(during),
      baseline: { what: 'no stream', unit: '/s', figure: figure(without) },
      reached: median(during) / median(without),
      bound: { is: 'at least', value: 0.8, unit: '×' },
    },
  ];
};
