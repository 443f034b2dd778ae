import type { Answer, RequestOptions } from '../support/http.ts';
import { send } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import { logIn, type Person, password, uniqueName } from '../support/people.ts';
import type { Read } from './readers.ts';

/** The users of the test. A call names which of the two services it goes to. */
export interface Users {
  readonly urls: readonly [string, string];
  readonly admin: Person;
  /** Owns the secret. */
  readonly ada: Person;
  /** Reveals it. */
  readonly grace: Person;
  /** Owns sessions in which the two are participants. */
  readonly linus: Person;
}

/** Access for one round. */
export interface Given {
  readonly read: Read;
  /** Withdraws the access, by the service at this address. */
  take(url: string): Promise<Answer<any>>;
  /** The moment that ends the access, where that is not the answer itself. */
  readonly until?: () => number;
}

export interface Withdrawal {
  readonly what: string;
  /** How the reader is answered from then on. */
  readonly refusal: string;
  /** Prepares once; resolves to a function that gives the access again for each round. */
  arrange(users: Users): Promise<() => Promise<Given>>;
}

const api = (url: string, who: Person, method: string, path: string, options: RequestOptions = {}) =>
  unlessOverloaded(() => send(url, method, `/api/v1${path}`, { token: who.token, ...options }));

/** A step of the preparation; anything but success ends the test. */
const must = async (users: Users, who: Person, method: string, path: string, body?: unknown): Promise<any> => {
  const answer = await api(users.urls[0], who, method, path, body === undefined ? {} : { body });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
};

const value = 'seen by those who may';

const keep = async (users: Users, owner: Person, body: object = {}): Promise<string> =>
  (await must(users, owner, 'POST', '/secrets', { name: uniqueName('NOW'), type: 'token', value, ...body })).id;

const keepShared = (users: Users): Promise<string> =>
  keep(users, users.ada, { scope: 'shared', shared_with: [users.grace.id] });

const begin = async (users: Users, owner: Person, ...guests: Person[]): Promise<string> => {
  const participants = guests.map((guest) => guest.id);
  const { id } = await must(users, owner, 'POST', '/sessions', { participants });
  for (const guest of guests) await must(users, guest, 'POST', `/sessions/${id}/join`);
  return id;
};

const valuePath = (id: string): string => `/api/v1/secrets/${id}/value`;

const another = async (users: Users, who: Person, secret: string): Promise<{ person: Person; loginId: string }> => {
  const person = await logIn(
    { call: (method, path, options) => send(users.urls[0], method, `/api/v1${path}`, options) },
    who.username,
    secret,
  );
  const { logins } = await must(users, person, 'GET', '/auth/logins');
  return { person, loginId: logins.find((one: { current: boolean }) => one.current).id };
};

const unshare: Withdrawal = {
  what: 'unshare',
  refusal: '404 not_found',
  arrange: async (users) => {
    const id = await keep(users, users.ada);
    return async () => {
      await must(users, users.ada, 'POST', `/secrets/${id}/share`, { user_id: users.grace.id });
      return {
        read: { path: valuePath(id), token: users.grace.token },
        take: (url) => api(url, users.ada, 'POST', `/secrets/${id}/unshare`, { body: { user_id: users.grace.id } }),
      };
    };
  },
};

const presence = (
  what: string,
  refusal: string,
  guest: (users: Users) => Person,
  by: (users: Users) => Person,
): Withdrawal => ({
  what,
  refusal,
  arrange: async (users) => {
    const session = await begin(users, users.linus, users.ada, users.grace);
    const id = await keep(users, users.ada, { scope: 'session', session_id: session });
    return async () => {
      await must(users, users.linus, 'POST', `/sessions/${session}/participants`, { user_id: guest(users).id });
      await must(users, guest(users), 'POST', `/sessions/${session}/join`);
      return {
        read: { path: valuePath(id), token: users.grace.token, session },
        take: (url) => api(url, by(users), 'DELETE', `/sessions/${session}/participants/${guest(users).id}`),
      };
    };
  },
});

const endSession: Withdrawal = {
  what: 'the end of the session',
  refusal: '403 session_not_joined',
  arrange: async (users) => async () => {
    const session = await begin(users, users.ada, users.grace);
    const id = await keep(users, users.ada, { scope: 'session', session_id: session });
    return {
      read: { path: valuePath(id), token: users.grace.token, session },
      take: (url) => api(url, users.ada, 'POST', `/sessions/${session}/end`),
    };
  },
};

const transfer: Withdrawal = {
  what: 'transfer out of the session',
  refusal: '404 not_found',
  arrange: async (users) => {
    const session = await begin(users, users.ada, users.grace);
    const id = await keep(users, users.ada);
    return async () => {
      await must(users, users.ada, 'POST', `/secrets/${id}/transfer`, { scope: 'session', session_id: session });
      return {
        read: { path: valuePath(id), token: users.grace.token, session },
        take: (url) => api(url, users.ada, 'POST', `/secrets/${id}/transfer`, { body: { scope: 'user' } }),
      };
    };
  },
};

/** A hand-over to Grace; who reads is its owner until then, or somebody with whom it is shared and does not stay so. */
const handOver = (what: string, reader: (users: Users) => Person): Withdrawal => ({
  what,
  refusal: '404 not_found',
  arrange: async (users) => async () => {
    const id = await keep(users, users.ada, { scope: 'shared', shared_with: [users.linus.id] });
    const offer = await must(users, users.ada, 'POST', `/secrets/${id}/handover`, { to: users.grace.id });
    return {
      read: { path: valuePath(id), token: reader(users).token },
      take: (url) => api(url, users.grace, 'POST', `/handovers/${offer.id}/accept`),
    };
  },
});

/** A change of the secret itself, undone before the next round. */
const change = (what: string, undo: [string, string], take: [string, string]): Withdrawal => ({
  what,
  refusal: '404 not_found',
  arrange: async (users) => {
    const id = await keepShared(users);
    return async () => {
      await must(users, users.ada, undo[0], `/secrets/${id}${undo[1]}`);
      return {
        read: { path: valuePath(id), token: users.grace.token },
        take: (url) => api(url, users.ada, take[0], `/secrets/${id}${take[1]}`),
      };
    };
  },
});

const expire: Withdrawal = {
  what: 'the moment set as expires_at',
  refusal: '404 not_found',
  arrange: async (users) => {
    const id = await keepShared(users);
    let ahead = 150;
    return async () => {
      await must(users, users.ada, 'PATCH', `/secrets/${id}`, { expires_at: null });
      let at = 0;
      return {
        read: { path: valuePath(id), token: users.grace.token },
        until: () => at,
        take: async (url) => {
          for (;;) {
            at = Date.now() + ahead;
            const body = { expires_at: new Date(at).toISOString() };
            const answer = await api(url, users.ada, 'PATCH', `/secrets/${id}`, { body });
            // On a slow machine the moment is over before the request arrives: give it more.
            if (answer.status !== 400 || ahead > 10_000) return answer;
            ahead *= 2;
          }
        },
      };
    };
  },
};

const disable = (what: string, refusal: string, whom: (users: Users) => Person): Withdrawal => ({
  what,
  refusal,
  arrange: async (users) => {
    const id = await keepShared(users);
    return async () => {
      await must(users, users.admin, 'PATCH', `/users/${whom(users).id}`, { status: 'active' });
      // Logins from before the user was disabled have ended.
      const { person } = await another(users, users.grace, password);
      return {
        read: { path: valuePath(id), token: person.token },
        take: (url) => api(url, users.admin, 'PATCH', `/users/${whom(users).id}`, { body: { status: 'disabled' } }),
      };
    };
  },
});

const endLogin: Withdrawal = {
  what: 'the end of the login',
  refusal: '401 unauthenticated',
  arrange: async (users) => {
    const id = await keepShared(users);
    return async () => {
      const { person, loginId } = await another(users, users.grace, password);
      return {
        read: { path: valuePath(id), token: person.token },
        take: (url) => api(url, users.grace, 'DELETE', `/auth/logins/${loginId}`),
      };
    };
  },
};

const revokeToken: Withdrawal = {
  what: 'revocation of the token',
  refusal: '401 unauthenticated',
  arrange: async (users) => {
    const secret = await keepShared(users);
    return async () => {
      const body = { name: 'reader', permissions: ['secrets:reveal'], expires_in: 3600 };
      const { id, token } = await must(users, users.grace, 'POST', '/auth/tokens', body);
      return {
        read: { path: valuePath(secret), token },
        take: (url) => api(url, users.grace, 'DELETE', `/auth/tokens/${id}`),
      };
    };
  },
};

const changePassword: Withdrawal = {
  what: 'a change of the password',
  refusal: '401 unauthenticated',
  arrange: async (users) => {
    const id = await keepShared(users);
    let current = password;
    return async () => {
      const { person } = await another(users, users.grace, current);
      const next = uniqueName('the next password');
      return {
        read: { path: valuePath(id), token: person.token },
        take: async (url) => {
          const body = { current_password: current, new_password: next };
          const answer = await api(url, users.grace, 'POST', `/users/${users.grace.id}/password`, { body });
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
  arrange: async (users) => async () => {
    await must(users, users.admin, 'PATCH', `/users/${users.linus.id}`, { role: 'admin' });
    return {
      read: { path: '/metrics', token: users.linus.token },
      take: (url) => api(url, users.admin, 'PATCH', `/users/${users.linus.id}`, { body: { role: 'member' } }),
    };
  },
};

export const withdrawals: readonly Withdrawal[] = [
  unshare,
  presence(
    'leaving the session',
    '403 session_not_joined',
    (users) => users.grace,
    (users) => users.grace,
  ),
  presence(
    'the owner leaving the session',
    '404 not_found',
    (users) => users.ada,
    (users) => users.ada,
  ),
  presence(
    'removal from the session',
    '403 session_not_joined',
    (users) => users.grace,
    (users) => users.linus,
  ),
  endSession,
  transfer,
  handOver('giving the secret away', (users) => users.ada),
  handOver('a new owner who does not keep the sharing', (users) => users.linus),
  change('deactivation', ['POST', '/activate'], ['POST', '/deactivate']),
  change('deletion', ['POST', '/recover'], ['DELETE', '']),
  expire,
  disable('disabling the reader', '401 unauthenticated', (users) => users.grace),
  disable('disabling the owner', '404 not_found', (users) => users.ada),
  endLogin,
  revokeToken,
  changeRole,
  changePassword,
];
