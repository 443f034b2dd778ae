import { type Shape, shapes } from './shapes.ts';

export interface World {
  readonly token: string;
  readonly secretId: string;
  readonly sessionId: string;
  readonly userId: string;
  readonly ownId: string;
  readonly tokenId: string;
  readonly webhookId: string;
}

export interface Malformed {
  readonly what: string;
  readonly bytes: Buffer;
  readonly halfClose?: boolean;
  /** True where hanging up without a word is an answer too. */
  readonly mayHangUp?: boolean;
}

/** A generator of numbers from 0 to 1 with a seed (mulberry32). */
export const dice = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** What the families make their requests with. */
export interface Forge {
  readonly world: World;
  readonly all: readonly Shape[];
  readonly base: string;
  roll(): number;
  /** A whole number from 0 to below `max`. */
  below(max: number): number;
  pick<T>(list: readonly T[]): T;
  request(parts: Parts): Buffer;
  send(what: string, shape: Pick<Shape, 'method' | 'path'>, body: unknown, more?: Parts): Malformed;
}

export interface Parts {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  readonly auth?: boolean;
  readonly type?: string | null;
}

const base = '/api/v1';

export const createForge = (world: World, roll: () => number): Forge => {
  const below = (most: number): number => Math.floor(roll() * most);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const all = shapes(world);

  const request = ({
    method = 'GET',
    path = `${base}/secrets`,
    headers = [],
    body,
    auth = true,
    type = 'application/json',
  }: Parts): Buffer => {
    const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
    const framed = headers.some((line) => /^(content-length|transfer-encoding)/i.test(line));
    const lines = [
      `${method} ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: close',
      ...(auth ? [`Authorization: Bearer ${world.token}`] : []),
      ...(body === undefined || type === null ? [] : [`Content-Type: ${type}`]),
      ...(body === undefined || framed ? [] : [`Content-Length: ${bytes.length}`]),
      ...headers,
    ];
    return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
  };

  const send = (what: string, shape: Pick<Shape, 'method' | 'path'>, body: unknown, more: Parts = {}): Malformed => {
    const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return {
      what: `${what}: ${shape.method} ${shape.path}`,
      bytes: request({ method: shape.method, path: base + shape.path, body: text, ...more }),
    };
  };

  return { world, all, base, roll, below, pick, request, send };
};
