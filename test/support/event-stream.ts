import { type IncomingMessage, request } from 'node:http';
import type { TestApp } from './app.ts';
import { until } from './deadlines.ts';

/** One message of a stream, by its fields. */
export interface StreamMessage {
  readonly id?: string;
  readonly event?: string;
  readonly retry?: string;
  readonly data?: any;
}

/** A stream of events as a client reads it. */
export interface ReadStream {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** Every message so far, also those that only say where the stream begins. */
  readonly messages: readonly StreamMessage[];
  /** Comments so far. */
  readonly comments: readonly string[];
  /** Everything that was received. */
  text(): string;
  isOver(): boolean;
  /** The events so far. */
  events(): readonly StreamMessage[];
  /** The id with which the client would come back. */
  lastId(): string | undefined;
  /** Waits until so many events of this type have come, and resolves to them. */
  waitFor(type: string, count?: number): Promise<readonly StreamMessage[]>;
  waitForEnd(): Promise<void>;
  /** Goes away. */
  leave(): void;
}

interface Options {
  readonly token: string;
  readonly lastEventId?: string | undefined;
  readonly session?: string;
}

/** Longer than a service takes to tell of something, on an idle machine. */
const soonMs = 5000;

const messageOf = (block: string): StreamMessage => {
  const fields = block
    .split('\n')
    .filter((line) => !line.startsWith(':'))
    .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const);
  const { data, ...rest } = Object.fromEntries(fields);
  return data === undefined ? rest : { ...rest, data: JSON.parse(data) };
};

/** Opens a stream of events; resolves once its headers are there. */
export const openStream = async (url: string, { token, lastEventId, session }: Options): Promise<ReadStream> => {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    ...(session === undefined ? {} : { 'x-session-id': session }),
  };
  const sent = request(`${url}/api/v1/events`, { headers, agent: false });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject).end();
  });
  let text = '';
  let over = false;
  const end = (): void => {
    over = true;
  };
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
  });
  response.once('end', end).once('close', end).on('error', end);
  sent.on('error', end);

  const blocks = () => text.split('\n\n').slice(0, -1);
  const messages = () =>
    blocks()
      .map(messageOf)
      .filter((message) => Object.keys(message).length > 0);
  const events = () => messages().filter(({ event }) => event !== undefined);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    get messages() {
      return messages();
    },
    get comments() {
      return blocks().filter((block) => block.startsWith(':'));
    },
    text: () => text,
    isOver: () => over,
    events,
    lastId: () => messages().findLast(({ id }) => id !== undefined)?.id ?? lastEventId,
    waitFor: async (type, count = 1) => {
      const found = () => events().filter(({ event }) => event === type);
      await until(`${count} of ${type} came`, soonMs, async () => found().length >= count);
      return found();
    },
    waitForEnd: async () => {
      await until('the stream was over', soonMs, async () => over);
    },
    leave: () => sent.destroy(),
  };
};

/** Gives everything that was committed so far its position, so that it can be read. */
export const untilTold = async ({ app, database }: Pick<TestApp, 'app' | 'database'>): Promise<void> => {
  await until('every event has its position', soonMs, async () => {
    await app.domains.givePositions();
    const { rows } = await database.client.query('select count(*)::int as waiting from events where position is null');
    return rows[0].waiting === 0;
  });
};
