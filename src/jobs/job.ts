import type { JobId } from '../core/ids.ts';
import type { JobRow } from '../db/tables/index.ts';

/** A job as administrators and the operator see it. */
export type JobView = Omit<JobRow, 'cancellable' | 'cursor' | 'attempts' | 'revision' | 'seal'>;

export const viewOf = ({ cancellable, cursor, attempts, revision, seal, ...view }: JobRow): JobView => view;

export const isFinished = ({ state }: Pick<JobRow, 'state'>): boolean => state !== 'queued' && state !== 'running';

/** The target of records about a job. */
export const jobTarget = (id: JobId) => ({ type: 'job', id }) as const;

const freshMs = 30_000;
const abandonedMs = 45_000;

const ageOf = ({ updated_at }: JobRow, now: Date): number => now.getTime() - updated_at.getTime();

/** Whether a step was taken a moment ago, so that whoever took it is probably about to take the next one. */
export const isFresh = (row: JobRow, now: Date): boolean => row.state === 'running' && ageOf(row, now) < freshMs;

/** Whether nobody has worked on a job that was begun for so long that its message must be lost. */
export const isAbandoned = (row: JobRow, now: Date): boolean => ageOf(row, now) > abandonedMs;
