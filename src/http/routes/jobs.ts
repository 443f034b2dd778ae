import { type JobId, toId } from '../../core/ids.ts';
import { readCursor } from '../../core/page.ts';
import type { Jobs } from '../../jobs/index.ts';
import type { Routes } from '../route.ts';
import * as schema from '../schemas/jobs.ts';

interface Services {
  readonly jobs: Pick<Jobs, 'list' | 'get' | 'cancel'>;
}

const tag = 'Jobs';
const administrator = { anyOf: ['admin'] } as const;

/** Long work that the service does apart from requests. */
export const jobRoutes = ({ gated }: Routes, { jobs }: Services): void => {
  gated({
    method: 'GET',
    url: '/admin/jobs',
    operationId: 'listJobs',
    tag,
    summary: 'Long work, newest first (administrators)',
    description: 'Jobs that are waiting, running or over, with their progress.',
    requires: administrator,
    query: schema.JobsQuery,
    status: 200,
    answer: schema.JobList,
    handler: async (caller, { query }) => {
      const page = { limit: query.limit ?? 50, cursor: readCursor(query.cursor) };
      const { items, next_cursor } = await jobs.list(caller, page);
      return { jobs: items, next_cursor };
    },
  });
  gated({
    method: 'GET',
    url: '/admin/jobs/:id',
    operationId: 'getJob',
    tag,
    summary: 'One job and its progress (administrators)',
    description: 'Counts each row once, whichever services work on the job and however often they are interrupted.',
    requires: administrator,
    params: schema.JobParams,
    status: 200,
    answer: schema.Job,
    refuses: [404],
    handler: (caller, { params }) => jobs.get(caller, toId<JobId>(params.id)),
  });
  gated({
    method: 'DELETE',
    url: '/admin/jobs/:id',
    operationId: 'cancelJob',
    tag,
    summary: 'Cancel a job (administrators)',
    description:
      'What the job has done stays, and it does nothing more once this is answered. Refused for a job that is over, and for one that must not stop halfway, such as the erasure of a user.',
    requires: administrator,
    params: schema.JobParams,
    status: 200,
    answer: schema.Job,
    refuses: [404, 409],
    handler: (caller, { params }) => jobs.cancel(caller, toId<JobId>(params.id)),
  });
};
