import type { TestApp } from './app.ts';
import type { Answer } from './http.ts';
import { expectStatus, type Person } from './people.ts';

type Query = Readonly<Record<string, string>>;

/** Imports a text into somebody's memory, as JSON lines unless `query` says otherwise. */
export const importText = async (
  { url }: Pick<TestApp, 'url'>,
  { token }: Pick<Person, 'token'>,
  text: string | Buffer<ArrayBuffer>,
  query: Query = {},
): Promise<Answer<any>> => {
  const type = query['format'] === 'json' ? 'application/json' : 'application/jsonl';
  const response = await fetch(`${url}/api/v1/graph/import?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': type },
    body: text,
  });
  const answer = await response.text();
  return { status: response.status, headers: response.headers, text: answer, body: JSON.parse(answer) };
};

/** An export that must succeed. */
export const exportText = async (
  { call }: Pick<TestApp, 'call'>,
  { token }: Pick<Person, 'token'>,
  format: 'jsonl' | 'json',
  query: Query = {},
): Promise<Answer<any>> =>
  expectStatus(await call('GET', `/graph/export?${new URLSearchParams({ format, ...query })}`, { token }), 200);

/** A line of a memory server about an entity. */
export const entity = (name: string, observations?: readonly unknown[], entityType = 'PERSON'): string =>
  JSON.stringify({ type: 'entity', name, entityType, ...(observations === undefined ? {} : { observations }) });

/** A line of a memory server about a relation. */
export const relation = (from: string, to: string, relationType = 'knows'): string =>
  JSON.stringify({ type: 'relation', from, to, relationType });

/** The places that the refusal of an import names. */
export const badPlaces = (answer: Answer<any>): string[] =>
  expectStatus(answer, 400).body.errors.map((error: { readonly field: string }) => error.field);
