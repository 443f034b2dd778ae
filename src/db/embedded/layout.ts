import { constants } from 'node:fs';
import { access, chmod, lchown, lstat, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errorCode, explainFileErrors, unavailable } from './failure.ts';
import type { RunAs } from './run.ts';
import { closedDirectory } from './traversable.ts';

/** The paths of the embedded server. Only `pg` and what is in it belong to the database's user. */
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

/** The uid of the owner of `path`, or null if it does not exist. */
export const ownerOf = async (path: string): Promise<number | null> => {
  try {
    return (await lstat(path)).uid;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
};

/** Creates the service's data directory if it is missing. Rejects with a sentence about that directory. */
export const makeDataDir = ({ dataDir }: Layout, root: boolean): Promise<void> =>
  explainFileErrors(dataDir, async () => {
    const first = await makeDirectories(dataDir);
    if (!root) return;
    if (first !== undefined) await makeTraversable(first, dataDir);
    const { mode, uid } = await stat(dataDir);
    if (uid === 0 && (mode & 0o001) === 0) await chmod(dataDir, (mode & 0o7777) | 0o001);
  });

const makeDirectories = async (dataDir: string): Promise<string | undefined> => {
  try {
    return await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    // On a read-only file system, Node reports that the directory does not exist.
    if (errorCode(error) === 'ENOENT') await access(await nearestExisting(dataDir), constants.W_OK);
    throw error;
  }
};

const nearestExisting = async (path: string): Promise<string> =>
  (await ownerOf(path)) === null && dirname(path) !== path ? nearestExisting(dirname(path)) : path;

// Root's umask may be 077, and the database's user must be able to pass the directories that were created.
const makeTraversable = async (first: string, last: string): Promise<void> => {
  for (let path = last; path.length >= first.length; path = dirname(path)) await chmod(path, 0o711);
};

/** Creates `pg`, the database's own directory. Refuses one of another user, and one that its user cannot reach. */
export const makeDatabaseDir = async (layout: Layout, as: RunAs): Promise<void> => {
  const closed = await closedDirectory(layout.dataDir, as);
  if (closed !== null) {
    throw unavailable(
      `The database does not run as root, and its user may not pass ${closed}. ` +
        `Open it (chmod o+x ${closed}), or set KEYHOLD_DATA_DIR to a directory elsewhere.`,
    );
  }
  await explainFileErrors(layout.pg, () => makePrivateDir(layout.pg, as));
};

/** Creates the directory `path` with mode 0700 for the database's user. Refuses a symlink and a directory of another user. */
export const makePrivateDir = async (path: string, as: RunAs): Promise<void> => {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  // A start as root was killed after it had created the directory and before it changed the owner.
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
