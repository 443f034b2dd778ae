import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { expectStatus, keepSecret, logInAdmin, type Person, people } from '../support/people.ts';

let app: TestApp;
let ada: Person;
beforeAll(async () => {
  app = await startApp();
  ({ ada } = await people(app, await logInAdmin(app), 'ada', 'u_1', 'ux1', 'u%2', 'uxx2', 'u\\3', 'ux3'));
  for (const [name, description] of [
    ['a_b', null],
    ['axb', null],
    ['A_B.2', 'second'],
    ['P1', '100% sure'],
    ['P2', '100 of 100 sure'],
    ['P3', 'back\\slash'],
    ['P4', 'backslash'],
  ] as const)
    await keepSecret(ada, { name, description });
});
afterAll(() => app.close());

const found = async (path: string, list: string, field: string): Promise<string[]> =>
  expectStatus(await ada.call('GET', path), 200)
    .body[list].map((one: Record<string, string>) => one[field])
    .sort();

const secrets = (q: string) => found(`/secrets?q=${encodeURIComponent(q)}`, 'secrets', 'name');
const users = (q: string) => found(`/users?q=${encodeURIComponent(q)}`, 'users', 'username');

/** How many users each page has, one asked for at a time: a pattern that matched others would leave pages empty. */
const userPages = async (q: string): Promise<number[]> => {
  const sizes: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = `/users?limit=1&q=${encodeURIComponent(q)}${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const { body } = expectStatus(await ada.call('GET', path), 200);
    sizes.push(body.users.length);
    cursor = body.next_cursor;
  }
  return sizes;
};

describe('a search', () => {
  it.each([
    ['a_b', ['A_B.2', 'a_b']],
    ['axb', ['axb']],
    ['_', ['A_B.2', 'a_b']],
    ['%', ['P1']],
    ['0%', ['P1']],
    ['a%b', []],
    ['\\', ['P3']],
    ['k\\s', ['P3']],
    ['ksl', ['P4']],
    ['100', ['P1', 'P2']],
    ['SECOND', ['A_B.2']],
  ])('a search for secrets with "%s" finds the text as it is written, and no pattern', async (q, names) => {
    expect(await secrets(q)).toEqual(names);
  });

  it.each([
    ['u_', ['u_1']],
    ['ux', ['ux1', 'ux3', 'uxx2']],
    ['u%', ['u%2']],
    ['%', []],
    ['_', []],
    ['u\\', ['u\\3']],
  ])('a search for users with "%s" finds the usernames that begin with it, and no pattern', async (q, names) => {
    expect(await users(q)).toEqual(names);
    expect(await userPages(q)).toEqual(names.length === 0 ? [0] : names.map(() => 1));
  });
});
