import pg from 'pg';
import { KeyholdError } from '../core/errors.ts';

/** A value of ours that a column does not accept, or a second one where there can be one: NOT NULL, unique, CHECK. */
const wrongValues = new Set(['23502', '23505', '23514']);
/** A statement was prepared before the schema changed. A new connection prepares it again. */
const stalePlan = '0A000';
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

/**
 * Says "not now" rather than "wrong": the server cannot be reached, is busy or stopping, or its schema is not the one that our
 * statements were written for. PostgreSQL reports the latter in many classes, depending on what was altered.
 */
const isPassing = (error: unknown): boolean => {
  if (error instanceof pg.DatabaseError) return !wrongValues.has(error.code ?? '');
  const code = sqlState(error);
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
