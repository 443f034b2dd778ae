import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { checkServer, databaseNow } from '../db/checks.ts';
import type { Db } from '../db/database.ts';
import { expectedSchema } from '../db/expected-schema.ts';
import { type JobSchemaState, jobSchema, jobSchemaState } from '../db/job-schema.ts';
import { isCurrentSchema } from '../db/migrate.ts';
import { readSchemaObjects } from '../db/schema-objects.ts';
import { type Check, fine, found, listed } from './finding.ts';
import { schemaDifferences } from './schema-differences.ts';

/** The server's version, durability and encoding, and that the service is no superuser of it. */
export const checkDatabase = async (db: Db): Promise<Check> => {
  try {
    const warning = await checkServer(db);
    if (warning === null) return fine('database', 'reachable, durable, UTF-8');
    return found('database', 'reachable', [
      { what: warning, remedy: 'See docs/operations.md, "An external database".' },
    ]);
  } catch (error) {
    if (!(error instanceof KeyholdError) || error.code !== 'state_conflict') throw error;
    return found('database', 'reachable', [
      { what: error.message, remedy: 'Correct the server’s settings and restart it.' },
    ]);
  }
};

/** Whether the migrations are those of this version. */
export const checkMigrations = async (db: Db): Promise<Check> =>
  (await isCurrentSchema(db))
    ? fine('migrations', 'this version’s')
    : found('migrations', 'another version’s', [
        {
          what: 'The schema is not the one of this version of Keyhold.',
          remedy: 'Run "keyhold migrate status". Then start the right version, or run "keyhold migrate up".',
        },
      ]);

/** Whether every object of the schema is as the migrations make it, and nothing else is there. */
export const checkSchema = async (db: Db): Promise<Check> => {
  const objects = await readSchemaObjects(db);
  const remedy =
    'If the migrations are this version’s, the schema was changed outside of Keyhold: find out who could do that, and undo the change or restore a backup.';
  return found('schema', `${objects.length} objects`, listed(schemaDifferences(expectedSchema, objects), remedy));
};

const maxClockGapMs = 5000;

/** Whether the clocks of the service and the database agree. */
export const checkClock = async (db: Db, clock: Clock): Promise<Check> => {
  const gap = (await databaseNow(db)).getTime() - clock.now().getTime();
  const seen = `${Math.abs(gap)} ms from the database’s`;
  if (Math.abs(gap) <= maxClockGapMs) return fine('clock', seen);
  return found('clock', seen, [
    {
      what: `This machine’s clock is ${seen}.`,
      remedy: 'Synchronize both clocks by NTP. The service is not ready while they are more than 5 s apart.',
    },
  ]);
};

const jobsRemedy: Readonly<Record<Exclude<JobSchemaState, 'ready'>, string>> = {
  missing: 'Run "keyhold migrate up".',
  older: 'Run "keyhold migrate up".',
  newer: 'Start the newer version of Keyhold.',
  closed: 'Run "keyhold migrate up", which grants the service what it needs.',
};

/** Whether the service can work on jobs: the schema of pg-boss is there and of the version that this Keyhold uses. */
export const checkJobs = async (db: Db): Promise<Check> => {
  const state = await jobSchemaState(db);
  if (state === 'ready') return fine('jobs', 'can run');
  const what = `Jobs do not run: the schema ${jobSchema} is ${state === 'closed' ? 'closed to the service' : state}.`;
  return found('jobs', 'cannot run', [{ what, remedy: jobsRemedy[state] }]);
};
