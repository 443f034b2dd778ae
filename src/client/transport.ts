import { NoAnswer, type Problem, Refusal } from './refusal.ts';

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be resolved now',
  ECONNRESET: 'the connection was cut off',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  UND_ERR_CONNECT_TIMEOUT: 'nobody answered in time',
  UND_ERR_SOCKET: 'the connection was cut off',
  CERT_HAS_EXPIRED: 'its TLS certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its TLS certificate is not trusted here; NODE_EXTRA_CA_CERTS can name one that is',
  SELF_SIGNED_CERT_IN_CHAIN: 'its TLS certificate is not trusted here; NODE_EXTRA_CA_CERTS can name one that is',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its TLS certificate is not trusted here; NODE_EXTRA_CA_CERTS can name one that is',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its TLS certificate is for another host',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS; perhaps its address begins with http://',
};

const codeOf = (error: unknown): string => {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? '' : codeOf(cause);
};

const noAnswer = (server: string, error: unknown): NoAnswer => {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new NoAnswer(server, 'timeout', `${server} took too long to answer.`, error);
  }
  const reason = reasons[codeOf(error)] ?? 'the connection failed';
  return new NoAnswer(server, 'unreachable', `${server} cannot be reached: ${reason}.`, error);
};

const notKeyhold = (server: string, what: string): NoAnswer =>
  new NoAnswer(server, 'not-keyhold', `${server} ${what}, so it is not a Keyhold service.`);

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

const isProblem = (body: unknown): body is Problem => {
  const { code, detail } = (body ?? {}) as Record<string, unknown>;
  return typeof code === 'string' && typeof detail === 'string';
};

const retryAfterOf = (response: Response): number | null => {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isInteger(seconds) ? seconds : null;
};

/** What the text is in this media type; null for anything else. */
const bodyOf = (response: Response, text: string, type: string): unknown =>
  response.headers.get('content-type')?.startsWith(type) ? parsed(text) : null;

const refusalOf = (server: string, response: Response, text: string): Refusal | NoAnswer => {
  const body = bodyOf(response, text, 'application/problem+json');
  return isProblem(body)
    ? new Refusal(body, retryAfterOf(response))
    : notKeyhold(server, `answers with ${response.status} in another form than Keyhold`);
};

/** Throws for everything but one of Keyhold's successful answers. */
const refuse = (server: string, response: Response, text: string): void => {
  if (response.status >= 300 && response.status < 400) throw notKeyhold(server, 'sends elsewhere');
  if (!response.ok) throw refusalOf(server, response, text);
  if (response.status === 204) return;
  const body = bodyOf(response, text, 'application/json');
  if (typeof body !== 'object' || body === null) throw notKeyhold(server, 'answers in another form than Keyhold');
};

export interface TransportOptions {
  readonly server: string;
  readonly timeoutMs: number;
  /** Called when a request that changes something was acknowledged. */
  readonly onChange?: (() => void) | undefined;
}

const changes = (request: Request): boolean => request.method !== 'GET' && !request.url.endsWith('/secrets/reveal');

/**
 * `fetch` that either resolves to one of Keyhold's successful answers, read whole, or throws a Refusal or NoAnswer. It
 * follows no redirects: they could carry a credential elsewhere.
 */
export const createTransport =
  ({ server, timeoutMs, onChange }: TransportOptions) =>
  async (request: Request): Promise<Response> => {
    let response: Response;
    let text: string;
    try {
      response = await fetch(request, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
      text = await response.text();
    } catch (error) {
      throw noAnswer(server, error);
    }
    refuse(server, response, text);
    if (changes(request)) onChange?.();
    const { status, headers } = response;
    // The text is decoded already; headers that describe its transfer no longer hold.
    return new Response(status === 204 ? null : text, { status, headers: kept(headers) });
  };

const kept = (headers: Headers): Headers => {
  const copy = new Headers(headers);
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) copy.delete(name);
  return copy;
};
