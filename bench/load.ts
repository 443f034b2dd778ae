import { json } from 'node:stream/consumers';
import { Client, type Dispatcher } from 'undici';
import type { Load, LoadResult } from './load-process.ts';
import { pause, quantile } from './statistics.ts';

/** The load generator, a process of its own: reads one `Load` as JSON from stdin and writes a `LoadResult` to stdout. */
const load = (await json(process.stdin)) as Load;

const requests = load.requests.map(
  ({ method, path, body }): Dispatcher.DispatchOptions => ({
    method,
    path,
    headers: { ...load.headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body ?? null,
  }),
);

let made = 0;

/** `#` in a body is another number each time, so that what is made bears another name. */
const requestOf = (turn: number): Dispatcher.DispatchOptions => {
  const request = requests[turn % requests.length] as Dispatcher.DispatchOptions;
  if (typeof request.body !== 'string' || !request.body.includes('#')) return request;
  made += 1;
  return { ...request, body: request.body.replace('#', `${process.pid}_${made}`) };
};

/** The lowest of undici's interfaces: what the generator costs is taken from the service on the same cores. */
const ask = (client: Client, request: Dispatcher.DispatchOptions): Promise<number> =>
  new Promise((resolve, reject) => {
    let status = 0;
    client.dispatch(request, {
      onRequestStart: () => undefined,
      onResponseStart: (_controller, code) => {
        status = code;
      },
      onResponseData: () => undefined,
      onResponseEnd: () => resolve(status),
      onResponseError: (_controller, error) => reject(error),
    });
  });

const times: number[] = [];
let failed = 0;
let asked = 0;

/** The generator itself starts slowly: it connects, and its code is compiled. What comes before this is not counted. */
const warmUpMs = 1000;
const begin = performance.now();
const counted = begin + warmUpMs;
const end = counted + load.seconds * 1000;

/** When the connection's next request is due: at once, or in its turn where a rate is kept. Lateness counts as waiting. */
const dueAt = (connection: number, turn: number): number =>
  load.rate === undefined ? performance.now() : begin + ((turn * load.connections + connection) * 1000) / load.rate;

const connection = async (index: number): Promise<void> => {
  const client = new Client(load.urls[index % load.urls.length] ?? load.urls[0]);
  // Each begins elsewhere in the list, so that they don't all ask for the same at the same time.
  const first = Math.floor((index * requests.length) / load.connections);
  for (let turn = 0; performance.now() < end; turn += 1) {
    const due = dueAt(index, turn);
    const early = due - performance.now();
    if (early > 0) await pause(early);
    const status = await ask(client, requestOf(first + turn));
    asked += 1;
    const now = performance.now();
    if (due >= counted) times.push(now - due);
    if (status < 200 || status > 299) failed += 1;
  }
  await client.close();
};

await Promise.all(Array.from({ length: load.connections }, (_, index) => connection(index)));
const result: LoadResult = {
  perSecond: (times.length * 1000) / (performance.now() - counted),
  p50: quantile(times, 0.5),
  p95: quantile(times, 0.95),
  p99: quantile(times, 0.99),
  failed,
  requests: asked,
};
process.stdout.write(JSON.stringify(result));
