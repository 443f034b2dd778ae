import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { checkServer, databaseNow } from '../db/checks.ts';
import type { Db } from '../db/database.ts';
import { isCurrentSchema } from '../db/migrate.ts';
import { type Check, fine, found } from './finding.ts';

/** Version, durability and encoding of the server, and that the service is no superuser of it. */
export const checkDatabase = async (db: Db): Promise<Check> => {
  try {
    const warning = await checkServer(db);
    if (warning === null) return fine('database', 'reachable, durable, UTF-8');
    return found('database', 'reachable', [
      { what: warning, remedy: 'See docs/operations.md, "An external database".' },
    ]);
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    return found('database', 'reachable', [
      { what: error.message, remedy: 'Correct the server’s settings and restart it.' },
    ]);
  }
};

export const checkSchema = async (db: Db): Promise<Check> =>
  (await isCurrentSchema(db))
    ? fine('schema', 'this version’s')
    : found('schema', 'another version’s', [
        {
          what: 'The schema is not the one of this version of Keyhold.',
          remedy: 'Run "keyhold migrate status"; start this version, or run "keyhold migrate up".',
        },
      ]);

const maxClockGapMs = 5000;

export const checkClock = async (db: Db, clock: Clock): Promise<Check> => {
  const gap = (await databaseNow(db)).getTime() - clock.now().getTime();
  const seen = `${Math.abs(gap)} ms from the database’s`;
  if (Math.abs(gap) <= maxClockGapMs) return fine('clock', seen);
  return found('clock', seen, [
    {
      what: `This machine’s clock is ${seen}.`,
      remedy: 'Let both keep time by NTP; beyond 5 s the service is not ready.',
    },
  ]);
};
