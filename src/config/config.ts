import { readFileSync } from 'node:fs';
import { homedir, platform } from 'node:os';
import { join } from 'node:path';
import { dayMs, hourMs } from '../core/durations.ts';
import { KeyholdError } from '../core/errors.ts';
import { Redacted } from '../core/redacted.ts';
import { type AllowedHosts, readAllowedHost } from '../outbound/index.ts';
import type { Env, Variable } from './env.ts';
import { type IssuerConfig, parseIssuers } from './issuers.ts';

/** The settings of one service process, validated. Secrets among them are Redacted. */
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
  readonly webhookAllowedHosts: AllowedHosts;
  readonly rateLimit: number;
  readonly metricsPort: number | null;
  readonly logLevel: LogLevel;
  readonly waitingMs: number;
  readonly versionsKept: number;
  readonly refreshMs: number;
  /** How many days before a date its owner is reminded. */
  readonly reminderDays: readonly number[];
  readonly deletedMs: number;
  readonly graceMs: number;
}

export interface DatabaseConfig {
  /** Null for the embedded server. */
  readonly url: Redacted<string> | null;
  readonly migrationUrl: Redacted<string> | null;
  readonly connections: number;
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const refuse = (name: Variable, detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', `${name} ${detail}`, cause === undefined ? {} : { cause });

const integer = (env: Env, name: Variable, fallback: number, min: number, max: number): number => {
  const text = env[name];
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < min || value > max) {
    throw refuse(name, `must be a whole number from ${min} to ${max}.`);
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
  if (text !== undefined && !/^postgres(ql)?:\/\//.test(text)) throw refuse(name, 'must start with postgres://');
  // Options in a URL override those that we pin: role, search path, durability and timeouts.
  if (/[?&](options|(statement|lock|query|idle_in_transaction_session)_timeout)=/.test(text ?? ''))
    throw refuse(name, 'must not set options or timeouts.');
  return redactedOrNull(text);
};

const readDatabase = (env: Env): DatabaseConfig => {
  const url = databaseUrl(env, 'KEYHOLD_DATABASE_URL');
  const migrationUrl = databaseUrl(env, 'KEYHOLD_MIGRATION_DATABASE_URL');
  if (migrationUrl !== null && url === null) {
    throw refuse('KEYHOLD_MIGRATION_DATABASE_URL', 'requires KEYHOLD_DATABASE_URL as well.');
  }
  return { url, migrationUrl, connections: integer(env, 'KEYHOLD_DATABASE_CONNECTIONS', 20, 2, 500) };
};

const readFileOf = (env: Env, name: Variable): string => {
  const path = env[name];
  if (path === undefined) throw refuse(name, 'is missing. TLS needs both KEYHOLD_TLS_CERT and KEYHOLD_TLS_KEY.');
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

/** The user's own directory by the conventions of the platform (XDG base directories, Library). */
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

const readAllowedHosts = (env: Env): AllowedHosts => {
  const items = (env.KEYHOLD_WEBHOOK_ALLOWED_HOSTS ?? '').split(',').map((item) => item.trim());
  const hosts = items.filter(Boolean).map((item) => {
    const host = readAllowedHost(item);
    if (host === null)
      throw refuse('KEYHOLD_WEBHOOK_ALLOWED_HOSTS', 'must be a list of hosts with ports, such as hooks.internal:8443.');
    return host;
  });
  return new Set(hosts);
};

const readDirectories = (env: Env): Pick<Config, 'dataDir' | 'configDir'> => ({
  dataDir: env.KEYHOLD_DATA_DIR ?? (isRoot() ? '/var/lib/keyhold' : userDirectory('data')),
  configDir: env.KEYHOLD_CONFIG_DIR ?? (isRoot() ? '/etc/keyhold' : userDirectory('config')),
});

const readMetricsPort = (env: Env): number | null =>
  env.KEYHOLD_METRICS_PORT === undefined ? null : integer(env, 'KEYHOLD_METRICS_PORT', 0, 0, 65_535);

const readReminderDays = (env: Env): readonly number[] => {
  const days = (env.KEYHOLD_REMINDER_DAYS ?? '14,3,1').split(',').map((day) => day.trim());
  if (days.length > 10 || !days.every((day) => /^[1-9]\d{0,2}$/.test(day)))
    throw refuse('KEYHOLD_REMINDER_DAYS', 'must be up to ten whole numbers from 1 to 999, comma-separated.');
  return days.map(Number);
};

/** Reads the settings from the environment. Throws `invalid_request` with the variable's name for a malformed one. */
export const readConfig = (env: Env): Config => ({
  ...readDirectories(env),
  host: env.KEYHOLD_HOST ?? '127.0.0.1',
  port: integer(env, 'KEYHOLD_PORT', 8420, 0, 65_535),
  database: readDatabase(env),
  bootstrapPassword: redactedOrNull(env.KEYHOLD_BOOTSTRAP_PASSWORD),
  tls: readTls(env),
  trustProxy: readTrustProxy(env),
  issuer: env.KEYHOLD_ISSUER ?? 'keyhold',
  externalIssuers: parseIssuers(env.KEYHOLD_JWT_ISSUERS, env.KEYHOLD_ISSUER ?? 'keyhold'),
  webhookAllowedHosts: readAllowedHosts(env),
  rateLimit: integer(env, 'KEYHOLD_RATE_LIMIT', 2000, 1, 1_000_000),
  metricsPort: readMetricsPort(env),
  logLevel: readLogLevel(env),
  waitingMs: integer(env, 'KEYHOLD_WAITING_HOURS', 24, 0, 8760) * hourMs,
  versionsKept: integer(env, 'KEYHOLD_VERSIONS_KEPT', 10, 1, 1000),
  refreshMs: integer(env, 'KEYHOLD_REFRESH_DAYS', 30, 1, 3650) * dayMs,
  reminderDays: readReminderDays(env),
  deletedMs: integer(env, 'KEYHOLD_DELETED_DAYS', 30, 1, 3650) * dayMs,
  graceMs: integer(env, 'KEYHOLD_GRACE_HOURS', 24, 1, 8760) * hourMs,
});
