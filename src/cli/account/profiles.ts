import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import type { Profile } from '../profiles/index.ts';

const withoutToken = (name: string, inUse: string, profile: Profile | null) => {
  if (profile === null) return null;
  const { token: _token, ...shown } = profile;
  return { name, in_use: name === inUse, ...shown };
};

/** `profile list` */
export const listProfiles = async ({ profiles, out }: CliContext): Promise<void> => {
  const inUse = await profiles.chosen();
  const read = (await profiles.names()).map(async (name) => withoutToken(name, inUse, await profiles.read(name)));
  const found = (await Promise.all(read)).filter((one) => one !== null);
  await out.result(found, () => {
    if (found.length === 0) out.note('No profiles yet. Run: keyhold login <server>');
    if (found.length === 0) return null;
    return out.table(
      ['NAME', 'IN USE', 'SERVER', 'USER', 'EXPIRES', 'TOKEN IN'],
      found.map((one) => [
        one.name,
        one.in_use ? 'yes' : '',
        one.server,
        one.username,
        one.expires_at ?? '',
        one.credential,
      ]),
    );
  });
};

/** `profile use` */
export const useProfile = async ({ profiles, out }: CliContext, name: string): Promise<void> => {
  await profiles.use(name);
  out.note(`${name} is now the default profile.`);
};

/** `profile remove` */
export const removeProfile = async ({ profiles, out }: CliContext, name: string): Promise<void> => {
  if ((await profiles.read(name)) === null) {
    throw new CliFailure(
      exitCodes.notFound,
      `There is no profile ${name}. "keyhold profile list" lists your profiles.`,
    );
  }
  await profiles.remove(name);
  out.note(`${name} was removed. Its token stays valid until it expires or is revoked.`);
};
