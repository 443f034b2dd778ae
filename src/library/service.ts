import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { createApp } from '../app.ts';
import { readConfig } from '../config/config.ts';
import { rootKeySource } from '../config/root-keys.ts';
import type { Caller } from '../core/caller.ts';
import { systemClock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { Permission } from '../core/permissions.ts';
import { openConfigured } from '../db/open.ts';
import type { Graph } from '../graph/index.ts';

/** What a request presents to say who sends it. */
export interface Credentials {
  /** A token of Keyhold's, or a JWT of a login or of an external issuer. */
  readonly token: string;
  /** The session in which the request is made: Keyhold's id of it, or the platform's own. */
  readonly session?: string;
}

/** A Keyhold service within this process, on its own database and root keys. It does not listen. */
export interface Service extends AsyncDisposable {
  readonly graph: Graph;
  /**
   * Makes the caller of one request, by the same gate as HTTP: the credential is verified, the permission checked, and a
   * refusal recorded. Ask for each request anew, and never keep a caller. Throws `KeyholdError`.
   */
  caller(credentials: Credentials, permission: Permission): Promise<Caller>;
  /** Closes the service and its database, and stops the embedded server if there is one. */
  close(): Promise<void>;
}

/**
 * Opens a service with the settings that `keyhold serve` takes from its environment: `KEYHOLD_DATABASE_URL` or
 * `KEYHOLD_DATA_DIR`, and `KEYHOLD_ROOT_KEYS` or `KEYHOLD_CONFIG_DIR`. Migrates the database. The root keys must exist.
 * Throws `KeyholdError` with a sentence that says what is missing.
 */
export const openService = async (settings: Readonly<Record<string, string | undefined>>): Promise<Service> => {
  const config = readConfig(settings);
  const rootKeys = rootKeySource(settings, config.configDir);
  if (rootKeys.read() === null)
    throw new KeyholdError('state_conflict', 'There is no root key. Set KEYHOLD_ROOT_KEYS or KEYHOLD_CONFIG_DIR.');
  const logger = pino({ level: config.logLevel, base: null });
  const log = (message: string, details: object = {}): void => logger.info(details, message);
  const database = await openConfigured({ config, log, onLost: (error) => logger.fatal(error.message) });
  try {
    const app = await createApp({ config, rootKeys, clock: systemClock, database, logger });
    const close = async (): Promise<void> => {
      await app.close();
      await database.close();
    };
    return {
      graph: app.domains.graph,
      caller: async ({ token, session = null as string | null }, permission) => {
        const origin = { requestId: randomUUID(), ip: null, userAgent: null };
        await app.keys.revive();
        const presented = { token, sessionName: session, origin };
        app.gate.admit(presented);
        return await app.gate.enter(presented, { name: 'keyhold/graph', requires: { anyOf: [permission] } });
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await database.close();
    throw error;
  }
};
