import { join } from 'node:path';
import { port } from './connection-settings.ts';
import { type DatabaseSecret, unguessableName } from './database-password.ts';
import { explained } from './failure.ts';
import { type Layout, makePrivateDir } from './layout.ts';
import type { RunAs } from './run.ts';

// sun_path has 108 bytes on Linux and 104 elsewhere, the closing NUL included.
const maxPathBytes = process.platform === 'linux' ? 107 : 103;

/**
 * The directory of the server's unix socket: `pg/socket`, or where that path is too long for a socket one
 * below /tmp. Not below os.tmpdir(): TMPDIR may differ when a later service looks for a server left running.
 */
export const socketDirectory = (layout: Layout, secret: DatabaseSecret): string => {
  const near = join(layout.pg, 'socket');
  const fits = Buffer.byteLength(join(near, `.s.PGSQL.${port}`)) <= maxPathBytes;
  return fits ? near : join('/tmp', `keyhold-${unguessableName(secret, layout.dataDir)}`);
};

/** Makes the socket's directory, 0700 and the database's user's; refuses a link or a stranger's in its place. */
export const makeSocketDirectory = (layout: Layout, secret: DatabaseSecret, as: RunAs): Promise<void> => {
  const directory = socketDirectory(layout, secret);
  return explained(directory, () => makePrivateDir(directory, as));
};
