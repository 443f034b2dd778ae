import { existsSync, type Stats, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Env } from '../config/env.ts';
import { rootKeyFile } from '../config/root-keys.ts';
import { type Check, type Finding, fine, found } from './finding.ts';

const mode = (stats: Stats): string => (stats.mode & 0o7777).toString(8).padStart(4, '0');
const statOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

const findReadableByOthers = (path: string, stats: Stats): Finding[] =>
  (stats.mode & 0o077) === 0
    ? []
    : [{ what: `${path} has mode ${mode(stats)}, so other users can access it.`, remedy: `chmod 600 ${path}` }];

const findForeignOwner = (path: string, stats: Stats): Finding[] => {
  const own = process.geteuid?.() ?? stats.uid;
  return stats.uid === own || stats.uid === 0
    ? []
    : [
        {
          what: `${path} belongs to uid ${stats.uid}, which could replace it.`,
          remedy: `chown ${own} ${path}, or run the doctor as the service’s user.`,
        },
      ];
};

/** Whether only their owner can access the file of the root key and that of the embedded database's password. */
export const checkFiles = (env: Env, config: Config): Check => {
  const key = rootKeyFile(env, config.configDir);
  const password = config.database.url === null ? join(config.dataDir, 'database-password') : null;
  const paths = [key, password].filter((path) => path !== null);
  const findings = paths.flatMap((path) => {
    const stats = statOf(path);
    return stats ? [...findReadableByOthers(path, stats), ...findForeignOwner(path, stats)] : [];
  });
  return found('files', paths.length === 0 ? 'no key files' : paths.join(', '), findings);
};

const gibibyte = 1024 ** 3;
const minFreeShare = 0.05;

/** Whether the embedded database has enough free disk space. */
export const checkDisk = ({ dataDir }: Config): Check => {
  if (!existsSync(dataDir)) return fine('disk', `no ${dataDir} yet`);
  const { bavail, blocks, bsize } = statfsSync(dataDir);
  const free = bavail * bsize;
  const seen = `${(free / gibibyte).toFixed(1)} GiB free for ${dataDir}`;
  const low = free < gibibyte || bavail < blocks * minFreeShare;
  return found(
    'disk',
    seen,
    low ? [{ what: `Only ${seen}.`, remedy: 'Free or add disk space. The database stops when the disk is full.' }] : [],
  );
};
