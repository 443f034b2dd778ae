import type { Client as OpenApiClient } from 'openapi-fetch';
import { type AnyCall, createCall } from './call.ts';
import type { components, paths } from './schema.ts';

export { NoAnswer, type ProblemCode, Refusal } from './refusal.ts';
export type { paths } from './schema.ts';

/**
 * Every route of openapi.json with its types: `client.GET('/api/v1/secrets/{id}', { params: { path: { id } } })`. A call
 * resolves only when the service did what was asked; otherwise it throws a Refusal (it said no) or NoAnswer (nobody, or
 * somebody else, answered).
 */
export type Client = Pick<OpenApiClient<paths>, Method>;

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export type Secret = components['schemas']['Secret'];
export type Session = components['schemas']['Session'];
/** What `GET /secrets` can be asked. */
export type SecretsQuery = NonNullable<paths['/api/v1/secrets']['get']['parameters']['query']>;
/** What a token may be allowed to do. */
export type PermissionName =
  paths['/api/v1/auth/tokens']['post']['requestBody']['content']['application/json']['permissions'][number];

export interface ClientOptions {
  /** Where the service listens, such as https://keyhold.example.org. */
  readonly server: string;
  /** A login's access token or a token that begins with kh_; left out for the routes that are open to everybody. */
  readonly token?: string | undefined;
  /** The session of work that every request names by X-Session-Id. */
  readonly session?: string | undefined;
  /** How long one request may take; 30 s when it is left out. */
  readonly timeoutMs?: number | undefined;
  /** Called when a request that changes something was acknowledged. */
  readonly onChange?: (() => void) | undefined;
}

const defaultTimeoutMs = 30_000;

/**
 * A client of one service. Its calls look and are typed as those of openapi-fetch; they are sent by node:http, which is
 * there at once, where `fetch` costs a command line more time than everything else.
 */
export const createKeyholdClient = ({ server, token, session, timeoutMs, onChange }: ClientOptions): Client => {
  const headers = {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(session === undefined ? {} : { 'X-Session-Id': session }),
  };
  const call = createCall({ server, headers, timeoutMs: timeoutMs ?? defaultTimeoutMs, onChange });
  const all: Record<Method, AnyCall> = {
    GET: call('GET'),
    POST: call('POST'),
    PUT: call('PUT'),
    PATCH: call('PATCH'),
    DELETE: call('DELETE'),
  };
  // Paths, parameters and answers are openapi.json's; how they are sent needs to know of none of them.
  return all as unknown as Client;
};

/** The body of an answer: `await answered(client.GET('/api/v1/auth/me'))`. */
export const answered = async <A extends { data?: unknown }>(asked: Promise<A>): Promise<NonNullable<A['data']>> => {
  const { data } = await asked;
  if (data === undefined || data === null) throw new Error('the service answered without a body where one was due');
  return data;
};

interface Page {
  readonly next_cursor: string | null;
}

/** Every page of a list, one after the other: `for await (const page of pages((cursor) => answered(client.GET(…))))`. */
export async function* pages<P extends Page>(ask: (cursor: { cursor?: string }) => Promise<P>): AsyncGenerator<P> {
  let cursor: string | null = null;
  do {
    const page: P = await ask(cursor === null ? {} : { cursor });
    yield page;
    // The same page again would come for ever.
    if (page.next_cursor === cursor) return;
    cursor = page.next_cursor ?? null;
  } while (cursor !== null);
}
