import { createCall, type UntypedCall } from './call.ts';
import type { Client, Method } from './calls.ts';
import { fetchTransport } from './fetch-transport.ts';
import type { components, paths } from './schema.ts';
import type { Transport } from './transport.ts';

export type { Client } from './calls.ts';
export { NoAnswer, type Problem, type ProblemCode, Refusal } from './errors.ts';
export type { paths } from './schema.ts';
export {
  maxResponseBytes,
  ResponseTooLarge,
  TimedOut,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts';

export type Secret = components['schemas']['Secret'];
export type SecretStats = components['schemas']['SecretStats'];
export type Session = components['schemas']['Session'];
/** What an invited user sees of a session that they have not joined. */
export type SessionInvitation = components['schemas']['SessionInvitation'];

/** True for a session itself, false for an invitation to one. */
export const isSession = (one: Session | SessionInvitation): one is Session => 'participants' in one;

/** Something that a user was told of, in the list of what others did. */
export type Notice = components['schemas']['Notice'];
/** The same as a message of the stream has it. */
export type Event = Omit<Notice, 'unread'>;
export type Handover = components['schemas']['Handover'];
/** An entity of the memory graph with its observations. */
export type Entity = components['schemas']['Entity'];
/** An entity without its observations. */
export type EntitySummary = components['schemas']['EntitySummary'];
export type Relation = components['schemas']['Relation'];
export type Webhook = components['schemas']['Webhook'];
export type WebhookDelivery = components['schemas']['WebhookDelivery'];
export type Job = components['schemas']['Job'];
/** The keys as an administrator sees them, by ids and counts. */
export type Keys = components['schemas']['Keys'];
export type RootKey = components['schemas']['RootKey'];
/** The query of `GET /secrets`. */
export type SecretsQuery = NonNullable<paths['/api/v1/secrets']['get']['parameters']['query']>;
/** A permission that a token can have. */
export type PermissionName =
  paths['/api/v1/auth/tokens']['post']['requestBody']['content']['application/json']['permissions'][number];

export interface ClientOptions {
  /** Where the service listens, such as https://keyhold.example.org. */
  readonly server: string;
  /** A login's access token or a token that begins with kh_; leave it out for the routes that need none. */
  readonly token?: string | undefined;
  /** The session of work that every request names by X-Session-Id. */
  readonly session?: string | undefined;
  /** How long one request may take; 30 s by default. */
  readonly timeoutMs?: number | undefined;
  /** How requests are sent; by the global `fetch` by default. */
  readonly transport?: Transport | undefined;
  /** Called after each request by which the service changed something. */
  readonly onChange?: (() => void) | undefined;
}

const defaultTimeoutMs = 30_000;

/**
 * A client of one service, for browsers and for Node: `client.GET('/api/v1/secrets/{id}', { params: { path: { id } }
 * })`. Every route of openapi.json is typed. A call resolves only when the service did what was asked. It throws a
 * Refusal when the service refused, and NoAnswer when no Keyhold service answered.
 */
export const createKeyholdClient = (options: ClientOptions): Client => {
  const { server, token, session, timeoutMs = defaultTimeoutMs, transport = fetchTransport, onChange } = options;
  const headers = {
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    ...(session === undefined ? {} : { 'X-Session-Id': session }),
  };
  const call = createCall({ server, headers, timeoutMs, transport, onChange });
  const all: Record<Method, UntypedCall> = {
    GET: call('GET'),
    POST: call('POST'),
    PUT: call('PUT'),
    PATCH: call('PATCH'),
    DELETE: call('DELETE'),
  };
  // The types are openapi.json's; what sends a request needs to know none of them.
  return all as unknown as Client;
};

/** The body of a response: `await dataOf(client.GET('/api/v1/auth/me'))`. Throws where a body is missing. */
export const dataOf = async <T>(call: Promise<{ readonly data: T }>): Promise<NonNullable<T>> => {
  const { data } = await call;
  if (data === undefined || data === null) throw new Error('the service sent no body where one was due');
  return data;
};

interface Page {
  readonly next_cursor: string | null;
}

/** The pages of a list, one after the other: `for await (const page of pages((cursor) => dataOf(client.GET(…))))`. */
export async function* pages<P extends Page>(load: (cursor: { cursor?: string }) => Promise<P>): AsyncGenerator<P> {
  let cursor: string | null = null;
  do {
    const page: P = await load(cursor === null ? {} : { cursor });
    yield page;
    // The same cursor again would never end.
    if (page.next_cursor === cursor) return;
    cursor = page.next_cursor ?? null;
  } while (cursor !== null);
}
