import { setTimeout } from 'node:timers/promises';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { createComplaints, createLoop } from '../core/loop.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { EventIds } from '../keys/index.ts';
import { createDeliver, type Delivery } from './delivery.ts';
import { refuseWaiting } from './list.ts';
import type { NoticeQueries } from './queries.ts';
import { endStream, newStream, type OpenStream, type Sink, sendTo } from './stream.ts';
import { createStreamStart } from './stream-start.ts';
import type { Telling } from './telling.ts';
import type { ShowEvents } from './view.ts';

/** A request for a stream. */
export interface StreamRequest {
  /** The token by which the caller was let in. */
  readonly token: string;
  /** The id of the last event that the client got; null for what happens from now on. */
  readonly lastEventId: string | null;
}

/** The streams of events of this process, all of which one loop serves. */
export interface Streams {
  /**
   * Opens a stream of what the caller is told. `openSink` is called once it is certain that there will be one. Throws
   * `waiting_period`, `rate_limited` for too many streams of one credential, `overloaded` for too many in all.
   */
  open(caller: Caller, request: StreamRequest, openSink: () => Sink): Promise<void>;
  start(): void;
  /** Looks for new events now. */
  nudge(): void;
  /** Ends every stream. Clients come back to another service, or later. */
  close(): Promise<void>;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly ids: EventIds;
  readonly queries: NoticeQueries;
  readonly telling: Telling;
  readonly show: ShowEvents;
  /** Whether the caller of a stream may still be told anything. */
  readonly stillValid: Parameters<typeof createDeliver>[0]['stillValid'];
  readonly log: { warn(details: object, message: string): void };
}

/** Two of them are less than a second, in which every caller is asked about. */
const pauseMs = 450;
const maxOfCredential = 6;
const maxOfProcess = 5000;
const retryAfterSeconds = 30;
/** Rows that are read at once: of all live streams, and of one that catches up. */
const maxRows = 1000;
const maxRowsOfOne = 200;

export const createStreams = (deps: Deps): Streams => {
  const { db, clock, audit, queries, log } = deps;
  const deliver = createDeliver(deps);
  const startOf = createStreamStart(deps);
  const all = new Set<OpenStream>();
  const places = createPlaces();
  const complaints = createComplaints((message) => log.warn({ message }, 'Streams of events wait.'));

  /** What is new for each live stream; the others only have their callers asked about. Resolves to whether there is more. */
  const look = async (): Promise<boolean> => {
    // One that is over stays until its reader has taken the end, and must hold up nobody.
    const open = [...all].filter((stream) => !stream.isOver);
    const live = open.filter((stream) => stream.isLive);
    const others = open.filter((stream) => !stream.isLive);
    const from = Math.min(...live.map((stream) => stream.at));
    const users = [...new Set(live.map(({ viewer }) => viewer.userId))];
    const { last } = live.length === 0 ? { last: from } : await queries.log(db);
    const span = last > from ? await queries.span(db, users, from, last, maxRows) : nothingNew;
    const byUser = Map.groupBy(span.rows, (row) => row.user_id);
    const news = live.map((stream): Delivery => {
      const rows = byUser.get(stream.viewer.userId) ?? [];
      const later = rows.filter((row) => (row.position ?? 0) > stream.at);
      return { stream, rows: later, upTo: Math.max(stream.at, span.upTo) };
    });
    const rest = others.map((stream): Delivery => ({ stream, rows: [], upTo: null }));
    await deliver([...news, ...rest]);
    // A stream whose caller could not be asked about stays where it is, and must not keep the loop busy.
    return span.more && live.every((stream) => stream.isOver || stream.at > from);
  };

  const lookOrComplain = async (): Promise<void> => {
    try {
      while (all.size > 0 && (await look()));
      complaints.over();
    } catch (error) {
      complaints.about(error);
    }
  };

  const loop = createLoop(lookOrComplain, pauseMs);

  /** Sends what the client missed, as quickly as it reads, and then leaves the stream to the loop. */
  const catchUp = async (stream: OpenStream): Promise<void> => {
    try {
      for (let more = true; more && !stream.isOver; ) {
        await stream.sink.drained();
        const { last } = await queries.log(db);
        const span = await queries.span(db, [stream.viewer.userId], stream.at, last, maxRowsOfOne);
        await deliver([{ stream, rows: span.rows, upTo: span.upTo }]);
        // Where it could not be decided whether the caller may be told, the same is read again.
        const isHeld = stream.at < span.upTo;
        if (isHeld) await setTimeout(pauseMs);
        more = span.more || isHeld;
      }
      stream.isLive = true;
    } catch {
      // The client comes back, and begins where it was.
      endStream(stream);
    }
  };

  return {
    open: async (caller, { token, lastEventId }, openSink) => {
      await refuseWaiting(audit, db, caller);
      const leave = places.take(caller);
      try {
        const { scope, at, text } = await mapDbErrors(startOf(db, caller, lastEventId));
        const stream = newStream({ caller, token, scope, at, sink: openSink(), now: clock.now().getTime() });
        all.add(stream);
        stream.sink.onClose(() => {
          stream.isOver = true;
          all.delete(stream);
          leave();
        });
        sendTo(stream, text, clock.now().getTime());
        void catchUp(stream);
      } catch (error) {
        leave();
        throw error;
      }
    },
    start: loop.start,
    nudge: loop.nudge,
    close: async () => {
      places.close();
      for (const stream of all) endStream(stream);
      await loop.stop();
    },
  };
};

const nothingNew = { rows: [], upTo: 0, more: false };

/** Counts the streams of each credential, and all of them. */
const createPlaces = () => {
  const taken = new Map<string, number>();
  let total = 0;
  let isClosed = false;

  /** Throws where there is no place. Returns how to leave it, which may be called more than once. */
  const take = (caller: Caller): (() => void) => {
    const key = credentialOf(caller);
    const own = taken.get(key) ?? 0;
    if (own >= maxOfCredential)
      throw new KeyholdError(
        'rate_limited',
        `This credential has ${maxOfCredential} streams of events open. Close one of them first.`,
        { retryAfterSeconds },
      );
    if (isClosed || total >= maxOfProcess)
      throw new KeyholdError('overloaded', 'This service takes no more streams of events. Try again later.', {
        retryAfterSeconds,
      });
    taken.set(key, own + 1);
    total += 1;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      total -= 1;
      const left = (taken.get(key) ?? 1) - 1;
      if (left === 0) taken.delete(key);
      else taken.set(key, left);
    };
  };

  return {
    take,
    close: (): void => {
      isClosed = true;
    },
  };
};

const credentialOf = ({ credential, userId }: Caller): string =>
  'id' in credential ? `${credential.kind} ${credential.id}` : `${credential.kind} ${userId}`;
