/**
 * What to do after an attempt to start PostgreSQL that failed: `wait` and look again, since another start or a stop is
 * under way; `end-orphans`, the processes of a server whose postmaster died; or `refuse`.
 */
export type NextStep = 'wait' | 'end-orphans' | 'refuse';

/** The next step after `output`, which is what `pg_ctl` and `postgres` printed (in English: they run with LC_ALL=C). */
export const nextStepAfter = (output: string): NextStep =>
  steps.find(([pattern]) => pattern.test(output))?.[1] ?? 'refuse';

// In the order of their weight. The texts are those of miscinit.c, pqcomm.c, sysv_shmem.c and pg_ctl.c. Each one that is
// waited for either passes by itself or is met again and then handled by what it left behind (lock-files.ts).
const steps: readonly (readonly [RegExp, NextStep])[] = [
  [/pre-existing shared memory block .* is still in use/, 'end-orphans'],
  // The other start holds the lock, or has created its file and not yet written its pid.
  [/lock file ".*" already exists/, 'wait'],
  [/lock file ".*" is empty/, 'wait'],
  [/the PID file ".*" is empty/, 'wait'],
  // Not even half a pid is there: what a crash of the machine can leave of a file.
  [/bogus data in lock file/, 'wait'],
  [/invalid data in PID file/, 'wait'],
  // Two starts removed or created the file in the same moment. Any other reason after the colon is refused.
  [/could not create lock file ".*": File exists/, 'wait'],
  [/could not open lock file ".*": No such file or directory/, 'wait'],
  [/could not remove old lock file ".*": No such file or directory/, 'wait'],
  // The server before this one has not closed its socket yet.
  [/could not bind .*: Address already in use/, 'wait'],
  // It runs, and recovers for longer than pg_ctl waits.
  [/server did not start in time/, 'wait'],
  // Another service stopped it.
  [/received (smart|fast|immediate) shutdown request/, 'wait'],
];
