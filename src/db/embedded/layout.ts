import { constants } from 'node:fs';
import { access, chmod, lchown, lstat, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorCode, explained, unavailable } from './failure.ts';
import type { RunAs } from './run.ts';
import { closedDirectory } from './traversable.ts';

/** Where everything of the embedded server lies. Only what is in `pg` belongs to the database's user. */
export interface Layout {
  readonly dataDir: string;
  readonly passwordFile: string;
  readonly pg: string;
  readonly cluster: string;
  readonly log: string;
}

export const layoutOf = (dataDir: string): Layout => {
  const root = resolve(dataDir);
  const pg = join(root, 'pg');
  return {
    dataDir: root,
    passwordFile: join(root, 'database-password'),
    pg,
    cluster: join(pg, 'data'),
    log: join(pg, 'server.log'),
  };
};

/** The uid that owns what the database has written, or null before the first start. */
export const ownerOf = async (path: string): Promise<number | null> => {
  try {
    return (await lstat(path)).uid;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
};

/** Makes the service's own data directory if it is missing. Errors are sentences about that directory. */
export const makeDataDir = ({ dataDir }: Layout, root: boolean): Promise<void> =>
  explained(dataDir, async () => {
    const first = await makeWay(dataDir);
    if (!root) return;
    if (first !== undefined) await openWay(first, dataDir);
    const { mode, uid } = await stat(dataDir);
    if (uid === 0 && (mode & 0o001) === 0) await chmod(dataDir, (mode & 0o7777) | 0o001);
  });

const makeWay = async (dataDir: string): Promise<string | undefined> => {
  try {
    return await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    // Of a read-only file system, Node only says that the directory isn't there.
    if (errorCode(error) === 'ENOENT') await access(await nearestExisting(dataDir), constants.W_OK);
    throw error;
  }
};

const nearestExisting = async (path: string): Promise<string> =>
  (await ownerOf(path)) === null && dirname(path) !== path ? nearestExisting(dirname(path)) : path;

// Root's umask may be 077; the database's user has to pass what was made on the way.
const openWay = async (first: string, last: string): Promise<void> => {
  for (let path = last; path.length >= first.length; path = dirname(path)) await chmod(path, 0o711);
};

/** Makes `pg`, the database's own directory. Refuses one that belongs to someone else or cannot be reached. */
export const makeDatabaseDir = async (layout: Layout, as: RunAs): Promise<void> => {
  const closed = await closedDirectory(layout.dataDir, as);
  if (closed !== null) {
    throw unavailable(
      `The database runs as another user than root, which may not pass ${closed}. ` +
        `Open it (chmod o+x ${closed}), or set KEYHOLD_DATA_DIR to a directory elsewhere.`,
    );
  }
  await explained(layout.pg, () => makePrivateDir(layout.pg, as));
};

/** Makes `path` a directory of mode 0700 that belongs to the database's user; refuses a link or a stranger's. */
export const makePrivateDir = async (path: string, as: RunAs): Promise<void> => {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  // Only root can have made a directory of root's: a start that was killed between making and giving it.
  if (as !== null && (await lstat(path)).uid === 0) await lchown(path, as.uid, as.gid);
  const found = await lstat(path);
  const expected = as?.uid ?? process.geteuid?.() ?? found.uid;
  if (found.isDirectory() && found.uid === expected && (found.mode & 0o077) === 0) return;
  throw unavailable(
    `${path} must be a directory with mode 0700 that belongs to the user with uid ${expected}, as which the ` +
      `database runs; it has mode ${(found.mode & 0o7777).toString(8).padStart(4, '0')} and belongs to uid ${found.uid}. ` +
      `Give it back (chown -R ${expected} and chmod 700).`,
  );
};
