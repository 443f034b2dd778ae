import { KeyholdError } from '../core/errors.ts';

/**
 * SQLSTATE classes and codes that say "not now" rather than "wrong": connection, resources, operator, system, and a schema
 * whose types are not those that our statements were written for.
 */
const passingClasses = new Set(['08', '22', '42', '53', '54', '57', '58', 'XX']);
/** A statement was prepared before the schema changed. A new connection prepares it again. */
const stalePlan = '0A000';
const passingCodes = new Set(['55P03', '25P03', '25006', '40001', '40P01', '26000', stalePlan]);
const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EACCES',
]);
const driverSentences =
  /timeout exceeded when trying to connect|Query read timeout|Connection terminated|Client has encountered a connection error|not queryable|Cannot use a pool after calling end/;

export const sqlState = (error: unknown): string | undefined => {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : undefined;
};

/** A deadlock or a serialization failure: the whole transaction can be retried. */
export const isRetryable = (error: unknown): boolean => ['40001', '40P01'].includes(sqlState(error) ?? '');

/** A lock that could not be taken in time, or a statement that took too long. */
export const isLockTimeout = (error: unknown): boolean => ['55P03', '57014'].includes(sqlState(error) ?? '');

/** The name of the unique index that a write violated, or undefined. */
export const violatedIndex = (error: unknown): string | undefined =>
  sqlState(error) === '23505' ? (error as { constraint?: string }).constraint : undefined;

const isPassing = (error: unknown): boolean => {
  const code = sqlState(error);
  if (code !== undefined && (passingClasses.has(code.slice(0, 2)) || passingCodes.has(code))) return true;
  if (code !== undefined && socketCodes.has(code)) return true;
  return error instanceof Error && driverSentences.test(error.message);
};

/** Whether the connection may still be busy or half dead, so that it must not return to the pool. */
export const spoilsConnection = (error: unknown): boolean => {
  const code = sqlState(error);
  return (
    error instanceof Error &&
    (code === undefined || code === stalePlan || code.length !== 5 || code.startsWith('57P') || code.startsWith('08'))
  );
};

export const unavailable = (cause?: unknown): KeyholdError =>
  new KeyholdError('unavailable', 'The database cannot answer right now. Try again shortly.', {
    retryAfterSeconds: 1,
    cause,
  });

/** Turns a database failure into the one error that callers answer with 503. Other errors are returned unchanged. */
export const asUnavailable = (error: unknown): unknown => (isPassing(error) ? unavailable(error) : error);

/** Whether the database itself failed, which no single request caused. */
export const isUnavailable = (error: unknown): boolean => error instanceof KeyholdError && error.code === 'unavailable';
