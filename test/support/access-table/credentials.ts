import { offeredPermissions, type Permission } from '../../../src/core/permissions.ts';
import { expectStatus, logIn, type Person } from '../people.ts';
import type { Credential } from './callers.ts';

export const onSecrets: readonly Permission[] = offeredPermissions.filter(
  (one) => one.startsWith('secrets:') && one !== 'secrets:own',
);

export const permissionsOfMember: readonly Permission[] = offeredPermissions.filter((one) => one !== 'admin');
export const permissionsNotOnSecrets = permissionsOfMember.filter((one) => !one.startsWith('secrets:'));

const makeToken = async (who: Person, chosen: readonly Permission[], session?: string, expires_in = 86_400) => {
  const body = { name: 'a token', agent: 'an agent', permissions: chosen, session_id: session ?? null, expires_in };
  return expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body;
};

/** Makes each credential once. */
export const createCredentials = (elsewhere: string) => {
  const made = new Map<string, Promise<string>>();
  const once = (name: string, make: () => Promise<string>): Promise<string> => {
    const found = made.get(name) ?? make();
    made.set(name, found);
    return found;
  };
  const bound = (who: Person, session: string, own: boolean): Promise<string> =>
    once(
      `${who.username} bound ${session} ${own}`,
      async () => (await makeToken(who, own ? [...onSecrets, 'secrets:own'] : onSecrets, session)).token,
    );
  const withPermissions = (who: Person, chosen: readonly Permission[]): Promise<string> =>
    once(`${who.username} ${chosen.join()}`, async () => (await makeToken(who, chosen)).token);

  /** A credential that was valid, and is ended here. */
  const gone = (by: 'login that was ended' | 'revoked token' | 'expired token', who: Person): Promise<string> =>
    once(`${who.username} ${by}`, async () => {
      if (by === 'login that was ended') {
        const { token, call } = await logIn({ call: (...rest) => who.call(...rest) }, who.username);
        expectStatus(await call('POST', '/auth/logout'), 204);
        return token;
      }
      const made = await makeToken(who, permissionsOfMember, undefined, by === 'expired token' ? 1 : 3600);
      if (by === 'revoked token') expectStatus(await who.call('DELETE', `/auth/tokens/${made.id}`), 204);
      return made.token;
    });

  return {
    once,
    withPermissions,
    of: async (who: Person, by: Credential, inside: string, needs: Permission): Promise<string | undefined> => {
      switch (by) {
        case 'login':
          return who.token;
        case 'nothing':
          return undefined;
        case 'garbage':
          return 'kh_not-a-token';
        case 'needed':
          return await withPermissions(who, [needs]);
        case 'all but needed':
          return await withPermissions(
            who,
            permissionsOfMember.filter((one) => one !== needs),
          );
        case 'bound inside':
        case 'bound inside, own':
          return await bound(who, inside, by.endsWith('own'));
        case 'bound elsewhere':
        case 'bound elsewhere, own':
          return await bound(who, elsewhere, by.endsWith('own'));
        case 'login after a reset':
          return await once(`${who.username} reset`, () => Promise.reject(new Error('this password was not reset')));
        case 'login that was ended':
        case 'revoked token':
        case 'expired token':
          return await gone(by, who);
      }
    },
  };
};
