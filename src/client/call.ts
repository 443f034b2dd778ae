import type { Incoming } from './exchange.ts';
import { ask } from './transport.ts';

type Texts = Readonly<Record<string, string | number | boolean | undefined>>;

interface Init {
  readonly params?: { readonly path?: Texts; readonly query?: Texts; readonly header?: Texts };
  readonly body?: unknown;
}

interface Result {
  readonly data?: unknown;
  /** Made when it is looked at: it takes Node's `fetch` to make one. */
  readonly response: Response;
}

export type AnyCall = (path: string, init?: Init) => Promise<Result>;

export interface CallOptions {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly onChange?: (() => void) | undefined;
}

const given = (texts: Texts = {}): [string, string][] =>
  Object.entries(texts).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));

const addressOf = (server: string, path: string, { params = {} }: Init): URL => {
  const filled = given(params.path).reduce(
    (text, [name, value]) => text.replace(`{${name}}`, encodeURIComponent(value)),
    path,
  );
  const url = new URL(filled, server);
  for (const [name, value] of given(params.query)) url.searchParams.append(name, value);
  return url;
};

const responseOf = ({ status, headers, text }: Incoming): Response => {
  const kept = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return new Response(status === 204 ? null : text, { status, headers: kept });
};

const changes = (method: string, path: string): boolean => method !== 'GET' && !path.endsWith('/secrets/reveal');

/** Calls by method, path and parameters, for one server and credential. */
export const createCall =
  ({ server, headers, timeoutMs, onChange }: CallOptions) =>
  (method: string): AnyCall =>
  async (path, init = {}) => {
    const body = init.body === undefined ? undefined : JSON.stringify(init.body);
    const { body: data, answer } = await ask(server, {
      method,
      url: addressOf(server, path, init),
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...Object.fromEntries(given(init.params?.header)),
      },
      body,
      timeoutMs,
    });
    if (changes(method, path)) onChange?.();
    return {
      data,
      get response() {
        return responseOf(answer);
      },
    };
  };
