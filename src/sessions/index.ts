import type { CallerState, Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Seals } from '../keys/index.ts';
import type { Users } from '../users/index.ts';
import { createNoteActivity } from './activity.ts';
import { createChanges } from './change.ts';
import { createSessionSweeps } from './due.ts';
import { createEnd } from './ending.ts';
import { createEntering } from './entering.ts';
import { createErasing } from './erase.ts';
import { createFindOrStart } from './find-or-start.ts';
import { createHandOver } from './hand-over.ts';
import { createInsertSession } from './insert.ts';
import { createInviting } from './invite.ts';
import { createJoin } from './join.ts';
import { createKnown } from './known.ts';
import { createLeaving } from './leave.ts';
import { createMutateSession } from './mutate-session.ts';
import { createPresence } from './presence.ts';
import { createQueries } from './queries.ts';
import { createReads } from './read.ts';
import { createResolver } from './resolve.ts';
import type { SessionView } from './session.ts';
import { createShow } from './show.ts';
import { type CreateSession, createStart } from './start.ts';
import { createTold } from './told.ts';

export type { ChangeSession } from './change.ts';
export type { CreateSession } from './start.ts';
export { createSessionWithdrawals } from './withdraw.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly callerState: CallerState;
  readonly users: Users;
  /** How long the owners of secrets in a session that has ended can take them out, in milliseconds. */
  readonly graceMs: number;
}

/**
 * Sessions of work: who is in them, and whether they are over. A `name` is our id or the platform's own (`external_id`);
 * resolve.ts says which session it means.
 */
export type Sessions = ReturnType<typeof createSessions>;

export const createSessions = (deps: Deps) => {
  const { db, clock, now, seals, audit, mutate, idempotency, callerState, users, graceMs } = deps;
  const queries = createQueries(seals);
  const resolver = createResolver({ clock, queries });
  const show = createShow({ now, queries, users });
  const mutateSession = createMutateSession({ mutate, audit, now, queries, resolver });
  const insertSession = createInsertSession({ audit, clock });
  const told = createTold({ queries });
  const end = createEnd({ clock, graceMs });
  const noteActivity = createNoteActivity({ db, clock, now, seals, queries });
  const entering = createEntering({ db, clock, now, seals, audit, mutate, queries, resolver, told, noteActivity });
  const handOver = createHandOver({ clock, now, seals, audit, users, queries, end, told });
  const start = createStart({ audit, mutate, idempotency, users, now, queries, insertSession });
  const reads = createReads({ db, now, audit, queries, resolver, show });
  return {
    ...reads,
    ...createChanges({ clock, now, seals, audit, mutateSession, show, end, told }),
    ...createInviting({ clock, seals, audit, idempotency, users, queries, mutateSession, show }),
    ...createJoin({ audit, mutate, queries, resolver, entering, show }),
    ...createLeaving({ clock, now, seals, audit, users, queries, mutateSession, handOver, told }),
    ...createPresence({ now, callerState, queries, resolver, entering }),
    ...createKnown({ now, queries }),
    /**
     * Starts a session of the caller's. Throws `invalid_request`, `name_taken` for an external id in use, and
     * `permission_missing` for one in an issuer's name space that the caller's token does not claim.
     */
    create: async (caller: Caller, input: CreateSession, request: IdempotentRequest | null): Promise<SessionView> => {
      const id = await start(caller, input, request);
      // A claim that named nothing before names this session now.
      const isSettled = caller.sessionNames.unverified.length > 0;
      return await reads.get(isSettled ? { ...caller, session: id as VerifiedSessionId } : caller, id);
    },
    findOrStart: createFindOrStart({ callerState, queries, insertSession }),
    /** How long after its end the secrets in a session are erased. */
    graceSeconds: Math.round(graceMs / 1000),
    erasing: createErasing({ now, seals, queries }),
    sweeps: createSessionSweeps({ seals, audit, queries, end, told }),
  };
};
