import type { IncomingMessage } from 'node:http';
import {
  maxResponseBytes,
  ResponseTooLarge,
  TimedOut,
  type Transport,
  type TransportResponse,
} from '../client/index.ts';

/**
 * Sends requests by node:http. Loading `fetch` takes Node longer than everything else that a command does, and so does
 * an `import` of node:http, which reads every export, WebSocket included.
 */
export const nodeTransport: Transport = async ({ method, url, headers, body, timeoutMs }) => {
  const { request: send } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  return await new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    const request = send(url, { method, headers: { ...headers, ...length } });
    const timer = setTimeout(() => request.destroy(new TimedOut()), timeoutMs);
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

const readWhole = async (response: IncomingMessage): Promise<TransportResponse> => {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    length += (chunk as Buffer).length;
    if (length > maxResponseBytes) throw new ResponseTooLarge();
    chunks.push(chunk as Buffer);
  }
  const headers = Object.entries(response.headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  const byName = new Map(headers);
  return {
    status: response.statusCode ?? 0,
    header: (name) => byName.get(name) ?? null,
    headers,
    text: Buffer.concat(chunks).toString('utf8'),
  };
};
