import { join } from 'node:path';
import { port } from './connection-settings.ts';
import { type DatabaseSecret, unguessableName } from './database-password.ts';
import { explainFileErrors } from './failure.ts';
import { type Layout, makePrivateDir } from './layout.ts';
import type { RunAs } from './run.ts';

// sun_path has 108 bytes on Linux and 104 elsewhere, including the final NUL.
const maxPathBytes = process.platform === 'linux' ? 107 : 103;

/**
 * The directory of the server's unix socket: `pg/socket`, or a directory below /tmp if that path is too long for a socket.
 * It is not below os.tmpdir(), since a later service may have another TMPDIR and would not find a server left running.
 */
export const socketDirectory = (layout: Layout, secret: DatabaseSecret): string => {
  const preferred = join(layout.pg, 'socket');
  const fits = Buffer.byteLength(join(preferred, `.s.PGSQL.${port}`)) <= maxPathBytes;
  return fits ? preferred : join('/tmp', `keyhold-${unguessableName(secret, layout.dataDir)}`);
};

/** Creates the socket's directory with mode 0700 for the database's user. Refuses a symlink and a directory of another user. */
export const makeSocketDirectory = (layout: Layout, secret: DatabaseSecret, as: RunAs): Promise<void> => {
  const directory = socketDirectory(layout, secret);
  return explainFileErrors(directory, () => makePrivateDir(directory, as));
};
