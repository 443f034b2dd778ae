import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { vi } from 'vitest';

/** What a receiver got, with the time at which the sender says that it was sent. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The bytes as they came. */
  readonly body: string;
}

type Answers = (request: IncomingMessage, response: ServerResponse, received: Received) => void;

export const answerWith =
  (status: number, headers: Record<string, string> = {}): Answers =>
  (_request, response) => {
    response.writeHead(status, headers).end('the receiver’s own words');
  };

/** Never answers. */
export const hang: Answers = () => undefined;

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

export interface Receiver {
  readonly port: number;
  /** Host and port, for the list of allowed hosts. */
  readonly host: string;
  readonly url: string;
  /** What came to `url`, in its order. */
  readonly received: Received[];
  /** How many connections were made, those without a request included. */
  connections(): number;
  answer(answers: Answers): void;
  /** Cuts off the connections that are open. */
  drop(): void;
  /** Forgets what came, and takes another address: attempts that were under way are not those of the next test. */
  renew(): void;
  /** Waits until this many requests came. */
  until(count: number): Promise<void>;
  close(): Promise<void>;
}

/** A real receiver of webhooks on a port of its own. It answers 204 until it is told otherwise. */
export const startReceiver = async (address = '127.0.0.1'): Promise<Receiver> => {
  let answers: Answers = answerWith(204);
  let connections = 0;
  const received: Received[] = [];
  let path = '/hook';
  let renewals = 0;
  const server = createServer(async (request, response) => {
    const body = await read(request).catch(() => '');
    const one = { path: request.url ?? '', headers: request.headers, body };
    const isOfEarlierTest = one.path !== path && /^\/hook(\/\d+)?$/.test(one.path);
    if (!isOfEarlierTest) received.push(one);
    answers(request, response, one);
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  const host = `${address}:${port}`;
  return {
    port,
    host,
    get url() {
      return `http://${host}${path}`;
    },
    received,
    connections: () => connections,
    answer: (next) => {
      answers = next;
    },
    drop: () => server.closeAllConnections(),
    renew: () => {
      renewals += 1;
      path = `/hook/${renewals}`;
      received.length = 0;
    },
    until: (count) =>
      vi.waitFor(
        () => {
          if (received.length < count) throw new Error(`${received.length} of ${count} requests came`);
        },
        { timeout: 60_000, interval: 20 },
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

/** The time of an attempt, as its headers say. */
export const sentAt = ({ headers }: Received): number => Number(headers['webhook-timestamp']) * 1000;

/** The event in a request, as `standardwebhooks` verifies it at the time of the attempt. Throws where it does not verify. */
export const verified = (secret: string, one: Received): any => {
  // The package reads the time by itself, and the service's clock is the test's.
  const now = vi.spyOn(Date, 'now').mockReturnValue(sentAt(one));
  try {
    return new Webhook(secret).verify(one.body, one.headers as Record<string, string>);
  } finally {
    now.mockRestore();
  }
};

export const verifies = (secret: string, one: Received): boolean => {
  try {
    verified(secret, one);
    return true;
  } catch {
    return false;
  }
};
