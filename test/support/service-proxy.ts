import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands between a command line and the service. */
export interface ServiceProxy {
  readonly url: string;
  /** The requests that came, each as its method and its path with the query. */
  readonly requests: string[];
  /** True for a request makes the proxy drop its connection before the service sees it. */
  dropIf(drop: (request: IncomingMessage) => boolean): void;
  /** Breaks every connection that is open. */
  breakAll(): void;
  close(): void;
}

/**
 * Starts a proxy to the service at this address, which lets everything through until it is told otherwise. `rewrite` changes
 * the pieces of an answer as they come.
 */
export const startServiceProxy = async (
  target: string,
  rewrite: (piece: string) => string = (piece) => piece,
): Promise<ServiceProxy> => {
  const requests: string[] = [];
  let drops: (request: IncomingMessage) => boolean = () => false;
  const server = createServer((incoming, answer) => {
    const { method, url, headers } = incoming;
    requests.push(`${method} ${url}`);
    if (drops(incoming)) {
      incoming.destroy();
      return;
    }
    const onward = request(`${target}${url}`, { method, headers }, (from) => {
      answer.writeHead(from.statusCode ?? 0, from.headers);
      from.setEncoding('utf8');
      from.on('data', (piece: string) => void answer.write(rewrite(piece)));
      from.once('end', () => void answer.end()).once('error', () => void answer.destroy());
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    dropIf: (drop) => {
      drops = drop;
    },
    breakAll: () => server.closeAllConnections(),
    close: () => server.close(),
  };
};
