import type { Answer, RequestOptions } from '../support/http.ts';
import { send } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import { logIn, type Person, password, uniqueName } from '../support/people.ts';
import type { Read } from './readers.ts';

/** The people of the test, each asking whichever of the two services a call names. */
export interface Cast {
  readonly urls: readonly [string, string];
  readonly admin: Person;
  /** Owns what is read. */
  readonly ada: Person;
  /** Reads it. */
  readonly grace: Person;
  /** Owns sessions in which both are guests. */
  readonly linus: Person;
}

/** Access that was given for one round. */
export interface Given {
  readonly read: Read;
  /** Takes the access away, by the service at this address. */
  take(url: string): Promise<Answer<any>>;
  /** When it is not the answer but a moment after it that ends the access: that moment. */
  readonly until?: () => number;
}

export interface Withdrawal {
  readonly what: string;
  /** How the other side is answered from then on. */
  readonly refusal: string;
  /** Sets the stage once; what it resolves to gives the access anew for each round. */
  arrange(cast: Cast): Promise<() => Promise<Given>>;
}

const api = (url: string, who: Person, method: string, path: string, options: RequestOptions = {}) =>
  unlessOverloaded(() => send(url, method, `/api/v1${path}`, { token: who.token, ...options }));

/** A step that the round stands on; anything but success ends the test. */
const must = async (cast: Cast, who: Person, method: string, path: string, body?: unknown): Promise<any> => {
  const answer = await api(cast.urls[0], who, method, path, body === undefined ? {} : { body });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
};

const value = 'seen by those who may';

const keep = async (cast: Cast, owner: Person, body: object = {}): Promise<string> =>
  (await must(cast, owner, 'POST', '/secrets', { name: uniqueName('NOW'), type: 'token', value, ...body })).id;

const keepShared = (cast: Cast): Promise<string> =>
  keep(cast, cast.ada, { scope: 'shared', shared_with: [cast.grace.id] });

const begin = async (cast: Cast, owner: Person, ...guests: Person[]): Promise<string> =>
  (await must(cast, owner, 'POST', '/sessions', { participants: guests.map((guest) => guest.id) })).id;

const valuePath = (id: string): string => `/api/v1/secrets/${id}/value`;

const another = async (cast: Cast, who: Person, secret: string): Promise<{ person: Person; loginId: string }> => {
  const person = await logIn(
    { call: (method, path, options) => send(cast.urls[0], method, `/api/v1${path}`, options) },
    who.username,
    secret,
  );
  const { logins } = await must(cast, person, 'GET', '/auth/logins');
  return { person, loginId: logins.find((one: { current: boolean }) => one.current).id };
};

const unshare: Withdrawal = {
  what: 'unshare',
  refusal: '404 not_found',
  arrange: async (cast) => {
    const id = await keep(cast, cast.ada);
    return async () => {
      await must(cast, cast.ada, 'POST', `/secrets/${id}/share`, { user_id: cast.grace.id });
      return {
        read: { path: valuePath(id), token: cast.grace.token },
        take: (url) => api(url, cast.ada, 'POST', `/secrets/${id}/unshare`, { body: { user_id: cast.grace.id } }),
      };
    };
  },
};

const presence = (
  what: string,
  refusal: string,
  guest: (cast: Cast) => Person,
  by: (cast: Cast) => Person,
): Withdrawal => ({
  what,
  refusal,
  arrange: async (cast) => {
    const session = await begin(cast, cast.linus, cast.ada, cast.grace);
    const id = await keep(cast, cast.ada, { scope: 'session', session_id: session });
    return async () => {
      await must(cast, cast.linus, 'POST', `/sessions/${session}/participants`, { user_id: guest(cast).id });
      return {
        read: { path: valuePath(id), token: cast.grace.token, session },
        take: (url) => api(url, by(cast), 'DELETE', `/sessions/${session}/participants/${guest(cast).id}`),
      };
    };
  },
});

const endSession: Withdrawal = {
  what: 'the end of the session',
  refusal: '403 session_not_joined',
  arrange: async (cast) => async () => {
    const session = await begin(cast, cast.ada, cast.grace);
    const id = await keep(cast, cast.ada, { scope: 'session', session_id: session });
    return {
      read: { path: valuePath(id), token: cast.grace.token, session },
      take: (url) => api(url, cast.ada, 'POST', `/sessions/${session}/end`),
    };
  },
};

const transfer: Withdrawal = {
  what: 'transfer out of the session',
  refusal: '404 not_found',
  arrange: async (cast) => {
    const session = await begin(cast, cast.ada, cast.grace);
    const id = await keep(cast, cast.ada);
    return async () => {
      await must(cast, cast.ada, 'POST', `/secrets/${id}/transfer`, { scope: 'session', session_id: session });
      return {
        read: { path: valuePath(id), token: cast.grace.token, session },
        take: (url) => api(url, cast.ada, 'POST', `/secrets/${id}/transfer`, { body: { scope: 'user' } }),
      };
    };
  },
};

/** A change of the secret itself, undone before the next round. */
const change = (what: string, undo: [string, string], take: [string, string]): Withdrawal => ({
  what,
  refusal: '404 not_found',
  arrange: async (cast) => {
    const id = await keepShared(cast);
    return async () => {
      await must(cast, cast.ada, undo[0], `/secrets/${id}${undo[1]}`);
      return {
        read: { path: valuePath(id), token: cast.grace.token },
        take: (url) => api(url, cast.ada, take[0], `/secrets/${id}${take[1]}`),
      };
    };
  },
});

const expire: Withdrawal = {
  what: 'the moment set as expires_at',
  refusal: '404 not_found',
  arrange: async (cast) => {
    const id = await keepShared(cast);
    let ahead = 150;
    return async () => {
      await must(cast, cast.ada, 'PATCH', `/secrets/${id}`, { expires_at: null });
      let at = 0;
      return {
        read: { path: valuePath(id), token: cast.grace.token },
        until: () => at,
        take: async (url) => {
          for (;;) {
            at = Date.now() + ahead;
            const body = { expires_at: new Date(at).toISOString() };
            const answer = await api(url, cast.ada, 'PATCH', `/secrets/${id}`, { body });
            // On a slow machine the moment is over before the request arrives: give it more.
            if (answer.status !== 400 || ahead > 10_000) return answer;
            ahead *= 2;
          }
        },
      };
    };
  },
};

const disable = (what: string, refusal: string, whom: (cast: Cast) => Person): Withdrawal => ({
  what,
  refusal,
  arrange: async (cast) => {
    const id = await keepShared(cast);
    return async () => {
      await must(cast, cast.admin, 'PATCH', `/users/${whom(cast).id}`, { status: 'active' });
      return {
        read: { path: valuePath(id), token: cast.grace.token },
        take: (url) => api(url, cast.admin, 'PATCH', `/users/${whom(cast).id}`, { body: { status: 'disabled' } }),
      };
    };
  },
});

const endLogin: Withdrawal = {
  what: 'the end of the login',
  refusal: '401 unauthenticated',
  arrange: async (cast) => {
    const id = await keepShared(cast);
    return async () => {
      const { person, loginId } = await another(cast, cast.grace, password);
      return {
        read: { path: valuePath(id), token: person.token },
        take: (url) => api(url, cast.grace, 'DELETE', `/auth/logins/${loginId}`),
      };
    };
  },
};

const revokeToken: Withdrawal = {
  what: 'revocation of the token',
  refusal: '401 unauthenticated',
  arrange: async (cast) => {
    const secret = await keepShared(cast);
    return async () => {
      const body = { name: 'reader', permissions: ['secrets:reveal'], expires_in: 3600 };
      const { id, token } = await must(cast, cast.grace, 'POST', '/auth/tokens', body);
      return {
        read: { path: valuePath(secret), token },
        take: (url) => api(url, cast.grace, 'DELETE', `/auth/tokens/${id}`),
      };
    };
  },
};

const changePassword: Withdrawal = {
  what: 'a change of the password',
  refusal: '401 unauthenticated',
  arrange: async (cast) => {
    const id = await keepShared(cast);
    let current = password;
    return async () => {
      const { person } = await another(cast, cast.grace, current);
      const next = uniqueName('the next password');
      return {
        read: { path: valuePath(id), token: person.token },
        take: async (url) => {
          const body = { current_password: current, new_password: next };
          const answer = await api(url, cast.grace, 'POST', `/users/${cast.grace.id}/password`, { body });
          current = next;
          return answer;
        },
      };
    };
  },
};

const changeRole: Withdrawal = {
  what: 'loss of the role',
  refusal: '403 permission_missing',
  arrange: async (cast) => async () => {
    await must(cast, cast.admin, 'PATCH', `/users/${cast.linus.id}`, { role: 'admin' });
    return {
      read: { path: '/metrics', token: cast.linus.token },
      take: (url) => api(url, cast.admin, 'PATCH', `/users/${cast.linus.id}`, { body: { role: 'member' } }),
    };
  },
};

export const withdrawals: readonly Withdrawal[] = [
  unshare,
  presence(
    'leaving the session',
    '403 session_not_joined',
    (cast) => cast.grace,
    (cast) => cast.grace,
  ),
  presence(
    'the owner leaving the session',
    '404 not_found',
    (cast) => cast.ada,
    (cast) => cast.ada,
  ),
  presence(
    'removal from the session',
    '403 session_not_joined',
    (cast) => cast.grace,
    (cast) => cast.linus,
  ),
  endSession,
  transfer,
  change('deactivation', ['POST', '/activate'], ['POST', '/deactivate']),
  change('deletion', ['POST', '/recover'], ['DELETE', '']),
  expire,
  disable('disabling the reader', '401 unauthenticated', (cast) => cast.grace),
  disable('disabling the owner', '404 not_found', (cast) => cast.ada),
  endLogin,
  revokeToken,
  changeRole,
  changePassword,
];
