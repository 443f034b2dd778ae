/** One answer, read whole: a test looks at status, headers, text and parsed body. */
export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: T;
}

export interface RequestOptions {
  readonly token?: string | undefined;
  readonly session?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const parsed = (text: string): unknown => {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return {};
  }
};

/** The whole text. A stream of events has no end: that it has begun is all that is looked at. */
const textOf = async (response: Response): Promise<string> => {
  if (response.headers.get('content-type') !== 'text/event-stream') return await response.text();
  await response.body?.cancel();
  return '';
};

/** Sends one real request. */
export const send = async (
  url: string,
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Answer<any>> => {
  const headers: Record<string, string> = { ...options.headers };
  if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
  if (options.session !== undefined) headers['x-session-id'] = options.session;
  if (options.body !== undefined) headers['content-type'] ??= 'application/json';
  const response = await fetch(`${url}${path}`, {
    method,
    headers,
    redirect: 'manual',
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  });
  const text = await textOf(response);
  return { status: response.status, headers: response.headers, text, body: parsed(text) };
};

/** The answer's text without the request's own id: what must be the same for what is refused and what never was. */
export const withoutRequestId = ({ status, text }: Answer<unknown>): string =>
  `${status} ${text.replace(/"request_id":"[^"]*"/, '"request_id":"*"')}`;
