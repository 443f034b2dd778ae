import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { makeTempDir } from './temp-dir.ts';

/** A proxy between a service and its database that a test can interrupt. */
export interface DatabaseProxy extends AsyncDisposable {
  /** The directory of the unix socket to connect to instead of the database. */
  readonly host: string;
  readonly port: number;
  /** Breaks every connection and refuses new ones. */
  refuse(): Promise<void>;
  /** Accepts new connections and passes nothing on, in either direction. */
  hang(): void;
  /** Passes everything on again. */
  restore(): Promise<void>;
}

export const startDatabaseProxy = async (target: { host: string; port: number }): Promise<DatabaseProxy> => {
  const directory = await makeTempDir();
  const host = directory.path;
  const { port } = target;
  const sockets = new Set<Socket>();
  let hanging = false;

  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  };
  const forward = (from: Socket, to: Socket): void => {
    // What arrives while it hangs is dropped, which makes the connection useless, as a network partition does.
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
      await directory[Symbol.asyncDispose]();
    },
  };
};
