import { NoAnswer, type Problem, Refusal } from './errors.ts';
import {
  ResponseTooLarge,
  TimedOut,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts';

export interface Accepted {
  readonly body: unknown;
  readonly response: TransportResponse;
}

/** Sends a request and resolves to one of Keyhold's successful responses, or throws a Refusal or NoAnswer. */
export const send = async (server: string, transport: Transport, request: TransportRequest): Promise<Accepted> => {
  let response: TransportResponse;
  try {
    response = await transport(request);
  } catch (error) {
    throw noAnswer(server, error);
  }
  return { body: acceptedBody(server, response), response };
};

const untrusted =
  'its TLS certificate is not trusted here. NODE_EXTRA_CA_CERTS can name the certificate of its authority';
const noTls = 'it does not speak TLS. Its address may begin with http://';

/** What the error codes of Node's sockets mean; browsers give none. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name does not exist',
  EAI_AGAIN: 'the host name could not be resolved',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ETIMEDOUT: 'the connection timed out',
  CERT_HAS_EXPIRED: 'its TLS certificate has expired',
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its TLS certificate is for another host',
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  EPROTO: noTls,
};

const notKeyhold = (server: string, what: string, cause?: unknown): NoAnswer =>
  new NoAnswer(server, 'not-keyhold', `${server} ${what}, so it is not a Keyhold service.`, cause);

/** The error code of a socket: Node's http has it on the error, `fetch` on its cause. */
const codeOf = (error: unknown): string => {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } };
  return String(code ?? cause?.code);
};

const noAnswer = (server: string, error: unknown): NoAnswer => {
  if (error instanceof ResponseTooLarge) return notKeyhold(server, 'sends an endless response', error);
  if (error instanceof TimedOut) return new NoAnswer(server, 'timeout', `${server} took too long to answer.`, error);
  const code = codeOf(error);
  if (code.startsWith('HPE_')) return notKeyhold(server, 'does not answer in HTTP', error);
  const reason = reasons[code] ?? 'the connection failed';
  return new NoAnswer(server, 'unreachable', `${server} cannot be reached: ${reason}.`, error);
};

const isProblem = (body: unknown): body is Problem => {
  const { code, detail } = (body ?? {}) as Record<string, unknown>;
  return typeof code === 'string' && typeof detail === 'string';
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** The parsed body of a response in this media type; null for anything else. */
const bodyOf = ({ header, text }: TransportResponse, type: string): unknown =>
  header('content-type')?.startsWith(type) ? parsed(text) : null;

/** The longest wait that a service may ask for; anything else is ignored. */
const maxRetrySeconds = 86_400;

const retryAfterOf = ({ header }: TransportResponse): number | null => {
  const seconds = Number(header('retry-after') ?? Number.NaN);
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= maxRetrySeconds ? seconds : null;
};

const refusalOf = (server: string, response: TransportResponse): Refusal | NoAnswer => {
  const body = bodyOf(response, 'application/problem+json');
  return isProblem(body)
    ? new Refusal(body, retryAfterOf(response))
    : notKeyhold(server, `answers ${response.status} in a form that Keyhold does not use`);
};

/** The body of one of Keyhold's successful responses. Throws for everything else. */
const acceptedBody = (server: string, response: TransportResponse): unknown => {
  const { status } = response;
  if (status >= 300 && status < 400) throw notKeyhold(server, 'redirects elsewhere');
  if (status < 200 || status >= 300) throw refusalOf(server, response);
  if (status === 204) return undefined;
  if (response.header('content-type')?.startsWith('application/jsonl')) return response.text;
  const body = bodyOf(response, 'application/json');
  if (typeof body !== 'object' || body === null) {
    throw notKeyhold(server, 'answers in a form that Keyhold does not use');
  }
  return body;
};
