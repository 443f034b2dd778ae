/** The closed list of refusals. Each edge (HTTP, CLI) maps every code in one table. */
export const errorCodes = [
  'invalid_request',
  'unauthenticated',
  'login_failed',
  'permission_missing',
  'session_not_joined',
  'waiting_period',
  'owner_only',
  'use_only',
  'not_found',
  'name_taken',
  'state_conflict',
  'idempotency_key_reused',
  'integrity_broken',
  'revision_mismatch',
  'payload_too_large',
  'unsupported_media_type',
  'request_timeout',
  'rate_limited',
  'unavailable',
  'overloaded',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** A refused field of the input: its path, such as `tags/3`, and the rest of the sentence that begins with it. */
export interface FieldError {
  readonly field: string;
  readonly detail: string;
}

export interface KeyholdErrorOptions {
  readonly errors?: readonly FieldError[];
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/**
 * The one error class of the domains: a code from the closed list, and a sentence that says what happened and what to do.
 * The sentence reaches the caller, so that it must never hold a value, a token or another user's data.
 */
export class KeyholdError extends Error {
  readonly code: ErrorCode;
  readonly errors: readonly FieldError[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, detail: string, options: KeyholdErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KeyholdError';
    this.code = code;
    this.errors = options.errors ?? [];
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** The answer to a caller without access: the same whether the thing exists or never did. */
export const notFound = (): KeyholdError => new KeyholdError('not_found', 'Not found, or you do not have access.');

/** The one answer to a request that names a session which is unknown, ended, not the caller's or left. */
export const sessionNotJoined = (): KeyholdError =>
  new KeyholdError('session_not_joined', 'You are not a participant of an active session with this name.');

/** The answer where only a login will do. */
export const loginNeeded = (): KeyholdError =>
  new KeyholdError('permission_missing', 'This needs a login; a token is not enough.');

/** A refused field. `detail` is the rest of the sentence that begins with the field: "must be in the future." */
export const invalid = (field: string, detail: string): KeyholdError =>
  new KeyholdError('invalid_request', `${field} ${detail}`, { errors: [{ field, detail }] });

/** Runs the work of one item of a list. A refusal is rethrown as `ofItem` words it, any other error unchanged. */
export const atItem = <T>(index: number, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw error instanceof KeyholdError ? ofItem(index, error) : error;
  }
};

/** The refusal of one item of a list: the same code, with `items/<index>` in front of its sentence and its fields. */
export const ofItem = (index: number, error: KeyholdError): KeyholdError =>
  new KeyholdError(error.code, `items/${index}: ${error.message}`, {
    errors: error.errors.map(({ field, detail }) => ({ field: `items/${index}/${field}`, detail })),
    cause: error,
  });
