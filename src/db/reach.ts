import pg from 'pg';
import { KeyholdError } from '../core/errors.ts';

const connectWithinMs = 10_000;

/** Why an external database cannot be used, by what Node, PostgreSQL (its appendix A) or pg says. */
const reasons: Readonly<Record<string, (at: pg.Client) => string>> = {
  ECONNREFUSED: () => 'nothing listens there. Is PostgreSQL running?',
  ENOENT: () => 'there is no such socket. Is PostgreSQL running?',
  ENOTFOUND: () => 'nobody knows a host of this name.',
  EAI_AGAIN: () => 'the name of the host cannot be looked up now.',
  EHOSTUNREACH: () => 'no way leads to this host.',
  ETIMEDOUT: () => 'it does not answer.',
  EACCES: () => 'its socket is closed to this user.',
  '28P01': ({ user }) => `it refuses the password of ${user}.`,
  '28000': ({ user }) => `it lets ${user} not in from here (pg_hba.conf).`,
  '3D000': ({ database }) => `it has no database ${database}. Make one: CREATE DATABASE "${database}";`,
  '42501': ({ user, database }) => `${user} may not connect to the database ${database}.`,
  '53300': () => 'it has no connection left.',
  '57P03': () => 'it is starting or stopping.',
};

const hostOf = ({ host, port }: pg.Client): string => (host.startsWith('/') ? host : `${host}:${port}`);

const reasonOf = (error: unknown, at: pg.Client): string => {
  const code = String((error as { code?: unknown }).code);
  const known = reasons[code];
  if (known) return known(at);
  const message = error instanceof Error ? error.message : '';
  if (/timeout expired/.test(message)) return 'it does not answer.';
  if (/SSL|certificate|TLS/i.test(message)) return 'it and the URL do not agree on TLS (sslmode, sslrootcert).';
  return 'what answers there is no PostgreSQL, or hung up.';
};

const unusable = (variable: string, client: pg.Client, cause: unknown): KeyholdError => {
  const why = reasonOf(cause, client);
  return new KeyholdError('unavailable', `The database of ${variable} at ${hostOf(client)} cannot be used: ${why}`, {
    cause,
  });
};

/** A password with a bare `/` or `#` would be read as a part of the address, and shown as one. */
const isMisread = (url: string): boolean => {
  const authority = /^[a-z]+:\/\/([^/?#]*)/i.exec(url)?.[1] ?? '';
  return !authority.includes('@') && /[/#][^?]*@/.test(url.slice(url.indexOf('://') + 3));
};

const clientOf = (variable: string, url: string): pg.Client => {
  const refused = (cause?: unknown): KeyholdError =>
    new KeyholdError(
      'state_conflict',
      `${variable} cannot be read: percent-encode what is special in user and password, and see that the port and the files it names are right.`,
      { cause },
    );
  if (isMisread(url)) throw refused();
  try {
    return new pg.Client({ connectionString: url, connectionTimeoutMillis: connectWithinMs });
  } catch (cause) {
    throw refused(cause);
  }
};

/**
 * Connects once to the external database that the environment variable `variable` names by `url`. Rejects with
 * `unavailable` and a sentence for the operator that says which variable, where, and why; never the password.
 */
export const reach = async (variable: string, url: string): Promise<void> => {
  const client = clientOf(variable, url);
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw unusable(variable, client, error);
  } finally {
    await client.end().catch(() => undefined);
  }
};
