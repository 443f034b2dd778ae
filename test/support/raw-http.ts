import { createConnection, type Socket } from 'node:net';

/** What came back on one connection for what was written to it, byte for byte. */
export interface RawAnswer {
  /** 0 where the service hung up without an answer. */
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  /** How many answers came: more than one where a second request was read out of the first one's bytes. */
  readonly answers: number;
  /** True when nothing more came within the time given and the connection was still open. */
  readonly open: boolean;
}

export interface RawOptions {
  /** Says that no more bytes come, while the connection stays open for the answer. */
  readonly halfClose?: boolean;
  readonly withinMs?: number;
}

const heads = /HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/g;

const parse = (bytes: Buffer, open: boolean): RawAnswer => {
  const text = bytes.toString('latin1');
  const found = [...text.matchAll(heads)].filter(([, status]) => Number(status) >= 200);
  const [first] = found;
  const lines = (first?.[2] ?? '').split('\r\n').filter((line) => line !== '');
  const headers = new Map(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const begin = first === undefined ? 0 : first.index + first[0].length;
  const end = begin + Number(headers.get('content-length') ?? 0);
  return {
    status: Number(first?.[1] ?? 0),
    headers,
    body: bytes.subarray(begin, end).toString('utf8'),
    answers: found.length,
    open,
  };
};

const connect = (url: string): Socket => {
  const { hostname, port } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true });
  socket.setNoDelay(true);
  return socket;
};

/** Writes these bytes to a connection of their own and reads until the service hangs up. */
export const exchange = (
  url: string,
  bytes: Buffer,
  { halfClose = false, withinMs = 20_000 }: RawOptions = {},
): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(url);
    const done = (open: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parse(Buffer.concat(chunks), open));
    };
    const timer = setTimeout(() => done(true), withinMs);
    socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on('end', () => done(false));
    // A service that hangs up before it has read everything resets the connection; what it said before that counts.
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
    socket.write(bytes);
    if (halfClose) socket.end();
  });

export interface SlowConnection {
  /** Resolves to what the service said, once it has hung up; to null when it still hasn't after `withinMs`. */
  ended(withinMs: number): Promise<RawAnswer | null>;
  write(text: string): void;
  close(): void;
}

/** Writes the first bytes at once and then one more each half second, for as long as the service listens. */
export const dripping = (url: string, first: string, drops: string): SlowConnection => {
  const chunks: Buffer[] = [];
  const socket = connect(url);
  let at = 0;
  const drip = setInterval(() => {
    if (socket.writable && drops !== '') socket.write(drops[at++ % drops.length] ?? '');
  }, 500);
  const closed = new Promise<RawAnswer>((resolve) => {
    const done = (): void => {
      clearInterval(drip);
      socket.destroy();
      resolve(parse(Buffer.concat(chunks), false));
    };
    socket.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
    socket.on('end', done);
    socket.on('error', done);
    socket.on('close', done);
  });
  if (first !== '') socket.write(first);
  return {
    ended: (withinMs) =>
      Promise.race([closed, new Promise<null>((resolve) => setTimeout(() => resolve(null), withinMs).unref())]),
    write: (text) => void socket.write(text),
    close: () => {
      clearInterval(drip);
      socket.destroy();
    },
  };
};
