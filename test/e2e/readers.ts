import { Agent, request } from 'node:http';
import { unlessOverloaded } from '../support/overload.ts';

/** What a reader asks for again and again. `path` is whole. */
export interface Read {
  readonly path: string;
  readonly token: string;
  readonly session?: string;
}

interface Seen {
  readonly status: number;
  readonly text: string;
}

/** One connection to one service, kept alive: each request goes over the socket of the one before. */
export interface Line {
  send(read: Read): Promise<Seen>;
  close(): void;
}

export const openLine = (origin: string): Line => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    send: ({ path, token, session }) =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${token}`,
          ...(session === undefined ? {} : { 'x-session-id': session }),
        };
        const sent = request(`${origin}${path}`, { agent, headers }, (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
          response.once('error', reject);
        });
        sent.once('error', reject);
        sent.end();
      }),
    close: () => agent.destroy(),
  };
};

/** `before` the withdrawal was sent, while it is `underway`, and `after` its answer was received. */
type Phase = 'before' | 'underway' | 'after';

export interface Observation extends Seen {
  readonly reader: number;
  readonly startedIn: Phase;
  readonly endedIn: Phase;
}

/** Readers at work, one on each line, from now until each has had an answer to a request that it began afterwards. */
interface Readers {
  /** Resolves when each of them has been answered at least once. */
  readonly warm: Promise<void>;
  enter(phase: Exclude<Phase, 'before'>): void;
  readonly done: Promise<readonly Observation[]>;
}

export const startReaders = (lines: readonly Line[], read: Read): Readers => {
  const observed: Observation[] = [];
  let phase: Phase = 'before';
  let cold = lines.length;
  const { promise: warm, resolve: warmed, reject } = Promise.withResolvers<void>();
  const work = async (line: Line, reader: number): Promise<void> => {
    for (let first = true; ; first = false) {
      const startedIn = phase;
      const seen = await unlessOverloaded(() => line.send(read));
      observed.push({ ...seen, reader, startedIn, endedIn: phase });
      if (first) cold -= 1;
      if (cold === 0) warmed();
      if (startedIn === 'after') return;
    }
  };
  const done = Promise.all(lines.map(work)).then(() => observed);
  done.catch(reject);
  return {
    warm,
    enter: (next) => {
      phase = next;
    },
    done,
  };
};
