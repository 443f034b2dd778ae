import { type Client, Refusal } from '../../client/index.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';

/** Revokes one of the caller's tokens by its id. */
export const revokeToken = async (client: Client, id: string): Promise<void> => {
  await client.DELETE('/api/v1/auth/tokens/{id}', { params: { path: { id } } });
};

/** Revokes the token that the client itself uses. */
export const revokeOwnToken = async (client: Client): Promise<void> => {
  try {
    await client.POST('/api/v1/auth/logout');
  } catch (error) {
    // It has been revoked or has expired already.
    if (!(error instanceof Refusal && error.problem.code === 'unauthenticated')) throw error;
  }
};

/** The failure where the keyring holds the token but does not return it. */
export const noToken = (): CliFailure =>
  new CliFailure(
    exitCodes.loggedOut,
    'The keyring did not return the token, so it was not revoked. Unlock the keyring, or remove the login without ' +
      'revoking it: keyhold logout --forget',
  );
