import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** One request as it goes over the wire, and the answer read whole. */
export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly timeoutMs: number;
}

export interface Incoming {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Nobody answered within the time; told apart from a connection that failed. */
export class TookTooLong extends Error {}

/** An answer that no service of ours gives: a hundred values of the largest size, escaped, are 40 MiB. */
export class TooLong extends Error {}
const mostBytes = 64 * 1024 * 1024;

const readWhole = async (response: IncomingMessage): Promise<Incoming> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > mostBytes) throw new TooLong();
    chunks.push(chunk as Buffer);
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    text: Buffer.concat(chunks).toString('utf8'),
  };
};

/**
 * Sends one request by node:http. Node's own `fetch` takes longer to load than all else that a command does, and so does
 * an `import` of node:http, which reads every export, its WebSocket included. No redirect is followed: it could carry a
 * credential elsewhere.
 */
export const exchange = async ({ method, url, headers, body, timeoutMs }: Outgoing): Promise<Incoming> => {
  const { request: send } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  return await new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const request = send(url, { method, headers: { ...headers, ...length } });
    const timer = setTimeout(() => request.destroy(new TookTooLong()), timeoutMs);
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      reject(error);
    };
    request.once('error', fail);
    request.once('response', (response) => {
      readWhole(response).then((answer) => {
        clearTimeout(timer);
        resolve(answer);
      }, fail);
    });
    request.end(body);
  });
};
