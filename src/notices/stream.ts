import type { Caller } from '../core/caller.ts';
import type { EventIdScope } from '../keys/index.ts';
import { type Viewer, viewerOf } from './telling.ts';

/** Where a stream is written to. */
export interface Sink {
  write(text: string): void;
  /** Bytes that were written and that the reader has not taken yet. */
  buffered(): number;
  /** Resolves once the reader has taken what was written, or has gone. */
  drained(): Promise<void>;
  end(): void;
  /** Breaks off, without sending what is buffered. */
  abort(): void;
  /** Calls once the stream is over, whoever ended it; at once where it is over already. */
  onClose(listener: () => void): void;
}

/** A request that is being answered with events for as long as both sides keep it open. */
export interface OpenStream {
  readonly caller: Caller;
  readonly token: string;
  readonly viewer: Viewer;
  readonly scope: EventIdScope;
  readonly sink: Sink;
  /** The position up to which events were sent, or are not for this stream. */
  at: number;
  /** True once everything from before was sent, and only what is new is still to come. */
  isLive: boolean;
  isOver: boolean;
  /** When the caller was last asked about, and when that was last answered, in milliseconds of `performance.now()`. */
  checkedAt: number;
  answeredAt: number;
  /** When something was last sent, by the service's clock. */
  sentAt: number;
}

/** A reader who is further behind than this is cut off. They come back and go on where they were. */
const maxBuffered = 256 * 1024;

interface NewStream extends Pick<OpenStream, 'caller' | 'token' | 'scope' | 'sink' | 'at'> {
  readonly now: number;
}

export const newStream = ({ now, ...given }: NewStream): OpenStream => ({
  ...given,
  viewer: viewerOf(given.caller),
  isLive: false,
  isOver: false,
  checkedAt: performance.now(),
  answeredAt: performance.now(),
  sentAt: now,
});

export const sendTo = (stream: OpenStream, text: string, now: number): void => {
  if (stream.isOver) return;
  stream.sink.write(text);
  stream.sentAt = now;
  if (stream.sink.buffered() > maxBuffered) stream.sink.abort();
};

/** Ends a stream. What its reader has not taken yet is not sent any more. */
export const endStream = (stream: OpenStream): void => {
  stream.isOver = true;
  if (stream.sink.buffered() > 0) stream.sink.abort();
  else stream.sink.end();
};

interface Message {
  readonly id?: string;
  readonly event?: string;
  /** How long the client is to wait before it comes back, in milliseconds. */
  readonly retry?: number;
  readonly data?: unknown;
}

/** A message as the format of server-sent events has it (WHATWG HTML, 9.2.5). JSON has no line breaks. */
export const messageText = ({ retry, id, event, data }: Message): string => {
  const lines = [
    ...(retry === undefined ? [] : [`retry: ${retry}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(data === undefined ? [] : [`data: ${JSON.stringify(data)}`]),
  ];
  return `${lines.join('\n')}\n\n`;
};

/** A line that clients ignore and that keeps proxies from closing an idle stream. */
export const commentText = ': still here\n\n';
