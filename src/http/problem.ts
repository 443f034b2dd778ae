import type { ErrorCode, FieldError } from '../core/errors.ts';
import { KeyholdError } from '../core/errors.ts';

/** How each code of the domains looks over HTTP. A code without a row doesn't compile. */
const table = {
  invalid_request: { status: 400, title: 'Invalid request' },
  unauthenticated: { status: 401, title: 'Not authenticated' },
  login_failed: { status: 401, title: 'Login failed' },
  permission_missing: { status: 403, title: 'Permission missing' },
  session_not_joined: { status: 403, title: 'Session not joined' },
  waiting_period: { status: 403, title: 'Waiting period' },
  owner_only: { status: 403, title: 'Owner only' },
  use_only: { status: 403, title: 'Use only' },
  not_found: { status: 404, title: 'Not found' },
  request_timeout: { status: 408, title: 'Request timeout' },
  name_taken: { status: 409, title: 'Name taken' },
  state_conflict: { status: 409, title: 'State conflict' },
  idempotency_key_reused: { status: 409, title: 'Idempotency key reused' },
  integrity_broken: { status: 409, title: 'Integrity broken' },
  revision_mismatch: { status: 412, title: 'Revision mismatch' },
  payload_too_large: { status: 413, title: 'Payload too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  rate_limited: { status: 429, title: 'Rate limited' },
  internal: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Unavailable' },
  overloaded: { status: 503, title: 'Overloaded' },
} as const satisfies Record<ErrorCode, { status: number; title: string }>;

/** A problem (RFC 9457), with a code of the closed list and the id that the log has for the request. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly request_id?: string;
  readonly errors?: readonly FieldError[];
}

export const statusOf = (code: ErrorCode): number => table[code].status;

export const problemOf = (error: KeyholdError, requestId?: string): Problem => ({
  type: `urn:keyhold:problem:${error.code}`,
  title: table[error.code].title,
  status: table[error.code].status,
  detail: error.message,
  code: error.code,
  ...(requestId === undefined ? {} : { request_id: requestId }),
  ...(error.errors.length === 0 ? {} : { errors: error.errors }),
});

type FrameworkError = Error & { readonly code?: string; readonly statusCode?: number };

const refused = (code: ErrorCode, detail: string, cause: unknown, retryAfterSeconds?: number): KeyholdError =>
  new KeyholdError(code, detail, { cause, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });

/** Fastify's own refusals as ours. */
const framework: Readonly<Record<string, (error: FrameworkError) => KeyholdError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: (error) =>
    refused('payload_too_large', 'The body is larger than this route takes.', error),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: (error) =>
    refused('unsupported_media_type', 'Send the body as application/json.', error),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: (error) =>
    refused('invalid_request', 'The body is not as long as Content-Length says.', error),
  FST_ERR_HANDLER_TIMEOUT: (error) =>
    refused('unavailable', 'The request took too long and was cancelled. Try again shortly.', error, 1),
  FST_UNDER_PRESSURE: (error) => refused('overloaded', 'The service is overloaded. Try again shortly.', error, 2),
};

/** Any error as one of ours. An unexpected one is `internal`, and its message stays inside. */
export const asKeyholdError = (error: unknown): KeyholdError => {
  if (error instanceof KeyholdError) return error;
  const known = error as FrameworkError;
  const mapped = framework[known.code ?? '']?.(known);
  if (mapped) return mapped;
  const status = known.statusCode ?? 500;
  if (status >= 400 && status < 500) return refused('invalid_request', 'The request is malformed.', error);
  return refused(
    'internal',
    'Something went wrong in the service. Its log has the details under this request_id.',
    error,
  );
};
