import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Stands between a service and its database, and goes away when a test wants it. */
export interface DatabaseProxy extends AsyncDisposable {
  /** Where to connect in place of the database: the directory of a unix socket. */
  readonly host: string;
  readonly port: number;
  /** Breaks every connection and refuses new ones. */
  refuse(): Promise<void>;
  /** Takes new connections and lets nothing through, in either direction. */
  hang(): void;
  /** Lets everything through again. */
  restore(): Promise<void>;
}

export const startDatabaseProxy = async (target: { host: string; port: number }): Promise<DatabaseProxy> => {
  const host = await mkdtemp(join(tmpdir(), 'keyhold-proxy-'));
  const { port } = target;
  const sockets = new Set<Socket>();
  let hanging = false;

  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  };
  const forward = (from: Socket, to: Socket): void => {
    // What comes while it hangs is thrown away: that connection is then of no use any more, as in a real partition.
    from.on('data', (data) => void (hanging || to.write(data)));
    from.once('close', () => to.destroy());
  };
  const server = createServer((front) => {
    const back = keep(connect(join(target.host, `.s.PGSQL.${target.port}`)));
    forward(keep(front), back);
    forward(back, front);
  });
  const path = join(host, `.s.PGSQL.${port}`);
  const listen = () => new Promise<void>((done) => server.listen(path, done));
  const breakAll = (): void => sockets.forEach((socket) => void socket.destroy());
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((done) => server.close(done));
    breakAll();
    await closed;
  };
  await listen();
  return {
    host,
    port,
    refuse: close,
    hang: () => {
      hanging = true;
    },
    restore: async () => {
      if (hanging) breakAll();
      hanging = false;
      if (!server.listening) await listen();
    },
    [Symbol.asyncDispose]: async () => {
      await close();
      await rm(host, { recursive: true, force: true });
    },
  };
};
