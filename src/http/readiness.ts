import type { Clock } from '../core/clock.ts';
import { canRecordLogins, databaseNow } from '../db/checks.ts';
import type { Db } from '../db/database.ts';
import { isCurrentSchema } from '../db/migrate.ts';

export interface Readiness {
  readonly ready: boolean;
  /** For each thing that is checked `ok`, or what is wrong with it. */
  readonly checks: Readonly<Record<string, string>>;
}

const maxClockGapMs = 5000;

/** Checks on each call whether the service can do its work. It never throws. */
export const createReadiness =
  ({ db, clock }: { readonly db: Db; readonly clock: Clock }) =>
  async (): Promise<Readiness> => {
    try {
      const dbNow = await databaseNow(db);
      const clockOk = Math.abs(dbNow.getTime() - clock.now().getTime()) <= maxClockGapMs;
      const schemaOk = await isCurrentSchema(db);
      const loginsOk = await canRecordLogins(db);
      const checks = {
        database: 'ok',
        schema: schemaOk ? 'ok' : 'is not of this version',
        clock: clockOk ? 'ok' : 'is more than 5 s from the database’s',
        logins: loginsOk ? 'ok' : 'cannot be recorded',
      };
      return { ready: clockOk && schemaOk && loginsOk, checks };
    } catch {
      return { ready: false, checks: { database: 'does not answer' } };
    }
  };
