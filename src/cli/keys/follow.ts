import { dataOf, type Job, NoAnswer, Refusal } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, tellIfInterrupted } from '../failure.ts';
import type { Administrator } from './administrator.ts';
import { jobText, labelOf, startProgressLine } from './job-line.ts';
import { waitsOf } from './waits.ts';

const askEveryMs = 1000;
/** A job that did not move between so many looks waits for something. */
const idleLooks = 2;
/** How often in a row a service may fail to answer, since it may be restarting meanwhile. */
const maxUnanswered = 60;

export const isFinished = ({ state }: Job): boolean => state !== 'queued' && state !== 'running';

const isPassing = (error: unknown): boolean =>
  error instanceof NoAnswer ||
  (error instanceof Refusal && ['unavailable', 'overloaded', 'rate_limited'].includes(error.problem.code));

/** A loop of looks at a job, which outlasts a restart of the service. */
const createLook = (administrator: Administrator) => {
  let unanswered = 0;
  return async <T>(ask: () => Promise<T>, before: T): Promise<T> => {
    try {
      const answer = await ask();
      unanswered = 0;
      return answer;
    } catch (error) {
      unanswered += 1;
      if (!isPassing(error) || unanswered > maxUnanswered) throw error;
      await administrator.pause(askEveryMs);
      return before;
    }
  };
};

const goesOn = ({ id, kind }: Job): string => {
  const cancel = kind === 'reseal' ? '' : ` To end it, run: keyhold keys cancel ${id}`;
  return `The service goes on with job ${id}. "keyhold keys status" shows how far it is.${cancel}`;
};

const hasMoved = (job: Job, before: Job): boolean =>
  job.done !== before.done || job.failed !== before.failed || job.state !== before.state;

const follow = async (context: CliContext, administrator: Administrator, started: Job): Promise<Job> => {
  const line = startProgressLine(context);
  const look = createLook(administrator);
  const current = async (id: string) =>
    await dataOf((await administrator.client()).GET('/api/v1/admin/jobs/{id}', { params: { path: { id } } }));
  const keys = async () => await dataOf((await administrator.client()).GET('/api/v1/admin/keys'));
  let printed = '';
  let idle = 0;
  let job = started;
  try {
    for (;;) {
      const waiting_for =
        idle < idleLooks || isFinished(job) ? [] : await look(async () => waitsOf(job, await keys()), []);
      line.show(jobText(job, waiting_for));
      const news = JSON.stringify([job.state, job.done, job.failed, waiting_for]);
      if (news !== printed) await context.out.jsonLine({ job, waiting_for });
      printed = news;
      if (isFinished(job)) return job;
      await administrator.pause(askEveryMs);
      const before = job;
      job = await look(() => current(before.id), before);
      idle = hasMoved(job, before) ? 0 : idle + 1;
    }
  } finally {
    line.end();
  }
};

/** Refuses a job that has not done everything. */
const refuseUnlessDone = (job: Job): void => {
  const what = `${labelOf(job)} (job ${job.id})`;
  if (job.state === 'cancelled')
    throw new CliFailure(exitCodes.conflict, `${what} was cancelled. What it had done stays.`);
  if (job.state === 'failed')
    throw new CliFailure(
      exitCodes.failed,
      `${what} failed (${job.reason ?? 'internal'}). What it had done stays. The service's log says why.`,
    );
  if (job.failed > 0)
    throw new CliFailure(
      exitCodes.failed,
      `${what} is over, but ${job.failed} of the rows do not open and keep their old key. "keyhold doctor --full" names them.`,
    );
};

/**
 * Shows how far a job is until it ends: a progress bar on a terminal, and a line of JSON for each change where stdout is for
 * programs. Throws a failure for a job that did not do everything. Ctrl-C ends only the command; the job goes on.
 */
export const followJob = async (context: CliContext, administrator: Administrator, started: Job): Promise<Job> => {
  const job = await tellIfInterrupted(
    () => goesOn(started),
    () => follow(context, administrator, started),
  );
  refuseUnlessDone(job);
  return job;
};
