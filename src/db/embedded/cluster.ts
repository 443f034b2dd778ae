import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Native } from './binaries.ts';
import { roleNames } from './connection-settings.ts';
import { type DatabaseSecret, flushDirectory, scramVerifier } from './database-password.ts';
import { errorCode, explainFileErrors, explainOutput, unavailable } from './failure.ts';
import type { Layout } from './layout.ts';
import { draftName, removeTree } from './leftovers.ts';
import { type RunAs, run } from './run.ts';

const majorVersion = '18';

export interface ClusterOptions {
  readonly layout: Layout;
  readonly native: Native;
  readonly as: RunAs;
  readonly secret: DatabaseSecret;
}

/** Whether there is a cluster. Throws if the directory holds the data of another PostgreSQL version, or none. */
export const hasCluster = async ({ cluster }: Layout): Promise<boolean> => {
  const version = await versionOf(cluster);
  if (version === null) return false;
  if (version === majorVersion) return true;
  throw unavailable(
    version === ''
      ? `${cluster} exists but contains no PostgreSQL data. Restore it from a backup, or move it away.`
      : `${cluster} was written by PostgreSQL ${version}, and this is PostgreSQL ${majorVersion}. ` +
          'Start the version of Keyhold that wrote it, or move the data with a dump.',
  );
};

const versionOf = async (cluster: string): Promise<string | null> => {
  try {
    return (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  try {
    // A cluster gets this name when it is complete, so an empty directory is not one that a start left behind.
    await (await open(cluster)).close();
    return '';
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
};

/**
 * Creates the cluster in a draft directory, and renames that once it is complete and on disk: a kill at any moment leaves
 * either no cluster or a whole one. If two services do so at the same time, both go on with the one that came first.
 */
export const makeCluster = ({ layout, native, as, secret }: ClusterOptions): Promise<void> =>
  explainFileErrors(layout.pg, async () => {
    const draft = join(layout.pg, draftName('data'));
    await makeDraft(draft, as, layout);
    try {
      const passwordFile = join(draft, 'password');
      await writeFor(as, passwordFile, scramVerifier(secret, roleNames.superuser));
      await initdb({ layout, native, as }, join(draft, 'data'), passwordFile);
      await moveIntoPlace(join(draft, 'data'), layout);
    } finally {
      await removeTree(draft, as);
    }
  });

// The database's user makes it. If root did, and were killed before changing the owner, that user could not remove it.
const makeDraft = async (draft: string, as: RunAs, layout: Layout): Promise<void> => {
  const { ok, output } = await run('mkdir', ['-m', '700', draft], { as });
  if (!ok) throw explainOutput('Creating the database', output, layout.pg);
};

const writeFor = async (as: RunAs, path: string, text: string): Promise<void> => {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(text);
  if (as !== null) await file.chown(as.uid, as.gid);
};

const initdb = async (
  { layout, native, as }: Omit<ClusterOptions, 'secret'>,
  data: string,
  passwordFile: string,
): Promise<void> => {
  const { ok, output } = await run(
    join(native, 'bin', 'initdb'),
    [
      `--pgdata=${data}`,
      `--username=${roleNames.superuser}`,
      `--pwfile=${passwordFile}`,
      '--auth-local=scram-sha-256',
      '--auth-host=reject',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--data-checksums',
      '--no-instructions',
    ],
    { as },
  );
  if (!ok) throw explainOutput('Creating the database', output, layout.pg);
};

const moveIntoPlace = async (data: string, { cluster, pg }: Layout): Promise<void> => {
  try {
    await rename(data, cluster);
    await flushDirectory(pg);
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
};
