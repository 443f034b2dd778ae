import { isDeepStrictEqual } from 'node:util';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import type { Seals } from '../keys/index.ts';
import type { End } from './ending.ts';
import type { MutateSession } from './mutate-session.ts';
import type { SessionView } from './session.ts';
import type { Show } from './show.ts';
import type { Told } from './told.ts';

export interface ChangeSession {
  readonly title?: string | null;
  readonly expires_at?: Date | null;
  /** In seconds. */
  readonly idle_after?: number | null;
  readonly metadata?: JsonObject;
}

interface Deps {
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutateSession: MutateSession;
  readonly show: Show;
  readonly end: End;
  readonly told: Told;
}

export const createChanges = ({ clock, now, seals, audit, mutateSession, show, end, told }: Deps) => ({
  /** Changes title, end time or metadata of an active session. Its owner only; throws `invalid_request` for a past end. */
  update: (caller: Caller, name: string, change: ChangeSession): Promise<SessionView> =>
    mutateSession.ownedAndActive(caller, { name, action: 'session.update' }, async (tx, session) => {
      const target = { type: 'session', id: session.id } as const;
      const moment = await now(tx);
      if (change.expires_at && change.expires_at.getTime() <= moment.getTime())
        return await audit.refuse(tx, caller, 'session.update', { target, error: expiresInThePast() });
      const active = change.idle_after === undefined ? {} : { last_active_at: clock.now() };
      const changed = await seals.update(tx, 'sessions', session, { ...change, ...active, updated_at: clock.now() });
      const tells = isChanged(session, change) ? [await told.present(tx, session, 'session.updated')] : [];
      await audit.allow(tx, caller, 'session.update', { target, details: recorded(change), tells });
      return { ok: await show.one(tx, changed, caller.userId) };
    }),

  /**
   * Ends the session, which immediately cuts everyone in it off from the secrets of others there. Its owner only. Ending
   * it again changes nothing.
   */
  end: (caller: Caller, name: string): Promise<SessionView> =>
    mutateSession.owned(caller, { name, action: 'session.end' }, async (tx, session) => {
      const moment = await now(tx);
      // A session whose time is over by a clock is ended too, so that no clock set back opens it again.
      if (session.status === 'ended') return { ok: await show.one(tx, session, caller.userId) };
      const changes = end(session, moment);
      const tells = [await told.end(tx, session, changes)];
      const ended = await seals.update(tx, 'sessions', session, changes);
      const target = { type: 'session', id: session.id } as const;
      await audit.allow(tx, caller, 'session.end', { target, details: {}, tells });
      return { ok: await show.one(tx, ended, caller.userId) };
    }),
});

/** What the record of a change says: which fields, and the new end. */
const recorded = (change: ChangeSession) => ({
  fields: Object.keys(change),
  ...(change.expires_at === undefined ? {} : { expires_at: change.expires_at?.toISOString() ?? null }),
});

const isChanged = (session: SessionRow, change: ChangeSession): boolean =>
  !isDeepStrictEqual({ ...session, ...change }, session);

const expiresInThePast = () => invalid('expires_at', 'must be in the future. To end the session now, use POST …/end.');
