import { expect, it } from 'vitest';
import { operator } from '../../src/core/caller.ts';
import { endStream, messageText, newStream, type Sink, sendTo } from '../../src/notices/stream.ts';

/** A reader who takes nothing. */
const stuckSink = () => {
  const calls: string[] = [];
  let buffered = 0;
  const sink: Sink = {
    write: (text) => {
      buffered += text.length;
    },
    buffered: () => buffered,
    drained: () => Promise.resolve(),
    end: () => void calls.push('end'),
    abort: () => void calls.push('abort'),
    onClose: () => undefined,
  };
  return { sink, calls };
};

const streamTo = (sink: Sink) => {
  const scope = { userId: operator('test').userId, epoch: operator('test').userId };
  return newStream({ caller: operator('test'), token: '', scope, at: 0, sink, now: 0 });
};

it('a reader that takes nothing is cut off once too much waits for it', () => {
  const { sink, calls } = stuckSink();
  const stream = streamTo(sink);
  sendTo(stream, 'x'.repeat(200_000), 0);
  expect(calls).toEqual([]);
  sendTo(stream, 'x'.repeat(200_000), 0);
  expect(calls).toEqual(['abort']);
});

it('what waits for its reader when a stream ends is not sent any more', () => {
  const waiting = stuckSink();
  const stream = streamTo(waiting.sink);
  sendTo(stream, 'something', 0);
  endStream(stream);
  expect(waiting.calls).toEqual(['abort']);
  const idle = stuckSink();
  endStream(streamTo(idle.sink));
  expect(idle.calls).toEqual(['end']);
});

it('a message has each field on a line of its own, whatever its data says', () => {
  const data = { title: 'two\nlines\r\nand \u2028 one' };
  expect(messageText({ id: 'i', event: 'e', retry: 5, data })).toBe(
    'retry: 5\nid: i\nevent: e\ndata: {"title":"two\\nlines\\r\\nand \u2028 one"}\n\n',
  );
});
