import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { OutboundError } from './errors.ts';
import type { ResolveTarget } from './resolve.ts';
import type { Target } from './target.ts';

export interface Outgoing {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What is kept of an answer. Its body is read and dropped. */
export interface OutboundAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
}

/**
 * Sends one request over a connection of its own, to an address that was checked. Redirects are answers like any other.
 * Rejects with an `OutboundError`, and after the time limit at the latest.
 */
export type Send = (target: Target, outgoing: Outgoing, stop: AbortSignal) => Promise<OutboundAnswer>;

interface Deps {
  readonly resolveTarget: ResolveTarget;
  /** How long everything together may take, from the look-up of the name to the answer. */
  readonly timeoutMs: number;
  /** Certificates of authorities that are trusted in place of the system's. */
  readonly ca?: string | undefined;
}

const maxHeaderBytes = 16 * 1024;
const maxAnswerBytes = 64 * 1024;
/** How long the body of an answer is read, so that a receiver that sends its headers only takes no place until the time limit. */
const maxAnswerMs = 1000;

export const createSend =
  ({ resolveTarget, timeoutMs, ca }: Deps): Send =>
  async (target, outgoing, stop) => {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([timeout, stop]);
    const reasonOf = (): OutboundError => new OutboundError(timeout.aborted ? 'timeout' : 'stopped');
    const address = await unlessAborted(resolveTarget(target), signal, reasonOf);
    const request = open(target, outgoing, { address, signal, ca });
    try {
      const response = await answerTo(request, outgoing.body);
      await drain(response);
      return { status: response.statusCode ?? 0, headers: response.headers };
    } catch (error) {
      throw signal.aborted ? reasonOf() : new OutboundError(failureOf(error), { cause: error });
    } finally {
      request.destroy();
    }
  };

/** The result of work that cannot be aborted, unless it comes too late. */
const unlessAborted = <T>(work: Promise<T>, signal: AbortSignal, reasonOf: () => Error): Promise<T> =>
  new Promise((resolve, reject) => {
    const abort = (): void => reject(reasonOf());
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });

interface Connection {
  readonly address: string;
  readonly signal: AbortSignal;
  readonly ca: string | undefined;
}

/** The address that was checked is the one that is connected to, whatever the name answers by then. */
const pinned = (address: string): LookupFunction => {
  const family = isIP(address);
  return (_hostname, options, callback) => {
    if (options.all) callback(null, [{ address, family }]);
    else callback(null, address, family);
  };
};

const open = (
  target: Target,
  { method, headers, body }: Outgoing,
  { address, signal, ca }: Connection,
): ClientRequest => {
  const options = {
    host: target.hostname,
    port: target.port,
    path: target.path,
    method,
    headers: { ...headers, connection: 'close', 'content-length': String(body.length) },
    lookup: pinned(address),
    // A connection for each request, and none through a proxy that the environment names.
    agent: false,
    maxHeaderSize: maxHeaderBytes,
    insecureHTTPParser: false,
    signal,
  } as const;
  if (!target.secure) return requestHttp(options);
  // Said in full, since the environment can switch verification off for those who leave it to the default.
  const tls = { rejectUnauthorized: true, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] } as const;
  return requestHttps({ ...options, ...tls, ...(ca === undefined ? {} : { ca }) });
};

const answerTo = (request: ClientRequest, body: Buffer): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
    request.once('close', () => reject(new Error('the connection was closed without an answer')));
    request.end(body);
  });

/** Reads the rest of an answer up to the limits. What goes wrong by then changes nothing about its status. */
const drain = (response: IncomingMessage): Promise<void> =>
  new Promise((resolve) => {
    let bytes = 0;
    const timer = setTimeout(resolve, maxAnswerMs);
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxAnswerBytes) resolve();
    });
    response.once('end', resolve);
    response.once('error', () => resolve());
    // Every answer is closed in the end, at the latest when its request is destroyed.
    response.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
};

const failureOf = (error: unknown): OutboundError['failure'] => {
  const code = codeOf(error);
  if (code.startsWith('HPE_')) return 'bad_answer';
  if (/^(?:ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|EPROTO)/.test(code)) return 'tls_failed';
  return 'unreachable';
};
