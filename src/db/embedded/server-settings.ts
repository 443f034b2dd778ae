import { port } from './connection-settings.ts';

/** The server's settings as arguments of `postgres`, for `pg_ctl start -o`. */
export const postgresArguments = (socketDirectory: string): string =>
  Object.entries(settings(socketDirectory))
    .map(([name, value]) => `-c ${quote(`${name}=${value}`)}`)
    .join(' ');

// Command-line settings, which override those in the cluster's own files.
const settings = (socketDirectory: string): Record<string, string> => ({
  listen_addresses: '',
  unix_socket_directories: `"${socketDirectory.replaceAll('"', '""')}"`,
  unix_socket_permissions: '0700',
  port: String(port),
  max_connections: '100',
  shared_buffers: '64MB',
  max_wal_size: '512MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'off',
  log_destination: 'stderr',
  // Above the level of errors of statements, which may quote values. The service receives those errors itself.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_statement: 'none',
  log_duration: 'off',
  log_min_duration_statement: '-1',
  log_min_duration_sample: '-1',
  log_autovacuum_min_duration: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
  log_connections: '',
  log_disconnections: 'off',
});

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
