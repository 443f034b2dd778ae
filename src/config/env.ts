import { KeyholdError } from '../core/errors.ts';

/** Every environment variable of the service, with the sentence that the README's table shows. */
export const variables = {
  KEYHOLD_HOST: 'address to listen on (default 127.0.0.1)',
  KEYHOLD_PORT: 'port to listen on (default 8420; 0 takes a free one)',
  KEYHOLD_DATA_DIR: 'embedded database and its password (default: the user data directory; as root /var/lib/keyhold)',
  KEYHOLD_CONFIG_DIR: 'root.key (default: the user configuration directory; as root /etc/keyhold)',
  KEYHOLD_DATABASE_URL: 'an external PostgreSQL 15+ in place of the embedded one',
  KEYHOLD_MIGRATION_DATABASE_URL: 'the same database as a role that may change the schema',
  KEYHOLD_DATABASE_CONNECTIONS: 'size of the connection pool (default 20)',
  KEYHOLD_ROOT_KEYS: 'root keys, comma-separated, the first one wraps',
  KEYHOLD_ROOT_KEY_FILE: 'file with root keys, one a line, the first one wraps',
  KEYHOLD_BOOTSTRAP_PASSWORD: 'password of the first admin, while no user exists',
  KEYHOLD_TLS_CERT: 'PEM certificate chain file; serves TLS together with KEYHOLD_TLS_KEY',
  KEYHOLD_TLS_KEY: 'PEM private key file',
  KEYHOLD_TRUST_PROXY: 'addresses or networks of proxies whose X-Forwarded-For is believed, comma-separated',
  KEYHOLD_ISSUER: 'the iss of our own access tokens (default keyhold)',
  KEYHOLD_JWT_ISSUERS: 'external issuers of JWTs, a JSON array (see docs/operations.md)',
  KEYHOLD_WEBHOOK_ALLOWED_HOSTS:
    'hosts (host:port, comma-separated) to which webhooks may be sent although they are private or without TLS',
  KEYHOLD_RATE_LIMIT: 'requests a second for each caller (default 2000)',
  KEYHOLD_METRICS_PORT: 'a second port on KEYHOLD_HOST that serves /metrics without a token',
  KEYHOLD_LOG_LEVEL: 'fatal, error, warn, info (default), debug or silent',
  KEYHOLD_WAITING_HOURS: 'hours before a login with an admin-reset password opens secrets (default 24)',
  KEYHOLD_VERSIONS_KEPT: 'versions of a value that are kept (default 10)',
  KEYHOLD_REMINDER_DAYS: 'days before a date on which its owner is reminded, comma-separated (default 14,3,1)',
  KEYHOLD_DELETED_DAYS: 'days a deleted secret can be recovered before it is erased (default 30)',
  KEYHOLD_GRACE_HOURS: 'hours to move one’s secrets out of a session that has ended (default 24)',
  KEYHOLD_REFRESH_DAYS: 'days an unused login can still be refreshed (default 30)',
} as const;

export type Variable = keyof typeof variables;
export type Env = Readonly<Partial<Record<Variable, string>>>;

/** Prefixes of variables that belong to the tests and to the client. The service ignores them. */
const otherPrefixes = ['KEYHOLD_TEST_', 'KEYHOLD_CLI_'];

/** The only reader of the service's environment. Refuses a misspelt KEYHOLD_ name, since it may be that of a root key. */
export const readEnv = (source: NodeJS.ProcessEnv = process.env): Env => {
  const env: Partial<Record<Variable, string>> = {};
  for (const [name, value] of Object.entries(source)) {
    if (!name.startsWith('KEYHOLD_') || otherPrefixes.some((prefix) => name.startsWith(prefix))) continue;
    if (!Object.hasOwn(variables, name)) {
      throw new KeyholdError('invalid_request', `${name} is not a setting of Keyhold. The README lists the settings.`);
    }
    if (value !== undefined && value !== '') env[name as Variable] = value;
  }
  return env;
};
