import type { Clock } from '../core/clock.ts';
import { canRecordLogins, databaseNow } from '../db/checks.ts';
import type { Db } from '../db/database.ts';
import { isCurrentSchema } from '../db/migrate.ts';
import type { KeyRing } from '../keys/index.ts';

export interface Readiness {
  readonly ready: boolean;
  /** For each thing that is checked `ok`, or what is wrong with it. */
  readonly checks: Readonly<Record<string, string>>;
}

const maxClockGapMs = 5000;

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly keys: Pick<KeyRing, 'held'>;
}

const mayUse = (keys: Deps['keys']): boolean => {
  try {
    keys.held();
    return true;
  } catch {
    return false;
  }
};

/** Checks on each call whether the service can do its work. It never throws. */
export const createReadiness =
  ({ db, clock, keys }: Deps) =>
  async (): Promise<Readiness> => {
    try {
      const dbNow = await databaseNow(db);
      const clockOk = Math.abs(dbNow.getTime() - clock.now().getTime()) <= maxClockGapMs;
      const schemaOk = await isCurrentSchema(db);
      const loginsOk = await canRecordLogins(db);
      const keysOk = mayUse(keys);
      const checks = {
        database: 'ok',
        schema: schemaOk ? 'ok' : 'is not of this version',
        clock: clockOk ? 'ok' : 'is more than 5 s from the database’s',
        logins: loginsOk ? 'ok' : 'cannot be recorded',
        keys: keysOk ? 'ok' : 'may not be used at the moment',
      };
      return { ready: clockOk && schemaOk && loginsOk && keysOk, checks };
    } catch {
      return { ready: false, checks: { database: 'does not answer' } };
    }
  };
