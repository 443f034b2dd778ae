import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionSettings, type Log, port } from './connection-settings.ts';
import { nextStepAfter } from './failed-start.ts';
import { explainOutput } from './failure.ts';
import { endOrphans, findUnfilledLock, livePostmaster, removeStaleLocks, removeUnfilledLock } from './lock-files.ts';
import { type PgCtlOptions, startOnce, stopOnce } from './pg-ctl.ts';
import { type Answer, probe } from './probe.ts';

export interface ServerOptions extends PgCtlOptions {
  readonly superuser: ConnectionSettings;
  readonly log: Log;
  readonly whileStarting: () => void;
}

const pauseMs = 50;
const maxStartMs = 120_000;
const orphansEndAfterMs = 500;
const unreachableAfterMs = 10_000;
/** PostgreSQL fills its lock file within microseconds of creating it. */
const lockIsStaleAfterMs = 5_000;

/** Resolves when the server answers queries; starts it if it doesn't run. `signal` gives up between two attempts. */
export const startServer = async (options: ServerOptions, signal: AbortSignal): Promise<void> => {
  const startedAt = performance.now();
  const durationOf = createObserver();
  for (;;) {
    signal.throwIfAborted();
    const answer = await probe(options.superuser);
    if (answer === 'ready') return;
    const obstacle = await advanceStartup(options, answer, durationOf);
    if (obstacle === null) continue;
    if (performance.now() - startedAt > maxStartMs) throw cannotStart(options, obstacle);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
};

/** Stops the server within about 4 s, at the price of a recovery at the next start if it takes longer. */
export const stopServer = async (options: ServerOptions): Promise<void> => {
  const { layout, as, log } = options;
  if ((await livePostmaster(layout.cluster, as)) === null) return;
  if ((await stopOnce(options, 'fast', 3)).ok) return;
  if ((await livePostmaster(layout.cluster, as)) === null) return;
  log('The embedded database did not stop in time. It is stopped immediately and recovers at the next start.');
  await stopOnce(options, 'immediate', 1);
};

/** How long a start has met the same obstacle without meeting another, in milliseconds. */
type DurationOf = (obstacle: string) => number;

const createObserver = (): DurationOf => {
  let last = { obstacle: '', since: 0 };
  return (obstacle) => {
    if (last.obstacle !== obstacle) last = { obstacle, since: performance.now() };
    return performance.now() - last.since;
  };
};

/** Resolves to null when the server has started, else to what is in its way. */
const advanceStartup = async (
  options: ServerOptions,
  answer: Answer,
  durationOf: DurationOf,
): Promise<string | null> => {
  const { layout, as, log } = options;
  if (answer === 'absent' && (await livePostmaster(layout.cluster, as)) === null) {
    return await tryToStart(options, durationOf);
  }
  if (durationOf(answer) > unreachableAfterMs && answer === 'absent') {
    log('The embedded database runs but cannot be reached; it is restarted.');
    await stopOnce(options, 'immediate', 5);
  }
  return 'It does not answer.';
};

const tryToStart = async (options: ServerOptions, durationOf: DurationOf): Promise<string | null> => {
  const { layout, as, superuser, whileStarting } = options;
  const locks = [join(layout.cluster, 'postmaster.pid'), join(superuser.host, `.s.PGSQL.${port}.lock`)];
  await removeStaleLocks(locks, layout.cluster, as);
  const unfilled = await findUnfilledLock(locks);
  if (unfilled !== null) {
    const isStale = durationOf(`${unfilled.path} ${unfilled.version}`) > lockIsStaleAfterMs;
    if (isStale) await removeUnfilledLock(unfilled, layout.cluster, as);
    return `The lock file ${unfilled.path} is empty.`;
  }
  const output = await startOnce(options, superuser.host, whileStarting);
  return output === null ? null : await afterFailure(options, output, durationOf);
};

const afterFailure = async (options: ServerOptions, output: string, durationOf: DurationOf): Promise<string> => {
  const { layout, as, log } = options;
  const step = nextStepAfter(output);
  const duration = durationOf(step);
  if (step === 'refuse') {
    log('The embedded database did not start.', { log: layout.log });
    throw cannotStart(options, output === '' && (await isFull(layout.pg)) ? 'No space left on device' : output);
  }
  // Not the first time: they may be the processes of a server that another service is just starting.
  if (step === 'end-orphans' && duration > orphansEndAfterMs) await endOrphans(layout.cluster, as);
  return output;
};

const cannotStart = ({ layout }: ServerOptions, output: string) =>
  explainOutput('Starting the database', output, layout.pg);

// A full disk takes no log line either.
const isFull = async (path: string): Promise<boolean> => {
  const { bavail, ffree, files } = await statfs(path);
  return bavail === 0 || (files > 0 && ffree === 0);
};
