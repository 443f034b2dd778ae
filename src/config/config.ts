import { readFileSync } from 'node:fs';
import { homedir, platform } from 'node:os';
import { join } from 'node:path';
import { KeyholdError } from '../core/errors.ts';
import { Redacted } from '../core/redacted.ts';
import type { Env, Variable } from './env.ts';
import { type IssuerConfig, parseIssuers } from './issuers.ts';

/** The settings of one service process, checked; secrets among them travel as Redacted. */
export interface Config {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly configDir: string;
  readonly database: DatabaseConfig;
  readonly bootstrapPassword: Redacted<string> | null;
  readonly tls: { readonly cert: string; readonly key: Redacted<string> } | null;
  readonly trustProxy: readonly string[];
  readonly issuer: string;
  readonly externalIssuers: readonly IssuerConfig[];
  readonly rateLimit: number;
  readonly metricsPort: number | null;
  readonly logLevel: LogLevel;
  readonly waitingMs: number;
  readonly versionsKept: number;
  readonly refreshMs: number;
}

export interface DatabaseConfig {
  /** Null means the embedded server. */
  readonly url: Redacted<string> | null;
  readonly migrationUrl: Redacted<string> | null;
  readonly connections: number;
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const refuse = (name: Variable, detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', `${name} ${detail}`, cause === undefined ? {} : { cause });

const whole = (env: Env, name: Variable, fallback: number, low: number, high: number): number => {
  const text = env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < low || value > high) {
    throw refuse(name, `must be a whole number from ${low} to ${high}.`);
  }
  return value;
};

const redactedOrNull = (text: string | undefined): Redacted<string> | null =>
  text === undefined ? null : new Redacted(text);

const databaseUrl = (
  env: Env,
  name: 'KEYHOLD_DATABASE_URL' | 'KEYHOLD_MIGRATION_DATABASE_URL',
): Redacted<string> | null => {
  const text = env[name];
  if (text !== undefined && !/^postgres(ql)?:\/\//.test(text)) throw refuse(name, 'must begin with postgres://');
  // What a URL says wins over what we pin: role, search path, durability, time-outs.
  if (/[?&](options|(statement|lock|query|idle_in_transaction_session)_timeout)=/.test(text ?? ''))
    throw refuse(name, 'must not set options or time-outs.');
  return redactedOrNull(text);
};

const readDatabase = (env: Env): DatabaseConfig => {
  const url = databaseUrl(env, 'KEYHOLD_DATABASE_URL');
  const migrationUrl = databaseUrl(env, 'KEYHOLD_MIGRATION_DATABASE_URL');
  if (migrationUrl !== null && url === null) {
    throw refuse('KEYHOLD_MIGRATION_DATABASE_URL', 'needs KEYHOLD_DATABASE_URL beside it.');
  }
  return { url, migrationUrl, connections: whole(env, 'KEYHOLD_DATABASE_CONNECTIONS', 20, 2, 500) };
};

const readFileOf = (env: Env, name: Variable): string => {
  const path = env[name];
  if (path === undefined) throw refuse(name, 'is missing: TLS needs KEYHOLD_TLS_CERT and KEYHOLD_TLS_KEY.');
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw refuse(name, `names a file that cannot be read: ${path}`, cause);
  }
};

const readTls = (env: Env): Config['tls'] => {
  if (env.KEYHOLD_TLS_CERT === undefined && env.KEYHOLD_TLS_KEY === undefined) return null;
  return { cert: readFileOf(env, 'KEYHOLD_TLS_CERT'), key: new Redacted(readFileOf(env, 'KEYHOLD_TLS_KEY')) };
};

const readLogLevel = (env: Env): LogLevel => {
  const text = env.KEYHOLD_LOG_LEVEL ?? 'info';
  const level = logLevels.find((known) => known === text);
  if (level === undefined) throw refuse('KEYHOLD_LOG_LEVEL', `must be one of ${logLevels.join(', ')}.`);
  return level;
};

const isRoot = (): boolean => process.getuid?.() === 0;

/** Where a person's own data and configuration go, by the platform's custom (XDG base directories, Library). */
const userDirectory = (kind: 'data' | 'config'): string => {
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Application Support', 'keyhold', kind);
  const xdg = process.env[kind === 'data' ? 'XDG_DATA_HOME' : 'XDG_CONFIG_HOME'];
  const fallback = kind === 'data' ? join(homedir(), '.local', 'share') : join(homedir(), '.config');
  return join(xdg !== undefined && xdg !== '' ? xdg : fallback, 'keyhold');
};

const readTrustProxy = (env: Env): string[] =>
  (env.KEYHOLD_TRUST_PROXY ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

const hour = 3_600_000;

const readDirectories = (env: Env): Pick<Config, 'dataDir' | 'configDir'> => ({
  dataDir: env.KEYHOLD_DATA_DIR ?? (isRoot() ? '/var/lib/keyhold' : userDirectory('data')),
  configDir: env.KEYHOLD_CONFIG_DIR ?? (isRoot() ? '/etc/keyhold' : userDirectory('config')),
});

const readMetricsPort = (env: Env): number | null =>
  env.KEYHOLD_METRICS_PORT === undefined ? null : whole(env, 'KEYHOLD_METRICS_PORT', 0, 0, 65_535);

/** Environment → settings. Anything malformed is refused with the variable's name, before anything is touched. */
export const readConfig = (env: Env): Config => ({
  ...readDirectories(env),
  host: env.KEYHOLD_HOST ?? '127.0.0.1',
  port: whole(env, 'KEYHOLD_PORT', 8420, 0, 65_535),
  database: readDatabase(env),
  bootstrapPassword: redactedOrNull(env.KEYHOLD_BOOTSTRAP_PASSWORD),
  tls: readTls(env),
  trustProxy: readTrustProxy(env),
  issuer: env.KEYHOLD_ISSUER ?? 'keyhold',
  externalIssuers: parseIssuers(env.KEYHOLD_JWT_ISSUERS, env.KEYHOLD_ISSUER ?? 'keyhold'),
  rateLimit: whole(env, 'KEYHOLD_RATE_LIMIT', 2000, 1, 1_000_000),
  metricsPort: readMetricsPort(env),
  logLevel: readLogLevel(env),
  waitingMs: whole(env, 'KEYHOLD_WAITING_HOURS', 24, 0, 8760) * hour,
  versionsKept: whole(env, 'KEYHOLD_VERSIONS_KEPT', 10, 1, 1000),
  refreshMs: whole(env, 'KEYHOLD_REFRESH_DAYS', 30, 1, 3650) * 24 * hour,
});
