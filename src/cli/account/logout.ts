import { NoAnswer } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { noToken, revokeOwnToken } from './revoke.ts';

/** `logout` */
export const logOut = async (context: CliContext, { forget = false }: { forget?: boolean }): Promise<void> => {
  if (context.env.own.KEYHOLD_CLI_TOKEN !== undefined) {
    throw usage('KEYHOLD_CLI_TOKEN is set, so that no stored login is used. Unset it first.');
  }
  const { profiles } = context;
  const name = await profiles.chosen();
  const profile = await profiles.read(name);
  if (profile === null) throw new CliFailure(exitCodes.loggedOut, 'You are not logged in.');
  const token = forget ? null : await profiles.tokenOf(name, profile);
  if (token === null && !forget) throw noToken();
  if (token !== null) {
    const client = await context.clientOf({ server: profile.server, token });
    await revokeOwnToken(client).catch((error: unknown) => {
      throw error instanceof NoAnswer ? cannotRevoke(error) : error;
    });
  }
  await profiles.remove(name);
  const login = `The login of ${printable(profile.username)} at ${profile.server}`;
  context.out.note(
    token === null
      ? `${login} was removed. Its token stays valid until it expires or is revoked.`
      : `${login} was revoked and removed.`,
  );
};

const cannotRevoke = (error: NoAnswer): CliFailure =>
  new CliFailure(
    exitCodes.unreachable,
    `${error.message} The token was not revoked. To remove the login anyway: keyhold logout --forget`,
    { cause: error },
  );
