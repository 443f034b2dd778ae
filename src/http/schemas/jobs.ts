import { Type } from 'typebox';
import { ById, Instant, nullable, PageQuery, strict } from './common.ts';

const jobExample = {
  id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e21',
  kind: 'erase',
  state: 'running',
  params: { user_id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f' },
  total: 12_000,
  done: 4500,
  failed: 0,
  counts: { secrets: 4500, versions: 9200 },
  reason: null,
  requested_by: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e01',
  created_at: '2026-11-24T09:00:00.000Z',
  started_at: '2026-11-24T09:00:01.000Z',
  updated_at: '2026-11-24T09:00:14.000Z',
  finished_at: null,
};

export const Job = Type.Object(
  {
    id: Type.String(),
    kind: Type.String({ description: 'What the job does' }),
    state: Type.Enum(['queued', 'running', 'done', 'cancelled', 'failed'], { title: 'JobState' }),
    params: Type.Record(Type.String(), Type.Unknown(), { description: 'What the job is about, by ids' }),
    total: nullable(Type.Integer({ description: 'How many rows there are to work on, where that is known' })),
    done: Type.Integer({ description: 'Rows that were worked on' }),
    failed: Type.Integer({ description: 'Rows that could not be worked on' }),
    counts: Type.Record(Type.String(), Type.Integer(), { description: 'What was done, by names of the kind' }),
    reason: nullable(Type.String({ description: 'Why the job failed' })),
    requested_by: nullable(Type.String({ description: 'The id of a user; null for the operator' })),
    created_at: Instant,
    started_at: nullable(Instant),
    updated_at: Instant,
    finished_at: nullable(Instant),
  },
  { title: 'Job', examples: [jobExample] },
);

export const JobList = Type.Object(
  { jobs: Type.Array(Job), next_cursor: nullable(Type.String()) },
  { title: 'JobList', examples: [{ jobs: [jobExample], next_cursor: null }] },
);

export const JobsQuery = strict({ ...PageQuery });
export const JobParams = ById;
