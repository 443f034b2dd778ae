import type { TestApp } from './app.ts';
import { forge, type Members, macSigner } from './forged-tokens.ts';
import { expectStatus, type Person } from './people.ts';

/** A platform whose tokens name its sessions by the claim `sid`. */
export interface Platform {
  readonly setting: object;
  /** A token that is issued at the clock's second, for somebody of the platform. */
  token(app: Pick<TestApp, 'clock'>, name: string, claims?: Members): string;
  /** Somebody of the platform, whose token names no session. */
  person(app: TestApp, name: string): Promise<Person>;
}

const secret = 'a shared secret of more than 32 bytes';

export const createPlatform = (issuer: string, change: object = {}): Platform => {
  const token: Platform['token'] = ({ clock }, name, claims = {}) => {
    const iat = Math.floor(clock.now().getTime() / 1000);
    const own = { iss: issuer, aud: 'keyhold', sub: name, preferred_username: name, iat, exp: iat + 86_400 };
    return forge({ alg: 'HS256' }, { ...own, ...claims }, macSigner(secret));
  };
  return {
    setting: { issuer, audience: 'keyhold', hs256_secret: secret, may_create_users: true, ...change },
    token,
    person: async (app, name) => {
      const by = (id: string, own: string): Person => ({
        id,
        username: name,
        token: own,
        refreshToken: '',
        call: (method, path, options = {}) => app.call(method, path, { token: own, ...options }),
        with: (other) => by(id, other),
      });
      const first = token(app, name);
      const { user } = expectStatus(await app.call('GET', '/auth/me', { token: first }), 200).body;
      return by(user.id, first);
    },
  };
};
