import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createResolveTarget, createSend, OutboundError, parseTarget } from '../../src/outbound/index.ts';
import { makeTempDir } from '../support/temp-dir.ts';

let stack = new AsyncDisposableStack();
afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

const listen = async (server: Server): Promise<number> => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
};

/** Answers every connection with these bytes, and keeps it open. */
const answering = (text: string, more: (socket: Socket) => void = () => undefined): Promise<number> =>
  listen(
    createServer((socket) => {
      socket.once('data', () => {
        socket.write(text);
        more(socket);
      });
    }),
  );

const outgoing = { method: 'POST', headers: {}, body: Buffer.from('{}') } as const;

interface Options {
  readonly secure?: boolean;
  readonly timeoutMs?: number;
  readonly ca?: string;
  readonly stop?: AbortSignal;
}

const send = (port: number, { secure = false, timeoutMs = 60_000, ca, stop }: Options = {}) => {
  const host = `receiver.test:${port}`;
  const parsed = parseTarget(`${secure ? 'https' : 'http'}://${host}/`, new Set([host]));
  if ('refused' in parsed) throw new Error(parsed.refused);
  const resolveTarget = createResolveTarget({ resolve: async () => ['127.0.0.1'], ownPorts: new Set() });
  return createSend({ resolveTarget, timeoutMs, ca })(parsed.target, outgoing, stop ?? new AbortController().signal);
};

const failureOf = async (sent: Promise<unknown>): Promise<string> =>
  await sent.then(
    () => 'none',
    (error: unknown) => (error instanceof OutboundError ? error.failure : String(error)),
  );

const mayMakeCertificate = spawnSync('openssl', ['version']).status === 0;

it.runIf(mayMakeCertificate)(
  'a certificate that nobody vouches for is refused, even where the environment switches verification off',
  async () => {
    const { path } = stack.use(await makeTempDir());
    const [cert, key] = [join(path, 'cert.pem'), join(path, 'key.pem')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const subject = ['-subj', '/CN=receiver.test', '-addext', 'subjectAltName=DNS:receiver.test'];
    spawnSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert]);
    const [ca, privateKey] = [readFileSync(cert, 'utf8'), readFileSync(key)];
    let requests = 0;
    const server = createTlsServer({ cert: ca, key: privateKey }, (_request, response) => {
      requests += 1;
      response.writeHead(204).end();
    });
    const port = await listen(server);
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    stack.defer(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    });
    expect(await failureOf(send(port, { secure: true }))).toBe('tls_failed');
    expect(requests).toBe(0);
    expect(await send(port, { secure: true, ca })).toMatchObject({ status: 204 });
  },
);

it('a status counts although the body never ends, and nothing of an endless body is kept', async () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n';
  const port = await answering(head, (socket) => {
    const chunk = Buffer.alloc(64 * 1024);
    const more = (): void => void (!socket.destroyed && socket.write(chunk, () => setImmediate(more)));
    more();
  });
  expect(await send(port)).toMatchObject({ status: 200 });
  const silent = await answering(head);
  // Without a limit of its own, the body would be waited for until the test is over.
  expect(await send(silent, { timeoutMs: 3_600_000 })).toMatchObject({ status: 200 });
});

it.each([
  ['that never answers', '', 'timeout'],
  ['whose headers never end', 'HTTP/1.1 200 OK\r\nA: ', 'timeout'],
  ['whose headers are too large', `HTTP/1.1 200 OK\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`, 'bad_answer'],
  ['that does not speak HTTP', 'SSH-2.0-OpenSSH_9.9\r\n', 'bad_answer'],
])('a receiver %s has failed, in a word of ours', async (_what, text, failure) => {
  const port = await answering(text);
  expect(await failureOf(send(port, { timeoutMs: failure === 'timeout' ? 500 : 60_000 }))).toBe(failure);
});

it('a receiver that hangs up or switches protocols has failed, and an attempt can be stopped', async () => {
  const rude = await listen(createServer((socket) => socket.destroy()));
  expect(await failureOf(send(rude))).toBe('unreachable');
  const switching = await answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n');
  expect(await failureOf(send(switching))).toBe('unreachable');
  const stop = new AbortController();
  const hanging = await answering('', () => stop.abort());
  expect(await failureOf(send(hanging, { stop: stop.signal }))).toBe('stopped');
});
