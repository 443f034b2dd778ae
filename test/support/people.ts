import { offeredPermissions, type Permission } from '../../src/core/permissions.ts';
import type { TestApp } from './app.ts';
import { adminPassword } from './app.ts';
import type { Answer, RequestOptions } from './http.ts';

export const password = 'a password for tests';

/** Somebody who has logged in, and what they do. */
export interface Person {
  readonly id: string;
  readonly username: string;
  readonly token: string;
  readonly refreshToken: string;
  call(method: string, path: string, options?: RequestOptions): Promise<Answer<any>>;
  /** The same person by another credential. */
  with(token: string): Person;
}

type Caller = Pick<TestApp, 'call'>;

const personOf = (app: Caller, id: string, username: string, token: string, refreshToken: string): Person => ({
  id,
  username,
  token,
  refreshToken,
  call: (method, path, options = {}) => app.call(method, path, { token, ...options }),
  with: (other) => personOf(app, id, username, other, refreshToken),
});

/** Expects an answer of this status, and shows what came instead. */
export const expectStatus = <T>(answer: Answer<T>, status: number): Answer<T> => {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`);
  return answer;
};

export const logIn = async (app: Caller, username: string, secret = password): Promise<Person> => {
  const { body } = expectStatus(await app.call('POST', '/auth/login', { body: { username, password: secret } }), 200);
  return personOf(app, body.user.id, username, body.access_token, body.refresh_token);
};

export const logInAdmin = (app: Caller): Promise<Person> => logIn(app, 'admin', adminPassword);

/** Makes users by an administrator and logs each of them in. */
export const people = async <N extends string>(
  app: Caller,
  admin: Person,
  ...names: N[]
): Promise<Record<N, Person>> => {
  const made = {} as Record<N, Person>;
  for (const name of names) {
    expectStatus(await admin.call('POST', '/users', { body: { username: name, password } }), 201);
    made[name] = await logIn(app, name);
  }
  return made;
};

const ofUsers = offeredPermissions.filter((permission) => permission !== 'admin');

/** The same person by a token that lasts while a test moves the clock, with these permissions. */
export const lasting = async (person: Person, permissions: readonly Permission[] = ofUsers): Promise<Person> => {
  const body = { name: 'lasting', permissions, expires_in: 365 * 24 * 3600 };
  return person.with(expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body.token);
};

let count = 0;

/** A name that no other secret of the test bears. */
export const uniqueName = (prefix = 'SECRET'): string => {
  count += 1;
  return `${prefix}_${count}`;
};

export const keepSecret = async (owner: Person, body: Record<string, unknown> = {}, options: RequestOptions = {}) => {
  const whole = { name: uniqueName(), type: 'api_key', value: 'the value', ...body };
  return expectStatus(await owner.call('POST', '/secrets', { ...options, body: whole }), 201).body;
};

export const joinSession = async (person: Pick<Person, 'call'>, id: string) =>
  expectStatus(await person.call('POST', `/sessions/${id}/join`), 200).body;

/** Starts a session in which these people are present: they are invited, and each of them joins. */
export const startSession = async (
  owner: Person,
  participants: readonly Person[] = [],
  body: Record<string, unknown> = {},
) => {
  const invited = participants.map((one) => one.id);
  const session = expectStatus(
    await owner.call('POST', '/sessions', { body: { participants: invited, ...body } }),
    201,
  );
  for (const one of participants) await joinSession(one, session.body.id);
  return session.body;
};
