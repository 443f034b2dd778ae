import type { Result } from './calls.ts';
import { send } from './response.ts';
import type { Transport, TransportResponse } from './transport.ts';

type Value = string | number | boolean;
type Values = Readonly<Record<string, Value | readonly Value[] | undefined>>;

interface Init {
  readonly params?: { readonly path?: Values; readonly query?: Values; readonly header?: Values };
  readonly body?: unknown;
}

/** A call before openapi.json's types are put on it. */
export type UntypedCall = (path: string, init?: Init) => Promise<Result<unknown>>;

export interface CallOptions {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly transport: Transport;
  readonly onChange?: (() => void) | undefined;
}

/** Calls by method, path and parameters, for one server and credential. */
export const createCall =
  ({ server, headers, timeoutMs, transport, onChange }: CallOptions) =>
  (method: string): UntypedCall =>
  async (path, init = {}) => {
    const { type, text: body } = bodyOf(init.body);
    const { body: data, response } = await send(server, transport, {
      method,
      url: urlOf(server, path, init),
      headers: {
        ...headers,
        ...(type === undefined ? {} : { 'Content-Type': type }),
        ...Object.fromEntries(definedIn(init.params?.header)),
      },
      body,
      timeoutMs,
    });
    if (isChange(method, path)) onChange?.();
    return {
      data,
      get response() {
        return webResponse(response);
      },
    };
  };

/** A body as it is sent: a text as it is, where a route takes one, and everything else as JSON. */
const bodyOf = (body: unknown): { readonly type?: string; readonly text: string | undefined } => {
  if (body === undefined) return { text: undefined };
  if (typeof body === 'string') return { type: 'text/plain; charset=utf-8', text: body };
  return { type: 'application/json', text: JSON.stringify(body) };
};

/** Each value with its name; those of a list one by one. */
const definedIn = (values: Values = {}): [string, string][] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one): [string, string] => [name, String(one)]),
  );

const urlOf = (server: string, path: string, { params = {} }: Init): URL => {
  const filled = definedIn(params.path).reduce(
    (text, [name, value]) => text.replace(`{${name}}`, () => encodeURIComponent(value)),
    path,
  );
  const url = new URL(filled, server);
  for (const [name, value] of definedIn(params.query)) url.searchParams.append(name, value);
  return url;
};

const webResponse = ({ status, headers, text }: TransportResponse): Response =>
  new Response(status === 204 ? null : text, {
    status,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  });

const isChange = (method: string, path: string): boolean => method !== 'GET' && !path.endsWith('/secrets/reveal');
