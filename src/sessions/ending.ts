import type { Clock } from '../core/clock.ts';
import type { SessionRow } from '../db/tables/index.ts';

interface Deps {
  readonly clock: Clock;
  /** How long the owners of secrets in a session that has ended can take them out, in milliseconds. */
  readonly graceMs: number;
}

/** What ending a session changes in its row. */
export type End = (session: SessionRow, at: Date) => Partial<SessionRow>;

/** The end of a session whose grace period begins when a service runs that can tell its participants. */
export const endWithoutGrace: End = (session, at) => ({
  status: 'ended',
  ended_at: session.ended_at ?? at,
  updated_at: at,
});

/**
 * The end of a session at this moment. The grace period counts from the service's own time of writing it, however long ago
 * the session ended by itself: until then, nobody was told.
 */
export const createEnd =
  ({ clock, graceMs }: Deps): End =>
  (session, at) => {
    const now = clock.now();
    return {
      status: 'ended',
      ended_at: session.ended_at ?? at,
      erase_after: session.erase_after ?? new Date(now.getTime() + graceMs),
      updated_at: now,
    };
  };
