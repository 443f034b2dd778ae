import type { Redacted } from '../../core/redacted.ts';

/** What a PostgreSQL client needs to connect to the embedded server. `host` is the directory of its unix socket. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: Redacted<string>;
  readonly database: string;
}

export type DatabaseRole = 'superuser' | 'migrator' | 'service';

export const roleNames = {
  superuser: 'keyhold_super',
  migrator: 'keyhold_migrator',
  service: 'keyhold_service',
} as const satisfies Record<DatabaseRole, string>;

export const databaseName = 'keyhold';

/** It only names the socket's file: the server never listens on TCP. */
export const port = 5432;

export type Log = (message: string, details?: object) => void;
