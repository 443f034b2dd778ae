import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Permission } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import type { EventRow } from '../db/tables/index.ts';
import type { EventIds } from '../keys/index.ts';
import { commentText, endStream, messageText, type OpenStream, sendTo } from './stream.ts';
import type { Telling } from './telling.ts';
import type { ShowEvents } from './view.ts';

/** What is to be sent to a stream. */
export interface Delivery {
  readonly stream: OpenStream;
  readonly rows: readonly EventRow[];
  /** Up to which position these are all the events; null where nothing was looked for. */
  readonly upTo: number | null;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly ids: EventIds;
  readonly telling: Telling;
  readonly show: ShowEvents;
  readonly stillValid: (stream: OpenStream, permission: Permission) => Promise<boolean>;
}

/** With the pause of the loop, each caller is asked about at every second look, once a second. */
const checkEveryMs = 500;
/** How long the answer about one caller is waited for, and how long a stream lives without one. */
const checkMs = 1000;
const maxUnansweredMs = 5000;
const commentEveryMs = 20_000;

type CallerCheck = 'valid' | 'ended' | 'unanswered' | 'not asked';

/**
 * Sends events to streams. First it decides about each event, and after that whether each caller may still be told anything,
 * so that nothing is sent to somebody who was shut out before the last of these answers. Where either cannot be decided, it
 * sends nothing.
 */
export const createDeliver = ({ db, clock, ids, telling, show, stillValid }: Deps) => {
  /** Asks once about the streams of one token and session. */
  const createAsk = () => {
    const answers = new Map<string, Promise<boolean | null>>();
    return (stream: OpenStream): Promise<boolean | null> => {
      const name = `${stream.token} ${stream.caller.session}`;
      const answer = answers.get(name) ?? within(stillValid(stream, 'events:read'), checkMs);
      answers.set(name, answer);
      return answer;
    };
  };

  const checkCaller = async (stream: OpenStream, ask: ReturnType<typeof createAsk>): Promise<CallerCheck> => {
    stream.checkedAt = performance.now();
    const answer = await ask(stream);
    if (answer !== null) stream.answeredAt = performance.now();
    if (answer === false) return 'ended';
    if (answer === true) return 'valid';
    return performance.now() - stream.answeredAt > maxUnansweredMs ? 'ended' : 'unanswered';
  };

  /** The messages for each stream. */
  const messagesFor = async (deliveries: readonly Delivery[]): Promise<ReadonlyMap<OpenStream, string>> => {
    const asked = deliveries.flatMap(({ stream, rows }) => rows.map((row) => ({ row, viewer: stream.viewer, stream })));
    const decided = await telling.tell(db, asked);
    const news = asked.flatMap(({ stream }, at) => {
      const told = decided[at] ?? null;
      return told === null ? [] : [{ stream, told }];
    });
    const views = await show(
      db,
      news.map(({ told }) => told),
    );
    const messages = new Map<OpenStream, string>();
    for (const [at, { stream, told }] of news.entries()) {
      const id = ids.encode(stream.scope, told.row.position ?? 0);
      const message = messageText({ id, event: told.type, data: views[at] });
      messages.set(stream, (messages.get(stream) ?? '') + message);
    }
    return messages;
  };

  const finish = ({ stream, upTo }: Delivery, state: CallerCheck, message: string | undefined): void => {
    if (state === 'ended') endStream(stream);
    if (state === 'ended' || state === 'unanswered') return;
    const now = clock.now().getTime();
    if (message !== undefined) sendTo(stream, message, now);
    if (upTo !== null) stream.at = upTo;
    // A clock that was set back counts as time that has passed.
    const silentMs = Math.abs(now - stream.sentAt);
    if (state === 'valid' && silentMs >= commentEveryMs) sendTo(stream, commentText, now);
  };

  return async (deliveries: readonly Delivery[]): Promise<void> => {
    const messages = await messagesFor(deliveries);
    const ask = createAsk();
    const isDue = (stream: OpenStream): boolean =>
      messages.has(stream) || performance.now() - stream.checkedAt >= checkEveryMs;
    const states = await Promise.all(
      deliveries.map(({ stream }): CallerCheck | Promise<CallerCheck> =>
        isDue(stream) ? checkCaller(stream, ask) : 'not asked',
      ),
    );
    for (const [at, delivery] of deliveries.entries()) {
      finish(delivery, states[at] ?? 'unanswered', messages.get(delivery.stream));
    }
  };
};

/** The answer, or null where it fails or takes too long. */
const within = async (answer: Promise<boolean>, milliseconds: number): Promise<boolean | null> => {
  const timer = new AbortController();
  const tooLong = setTimeout(milliseconds, null, { signal: timer.signal }).catch(() => null);
  try {
    return await Promise.race([answer.catch(() => null), tooLong]);
  } finally {
    timer.abort();
  }
};
