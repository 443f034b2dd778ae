import { expect } from 'vitest';
import { deadlineFor } from './deadlines.ts';
import { type Answer, type RequestOptions, send } from './http.ts';
import { expectStatus, keepSecret, type Person, password, uniqueName } from './people.ts';

/** The product's bound: trouble is answered within this. */
const answeredWithinMs = 5000;

/** The value that must not leave while it cannot be recorded. */
const plaintext = 'swordfish-that-stays';

type Ask = readonly [method: string, path: string, options?: RequestOptions];

/** Somebody's secret, every way to its value, and ways to change something. */
export interface Target {
  readonly owner: Person;
  readonly secret: { readonly id: string; readonly name: string };
  readonly reveals: readonly Ask[];
  readonly changes: () => readonly Ask[];
}

export const createTarget = async (owner: Person): Promise<Target> => {
  const secret = await keepSecret(owner, { value: plaintext });
  const { id, name } = secret;
  return {
    owner,
    secret,
    reveals: [
      ['GET', `/secrets/${id}/value`],
      ['POST', '/secrets/reveal', { body: { ids: [id] } }],
      ['POST', '/secrets/reveal', { body: { names: [name] } }],
    ],
    changes: () => [
      ['POST', '/secrets', { body: { name: uniqueName('LOST'), type: 'token', value: plaintext } }],
      [
        'POST',
        '/secrets/import',
        { body: { items: [{ name: uniqueName('LOST'), type: 'token', value: plaintext }], on_conflict: 'fail' } },
      ],
      ['PUT', `/secrets/${id}/value`, { body: { value: 'another value' } }],
      ['PATCH', `/secrets/${id}`, { body: { description: 'another description' } }],
      ['POST', `/secrets/${id}/deactivate`],
      ['DELETE', `/secrets/${id}`],
      ['POST', '/sessions', { body: { title: 'LOST' } }],
      ['POST', '/auth/tokens', { body: { name: 'LOST', permissions: ['secrets:reveal'], expires_in: 60 } }],
    ],
  };
};

/** The allowed counterpart of every refusal: each way to the value works. */
export const expectOpen = async ({ owner, reveals }: Target): Promise<void> => {
  for (const [method, path, options] of reveals) {
    expect(expectStatus(await owner.call(method, path, options), 200).text, path).toContain(plaintext);
  }
};

const expectUnavailable = ({ status, headers, text, body }: Answer<any>, what: string): void => {
  expect(text, what).not.toContain(plaintext);
  expect([what, status, headers.get('content-type')]).toEqual([what, 503, 'application/problem+json; charset=utf-8']);
  expect(Number(headers.get('retry-after')), what).toBeGreaterThan(0);
  expect(['unavailable', 'overloaded'], what).toContain(body.code);
};

const timed = async (ask: () => Promise<Answer<any>>, what: string): Promise<number> => {
  const begun = performance.now();
  expectUnavailable(await ask(), what);
  return performance.now() - begun;
};

/** Everything that would hand something out or change something is answered 503 in time; logins are, too. */
export const expectClosed = async (
  { owner, reveals, changes }: Target,
  { logins = true, all = true } = {},
): Promise<void> => {
  const asks = all ? [...reveals, ...changes()] : reveals;
  const waits = asks.map(([method, path, options]) =>
    timed(() => owner.call(method, path, options), `${method} ${path}`),
  );
  const login = { body: { username: owner.username, password } };
  if (logins) waits.push(timed(() => owner.call('POST', '/auth/login', { ...login, token: undefined }), 'login'));
  const longest = Math.max(...(await Promise.all(waits)));
  expect(longest).toBeLessThan(deadlineFor(answeredWithinMs));
};

/** Nothing of what was answered 503 was done by the time that the database is back. */
export const expectUnchanged = async ({ owner, secret }: Target): Promise<void> => {
  const { body } = expectStatus(await owner.call('GET', `/secrets/${secret.id}`), 200);
  expect(body).toMatchObject({ description: null, is_active: true, deleted_at: null, version: 1 });
  const { secrets } = (await owner.call('GET', '/secrets?q=LOST')).body;
  expect(secrets).toEqual([]);
  expect((await owner.call('GET', '/sessions')).body.sessions).toEqual([]);
  expect((await owner.call('GET', '/auth/tokens')).body.tokens).toEqual([]);
};

export const readiness = async (url: string): Promise<Answer<any>> => await send(url, 'GET', '/readyz');
