import type { OutgoingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Sink } from '../notices/index.ts';

const eventStreamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store',
  // nginx would gather what is to be sent at once.
  'x-accel-buffering': 'no',
};

/** Begins an answer of server-sent events. From here on, the answer has no time limit, and its sink alone writes to it. */
export const openEventSink = (reply: FastifyReply): Sink => {
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...eventStreamHeaders });
  const isOver = (): boolean => raw.closed || raw.destroyed;
  return {
    write: (text) => {
      if (!isOver()) raw.write(text);
    },
    buffered: () => raw.writableLength,
    drained: () =>
      new Promise((resolve) => {
        if (isOver() || !raw.writableNeedDrain) return resolve();
        // Neither listener outlives the wait: a long stream waits many times.
        const done = (): void => {
          raw.off('drain', done).off('close', done);
          resolve();
        };
        raw.once('drain', done).once('close', done);
      }),
    end: () => {
      raw.end();
    },
    abort: () => {
      raw.destroy();
    },
    onClose: (listener) => {
      if (isOver()) listener();
      else raw.once('close', listener);
    },
  };
};
