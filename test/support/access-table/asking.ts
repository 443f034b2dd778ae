import { Agent, request } from 'node:http';
import { setTimeout } from 'node:timers/promises';

const second = 1000;
const mostTries = 40;

/** One request of the table, as it goes over the wire. */
export interface Question {
  readonly method: string;
  /** From the root: the table also asks what stands outside of the base. */
  readonly path: string;
  readonly body?: unknown;
}

export interface Credentials {
  readonly token?: string | undefined;
  readonly session?: string | undefined;
}

/** The answer as it came, header by header in its order: what is compared byte for byte. */
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

export type Ask = (question: Question, credentials: Credentials) => Promise<Reply>;

/**
 * A machine that stalls makes the service say so before anything is decided, with Retry-After: come again, as every client
 * would. Any other 503 is an answer, and no cell of the table expects it.
 */
export const patiently = async <T extends { readonly status: number; readonly text: string }>(
  ask: () => Promise<T>,
): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    const reply = await ask();
    const overloaded = reply.status === 503 && reply.text.includes('"overloaded"');
    if (!overloaded || tries === mostTries) return reply;
    await setTimeout(second);
  }
};

/** Asks over kept-alive connections, a few at a time: the table has some ten thousand cells. */
export const asker = (url: string): Ask => {
  const agent = new Agent({ keepAlive: true, maxSockets: 12 });
  const once: Ask = ({ method, path, body }, credentials) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(
        `${url}${path}`,
        { method, agent, headers: headersOf(credentials, text) },
        async (response) => {
          try {
            const chunks: Buffer[] = [];
            for await (const chunk of response) chunks.push(chunk as Buffer);
            const answer = Buffer.concat(chunks).toString('utf8');
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
  return (question, credentials) => patiently(() => once(question, credentials));
};

/** `404 not_found` and the like; only the status for an answer that is no problem. */
export const outcomeOf = ({ status, body }: Pick<Reply, 'status' | 'body'>): string =>
  typeof body?.code === 'string' ? `${status} ${body.code}` : String(status);

/** Every byte of the answer but the request's own id, the clock's Date, and what was asked for. */
export const bytesOf = ({ status, rawHeaders, text }: Reply, asked: readonly string[]): string => {
  const headers: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== 'date') headers.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  }
  const plain = asked.reduce((rest, word) => rest.replaceAll(word, '*'), text);
  return [status, ...headers, plain.replace(/"request_id":"[^"]*"/, '"request_id":"*"')].join('\n');
};
