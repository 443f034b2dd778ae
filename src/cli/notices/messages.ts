/** One message of a stream of server-sent events. */
export interface StreamMessage {
  readonly event: string;
  readonly data: string;
}

/** What a stream said so far about coming back to it. */
export interface StreamPlace {
  lastId: string | null;
  retryMs: number;
}

/** Reads server-sent events (WHATWG HTML, 9.2.6) out of pieces of text, and keeps in `place` where to go on. */
export const createMessageReader = (place: StreamPlace) => {
  let rest = '';
  let event = '';
  let data: string[] = [];

  const readField = (line: string): void => {
    const colon = line.indexOf(':');
    const [name, value] = colon === -1 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
    if (name === 'event') event = value;
    else if (name === 'data') data.push(value);
    else if (name === 'id') place.lastId = value;
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) place.retryMs = Number(value);
  };

  /** The messages that this piece completes. */
  return (piece: string): readonly StreamMessage[] => {
    const lines = (rest + piece).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? '';
    return lines.flatMap((line): StreamMessage[] => {
      if (line !== '') {
        if (!line.startsWith(':')) readField(line);
        return [];
      }
      const message = { event: event || 'message', data: data.join('\n') };
      const isEmpty = data.length === 0;
      event = '';
      data = [];
      return isEmpty ? [] : [message];
    });
  };
};
