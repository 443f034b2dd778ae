import { Agent, type IncomingMessage, request } from 'node:http';
import { unlessOverloaded } from '../overload.ts';

/** One request, as it goes over the wire. */
export interface TableRequest {
  readonly method: string;
  /** From the root, since some routes are outside of /api/v1. */
  readonly path: string;
  readonly body?: unknown;
}

export interface Credentials {
  readonly token?: string | undefined;
  readonly session?: string | undefined;
}

/** The answer as it came, with its headers in order, to be compared byte by byte. */
export interface Reply {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly text: string;
  readonly body: any;
}

const jsonOf = (text: string): unknown => {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return {};
  }
};

const headersOf = ({ token, session }: Credentials, text: string | undefined): Record<string, string> => ({
  ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  ...(session === undefined ? {} : { 'x-session-id': session }),
  ...(text === undefined
    ? {}
    : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
});

/** A stream of events has no end: that it has begun is all that is looked at. */
const isEndless = ({ headers }: IncomingMessage): boolean => headers['content-type'] === 'text/event-stream';

const leave = (response: IncomingMessage): string => {
  response.destroy();
  return '';
};

const textOf = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};

export type Send = (request: TableRequest, credentials: Credentials) => Promise<Reply>;

/** Sends over a few connections that are kept alive, since the tables have some ten thousand cells. */
export const createSender = (url: string): Send => {
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  const once: Send = ({ method, path, body }, credentials) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(
        `${url}${path}`,
        { method, agent, headers: headersOf(credentials, text) },
        async (response) => {
          try {
            const answer = isEndless(response) ? leave(response) : await textOf(response);
            resolve({
              status: response.statusCode ?? 0,
              rawHeaders: response.rawHeaders,
              text: answer,
              body: jsonOf(answer),
            });
          } catch (error) {
            reject(error);
          }
        },
      );
      sent.on('error', reject);
      sent.end(text);
    });
  return (request, credentials) => unlessOverloaded(() => once(request, credentials));
};

/** Status and code of a problem, such as `404 not_found`; only the status of any other answer. */
export const outcomeOf = ({ status, body }: Pick<Reply, 'status' | 'body'>): string =>
  typeof body?.code === 'string' ? `${status} ${body.code}` : String(status);

/** The whole answer but for the request's id, the Date header, and the words that the request itself named. */
export const bytesOf = ({ status, rawHeaders, text }: Reply, named: readonly string[]): string => {
  const headers: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'date') headers.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  const plain = named.reduce((rest, word) => rest.replaceAll(word, '*'), text);
  return [status, ...headers, plain.replace(/"request_id":"[^"]*"/, '"request_id":"*"')].join('\n');
};
