import { exchange, type Incoming, type Outgoing, TookTooLong, TooLong } from './exchange.ts';
import { NoAnswer, type Problem, Refusal } from './refusal.ts';

const untrusted = 'its TLS certificate is not trusted here; NODE_EXTRA_CA_CERTS can name one that is';
const noTls = 'it does not speak TLS; perhaps its address begins with http://';

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be resolved now',
  ECONNRESET: 'the connection was cut off',
  EPIPE: 'the connection was cut off',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'nobody answered in time',
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

const noAnswer = (server: string, error: unknown): NoAnswer => {
  if (error instanceof TooLong) return notKeyhold(server, 'answers without end', error);
  if (error instanceof TookTooLong) {
    return new NoAnswer(server, 'timeout', `${server} took too long to answer.`, error);
  }
  const code = String((error as { code?: unknown }).code);
  if (code.startsWith('HPE_')) return notKeyhold(server, 'answers with something that is not HTTP', error);
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

/** What the text is in this media type; null for anything else. */
const bodyOf = ({ headers, text }: Incoming, type: string): unknown =>
  headers['content-type']?.startsWith(type) ? parsed(text) : null;

/** What a service may ask to wait; anything else is not heeded. */
const mostSeconds = 86_400;

const retryAfterOf = ({ headers }: Incoming): number | null => {
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= mostSeconds ? seconds : null;
};

const refusalOf = (server: string, answer: Incoming): Refusal | NoAnswer => {
  const body = bodyOf(answer, 'application/problem+json');
  return isProblem(body)
    ? new Refusal(body, retryAfterOf(answer))
    : notKeyhold(server, `answers with ${answer.status} in another form than Keyhold`);
};

/** The body of one of Keyhold's successful answers; throws for everything else. */
const accepted = (server: string, answer: Incoming): unknown => {
  const { status } = answer;
  if (status >= 300 && status < 400) throw notKeyhold(server, 'sends elsewhere');
  if (status < 200 || status >= 300) throw refusalOf(server, answer);
  if (status === 204) return undefined;
  const body = bodyOf(answer, 'application/json');
  if (typeof body !== 'object' || body === null) throw notKeyhold(server, 'answers in another form than Keyhold');
  return body;
};

export interface Accepted {
  readonly body: unknown;
  readonly answer: Incoming;
}

/** Sends a request and resolves to one of Keyhold's successful answers, or throws a Refusal or NoAnswer. */
export const ask = async (server: string, outgoing: Outgoing): Promise<Accepted> => {
  let answer: Incoming;
  try {
    answer = await exchange(outgoing);
  } catch (error) {
    throw noAnswer(server, error);
  }
  return { body: accepted(server, answer), answer };
};
