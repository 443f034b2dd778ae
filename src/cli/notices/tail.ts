import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { dataOf, type Event, NoAnswer, type Problem, Refusal } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { interrupted } from '../failure.ts';
import { createMessageReader, type StreamMessage, type StreamPlace } from './messages.ts';
import { lineOf } from './show.ts';

const defaultRetryMs = 5000;
/** A stream that is silent for this long has been cut off somewhere: the service sends a comment every 20 seconds. */
const maxSilenceMs = 60_000;
const eventsPath = '/api/v1/events';

interface Connection {
  readonly server: string;
  readonly token: string;
  readonly session: string | null;
  readonly signal: AbortSignal;
}

/** `events tail`: prints what happens until it is interrupted, and goes on by itself where a stream ends. */
export const tailEvents = async (context: CliContext): Promise<void> => {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const { server, token } = await context.connection();
  const me = (await dataOf((await context.client()).GET('/api/v1/auth/me'))).user.id;
  const connection = { server, token, session: context.session, signal: stop.signal };
  const print = createPrinter(context, me);
  const place: StreamPlace = { lastId: null, retryMs: defaultRetryMs };
  for (let isFirst = true; !stop.signal.aborted; isFirst = false) {
    const waitMs = await readUntilEnd(connection, place, print, isFirst);
    await pause(waitMs, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  throw interrupted();
};

type Print = (message: StreamMessage) => Promise<void>;

const createPrinter = (context: CliContext, me: string): Print => {
  const { json = false } = context.options();
  return async ({ event, data }) => {
    const content = parsed(data);
    if (json) return await context.out.write(`${JSON.stringify({ event, data: content })}\n`);
    if (event === 'stream.reset') return context.out.warn(resetText(content));
    await context.out.write(`${lineOf(content as Event, me)}\n`);
  };
};

/** Reads one stream to its end. Resolves to how long to wait before the next one. */
const readUntilEnd = async (
  connection: Connection,
  place: StreamPlace,
  print: Print,
  isFirst: boolean,
): Promise<number> => {
  try {
    await printAll(await openStream(connection, place), place, print);
  } catch (error) {
    if (connection.signal.aborted) return 0;
    if (error instanceof Refusal) return waitAfter(error, place);
    if (isBrokenOff(error)) return place.retryMs;
    if (isFirst || !(error instanceof NoAnswer)) throw error;
  }
  return place.retryMs;
};

const printAll = async (response: IncomingMessage, place: StreamPlace, print: Print): Promise<void> => {
  const read = createMessageReader(place);
  for await (const piece of response.setEncoding('utf8')) {
    for (const message of read(String(piece))) await print(message);
  }
};

/** Only what passes is waited for. */
const waitAfter = (refusal: Refusal, { retryMs }: StreamPlace): number => {
  const passes = ['rate_limited', 'overloaded', 'unavailable'].includes(refusal.problem.code);
  if (!passes) throw refusal;
  return Math.max(retryMs, (refusal.retryAfter ?? 0) * 1000);
};

/** The error of a stream that ended without saying so. */
const isBrokenOff = (error: unknown): boolean =>
  error instanceof Error &&
  ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE'].includes(String((error as { code?: unknown }).code));

const openStream = async (
  { server, token, session, signal }: Connection,
  place: StreamPlace,
): Promise<IncomingMessage> => {
  const url = new URL(eventsPath, server);
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const headers = {
    Authorization: `Bearer ${token}`,
    ...(session === null ? {} : { 'X-Session-Id': session }),
    ...(place.lastId === null ? {} : { 'Last-Event-ID': place.lastId }),
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const sent = request(url, { headers, signal, timeout: maxSilenceMs });
    sent.once('timeout', () => sent.destroy(Object.assign(new Error('silent'), { code: 'ECONNRESET' })));
    sent.once('response', resolve).once('error', (cause) => {
      reject(new NoAnswer(server, 'unreachable', `${server} cannot be reached.`, cause));
    });
    sent.end();
  });
  if (response.headers['content-type'] === 'text/event-stream') return response;
  throw await refusalOf(server, response);
};

const refusalOf = async (server: string, response: IncomingMessage): Promise<Refusal | NoAnswer> => {
  let text = '';
  for await (const piece of response.setEncoding('utf8')) text += piece;
  const problem = parsed(text) as Problem | null;
  if (typeof problem?.code !== 'string' || typeof problem.detail !== 'string')
    return new NoAnswer(server, 'not-keyhold', `${server} does not stream events, so it is not a Keyhold service.`);
  const retryAfter = Number(response.headers['retry-after'] ?? Number.NaN);
  return new Refusal(problem, Number.isInteger(retryAfter) ? retryAfter : null);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

const resetText = (content: unknown): string => {
  const { missed_before: before } = (content ?? {}) as { readonly missed_before?: unknown };
  return `keyhold: events from before ${String(before)} may be missing here. "keyhold notices --all" shows what others did.`;
};
