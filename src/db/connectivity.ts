import pg from 'pg';
import { KeyholdError } from '../core/errors.ts';

const connectTimeoutMs = 10_000;

/**
 * Connects once to the external database `url`, which the environment variable `variable` holds. Rejects with a sentence
 * for the operator that says which variable, which host and what is wrong, and never the password: `state_conflict` when
 * the URL cannot be read, `unavailable` when the database cannot be used.
 */
export const checkConnection = async (variable: string, url: string): Promise<void> => {
  const client = clientFor(variable, url);
  // A connection that breaks later emits an error, which would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw unusable(variable, client, error);
  } finally {
    await client.end().catch(() => undefined);
  }
};

const clientFor = (variable: string, url: string): pg.Client => {
  if (hidesPassword(url)) throw unreadable(variable);
  try {
    return new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  } catch (cause) {
    throw unreadable(variable, cause);
  }
};

/** An unescaped `/` or `#` in a password ends the authority, so that the rest of the password would be shown as a host. */
const hidesPassword = (url: string): boolean => {
  const authority = /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? '';
  return !authority.includes('@') && /[/#][^?]*@/.test(url.slice(url.indexOf('://') + 3));
};

const unreadable = (variable: string, cause?: unknown): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `${variable} is not a valid URL. Percent-encode special characters in the user name and password, and check the port and the files that it names.`,
    { cause },
  );

const unusable = (variable: string, client: pg.Client, cause: unknown): KeyholdError =>
  new KeyholdError(
    'unavailable',
    `The database of ${variable} at ${addressOf(client)} cannot be used: ${reasonOf(cause, client)}`,
    { cause },
  );

const addressOf = ({ host, port }: pg.Client): string => (host.startsWith('/') ? host : `${host}:${port}`);

const reasonOf = (error: unknown, client: pg.Client): string => {
  const known = reasons[String((error as { code?: unknown }).code)];
  if (known) return known(client);
  const message = error instanceof Error ? error.message : '';
  if (/timeout expired/.test(message)) return 'it does not answer.';
  if (/SSL|certificate|TLS/i.test(message))
    return 'TLS could not be agreed on. Check sslmode and sslrootcert in the URL.';
  return 'there is no PostgreSQL server at this address, or it closed the connection.';
};

/** Reasons by the codes of Node's system errors, and by SQLSTATE (PostgreSQL's appendix A). */
const reasons: Readonly<Record<string, (client: pg.Client) => string>> = {
  ECONNREFUSED: () => 'nothing listens there. Is PostgreSQL running?',
  ENOENT: () => 'there is no such socket. Is PostgreSQL running?',
  ENOTFOUND: () => 'the host name could not be resolved.',
  EAI_AGAIN: () => 'the host name could not be resolved at the moment.',
  EHOSTUNREACH: () => 'the host is unreachable.',
  ETIMEDOUT: () => 'it does not answer.',
  EACCES: () => 'this user may not use its socket.',
  '28P01': ({ user }) => `the password of ${user} was rejected.`,
  '28000': ({ user }) => `pg_hba.conf does not allow ${user} to connect from this host.`,
  '3D000': ({ database }) => `it has no database ${database}. Create it: CREATE DATABASE "${database}";`,
  '42501': ({ user, database }) => `${user} may not connect to the database ${database}.`,
  '53300': () => 'it has no free connection.',
  '57P03': () => 'it is starting up or shutting down.',
};
