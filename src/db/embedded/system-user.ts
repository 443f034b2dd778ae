import { KeyholdError } from '../../core/errors.ts';
import { unavailable } from './failure.ts';
import { type RunAs, run } from './run.ts';

const ownName = 'keyhold-db';
const fallbacks = ['postgres', 'nobody'];

type User = NonNullable<RunAs>;

/** PostgreSQL refuses to run as root, so a service that runs as root needs another user for it. */
export const isRoot = (): boolean => process.geteuid?.() === 0;

/**
 * The user that the database runs as: null, which means the service's own user, unless that is root. For root it is
 * `keyhold-db`, which is created if it is missing, or `postgres` or `nobody` if no user can be created. A user with the
 * uid `owner`, the owner of existing data, is preferred. Throws if there is none of these users.
 */
export const databaseUser = async (owner: number | null): Promise<RunAs> => {
  if (!isRoot()) return null;
  const user = (await existingOwner(owner)) ?? (await ownUser(owner)) ?? (await firstOf(fallbacks));
  if (user !== null) return user;
  throw unavailable(
    `PostgreSQL does not run as root, and no user for it could be created. Add one (useradd --system ${ownName}), ` +
      'run Keyhold as an ordinary user, or set KEYHOLD_DATABASE_URL to a PostgreSQL server.',
  );
};

const find = async (name: string): Promise<User | null> => {
  const { ok, output } = await run('id', [name], { as: null });
  const found = /uid=(\d+).*? gid=(\d+)/.exec(output);
  if (!ok || found === null) return null;
  const user = { uid: Number(found[1]), gid: Number(found[2]) };
  return user.uid === 0 ? null : user;
};

const existingOwner = async (owner: number | null): Promise<User | null> => {
  if (owner === null || owner === 0) return null;
  for (const name of [ownName, ...fallbacks]) {
    const user = await find(name);
    if (user?.uid === owner) return user;
  }
  return null;
};

const ownUser = async (owner: number | null): Promise<User | null> => (await find(ownName)) ?? (await create(owner));

// A container that was rebuilt has lost the user but kept the data: the new user gets the same uid.
const create = async (owner: number | null): Promise<User | null> => {
  const uid = owner === null || owner === 0 ? [] : [String(owner)];
  const useradd = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
  const shell = ['--shell', '/usr/sbin/nologin'];
  const attempts: [string, string[]][] = [
    ['useradd', [...useradd, ...shell, ...uid.flatMap((id) => ['--uid', id]), ownName]],
    ['adduser', ['-S', '-D', '-H', ...uid.flatMap((id) => ['-u', id]), ownName]],
  ];
  for (const [program, args] of attempts) {
    await attempt(program, args);
    // Another Keyhold may have created it at the same moment, so only its existence counts.
    const user = await find(ownName);
    if (user !== null) return user;
  }
  return null;
};

const attempt = async (program: string, args: string[]): Promise<void> => {
  try {
    await run(program, args, { as: null });
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
  }
};

const firstOf = async (names: string[]): Promise<User | null> => {
  for (const name of names) {
    const user = await find(name);
    if (user !== null) return user;
  }
  return null;
};
