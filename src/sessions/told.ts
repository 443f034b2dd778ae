import { sql } from 'kysely';
import type { ParticipantState } from '../access/index.ts';
import { idsOf, type UserId } from '../core/ids.ts';
import type { Tx } from '../db/database.ts';
import type { SessionRow } from '../db/tables/index.ts';
import type { EventType, NewEvent } from '../events/index.ts';
import type { SessionQueries } from './queries.ts';

interface Deps {
  readonly queries: Pick<SessionQueries, 'presentIn'>;
}

export type Told = ReturnType<typeof createTold>;

/** Who is told of what happens in a session. */
export const createTold = ({ queries }: Deps) => {
  const present = async (tx: Tx, { id }: SessionRow): Promise<UserId[]> =>
    (await queries.presentIn(tx, [id])).map((row) => row.user_id);

  return {
    /** The event for everybody who is present, the session's owner and these users. */
    present: async (
      tx: Tx,
      session: SessionRow,
      type: EventType,
      others: readonly UserId[] = [],
    ): Promise<NewEvent> => ({
      type,
      to: [session.owner_id, ...(await present(tx, session)), ...others],
      sessionId: session.id,
    }),

    /**
     * Somebody's leaving, by what they were. Those who are present are told of one who was, and so is whoever was removed; the
     * session's owner is told of an invitation that was declined, and its user of one that was withdrawn.
     */
    leaving: async (
      tx: Tx,
      session: SessionRow,
      userId: UserId,
      { byThemselves, before }: { readonly byThemselves: boolean; readonly before: ParticipantState },
    ): Promise<NewEvent[]> => {
      const sessionId = session.id;
      const details = { user_id: userId };
      if (before === 'left') return [];
      if (before === 'invited')
        return [
          byThemselves
            ? { type: 'invitation.declined', to: [session.owner_id], sessionId, details }
            : { type: 'invitation.withdrawn', to: [userId], sessionId, details },
        ];
      const others = [session.owner_id, ...(await present(tx, session))];
      return [
        byThemselves
          ? { type: 'session.left', to: others, sessionId, details }
          : { type: 'session.removed', to: [userId, ...others], sessionId, details },
      ];
    },

    /**
     * The end of a session, for those who are present and those who have a secret in it, which they may take out until then. An
     * owner who was erased is neither.
     */
    end: async (tx: Tx, session: SessionRow, { erase_after }: Partial<SessionRow>): Promise<NewEvent> => ({
      type: 'session.ended',
      to: [...(await present(tx, session)), ...(await ownersOfSecretsIn(tx, session))],
      sessionId: session.id,
      details: { erase_after: erase_after?.toISOString() ?? null },
    }),
  };
};

/** It decides nothing but who is told. Whether they may be is decided when they are. */
const ownersOfSecretsIn = async (tx: Tx, { id }: SessionRow): Promise<UserId[]> => {
  const { rows } = await sql<{ owner_id: unknown }>`select distinct owner_id from public.secrets
    where session_id = ${id}::text`.execute(tx);
  return idsOf<UserId>(rows.map((row) => row.owner_id));
};
