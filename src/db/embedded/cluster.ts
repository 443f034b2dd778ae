import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Native } from './binaries.ts';
import { roleNames } from './connection-settings.ts';
import { type DatabaseSecret, flushDirectory, scramVerifier } from './database-password.ts';
import { errorCode, explained, explainOutput, unavailable } from './failure.ts';
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

/** True if there is a cluster. Throws if what is there is of another PostgreSQL or no cluster at all. */
export const hasCluster = async ({ cluster }: Layout): Promise<boolean> => {
  const version = await versionOf(cluster);
  if (version === null) return false;
  if (version === majorVersion) return true;
  throw unavailable(
    version === ''
      ? `${cluster} exists but holds no PostgreSQL data. Restore it from a backup, or move it away.`
      : `${cluster} was written by PostgreSQL ${version}, and this is PostgreSQL ${majorVersion}. ` +
          'Start the Keyhold that wrote it, or move the data over with a dump.',
  );
};

const versionOf = async (cluster: string): Promise<string | null> => {
  try {
    return (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  try {
    // A directory only takes this name when it is complete, so that an empty one was put there by hand.
    await (await open(cluster)).close();
    return '';
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
};

/**
 * Makes the cluster beside its place and moves it there when it is complete and on disk, so that a kill at any
 * moment leaves either none or a whole one. Of two at the same time one wins, and both go on with that.
 */
export const makeCluster = ({ layout, native, as, secret }: ClusterOptions): Promise<void> =>
  explained(layout.pg, async () => {
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

// Made by the database's user: one that root made and a kill kept from handing over could not be removed again.
const makeDraft = async (draft: string, as: RunAs, layout: Layout): Promise<void> => {
  const { ok, output } = await run('mkdir', ['-m', '700', draft], { as });
  if (!ok) throw explainOutput('Making the database', output, layout.pg);
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
  if (!ok) throw explainOutput('Making the database', output, layout.pg);
};

const moveIntoPlace = async (data: string, { cluster, pg }: Layout): Promise<void> => {
  try {
    await rename(data, cluster);
    await flushDirectory(pg);
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
};
