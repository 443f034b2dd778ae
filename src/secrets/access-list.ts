import { type AccessBasis, decide } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type SecretId, type SessionId, toId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import { type Db, mapDbErrors } from '../db/database.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import type { Loaded } from './load.ts';
import type { LookAt } from './look.ts';

export interface AccessEntry {
  readonly user_id: string;
  readonly username: string | null;
  readonly because: AccessBasis;
  readonly actions: readonly ('list' | 'use' | 'reveal')[];
}

interface Deps {
  readonly db: Db;
  readonly lookAt: LookAt;
  readonly sessions: Pick<Sessions, 'isActive' | 'presentUsers'>;
  readonly users: Pick<Users, 'active' | 'cards'>;
}

/** Lists everyone who can reach a secret now, and on what basis. The owner only. */
export const createAccessList = ({ db, lookAt, sessions, users }: Deps) => {
  const activeSession = async (sessionId: string | null): Promise<VerifiedSessionId | null> => {
    if (sessionId === null) return null;
    const id = toId<SessionId>(sessionId);
    return (await mapDbErrors(sessions.isActive(db, id))) ? (id as VerifiedSessionId) : null;
  };

  return async (caller: Caller, id: SecretId): Promise<AccessEntry[]> => {
    const { loaded } = await lookAt(caller, 'manage', 'secret.access_list', id);
    const { owner_id, shared_with, session_id } = loaded.row;
    const session = await activeSession(session_id);
    const participants = session === null ? [] : await mapDbErrors(sessions.presentUsers(db, session));
    const candidates = [...new Set([owner_id, ...shared_with, ...participants])];
    const active = await mapDbErrors(users.active(db, candidates));
    const cards = await mapDbErrors(users.cards(db, candidates));
    const isOwnerPresent = participants.includes(owner_id);
    return candidates.flatMap((userId) => {
      const inSession = participants.includes(userId) ? session : null;
      const entry = active.has(userId) ? entryFor(loaded, userId, inSession, isOwnerPresent) : null;
      return entry ? [{ ...entry, username: cards.get(userId)?.username ?? null }] : [];
    });
  };
};

const everyPermission = new Set(permissions);
const shownActions = ['list', 'use', 'reveal'] as const;

/** What one user could do with every permission, asked of the rule itself. */
const entryFor = (
  loaded: Loaded,
  userId: UserId,
  session: VerifiedSessionId | null,
  isOwnerPresent: boolean,
): Omit<AccessEntry, 'username'> | null => {
  const subject = { userId, permissions: everyPermission, session, boundToSession: false, waiting: false };
  const facts = { ...loaded.facts, ownerPresent: isOwnerPresent };
  const decisions = shownActions.map((action) => ({ action, decision: decide(subject, action, facts, loaded.now) }));
  const allowed = decisions.filter((one) => one.decision.allowed);
  const because = allowed[0]?.decision.allowed ? allowed[0].decision.basis : null;
  return because && { user_id: userId, because, actions: allowed.map((one) => one.action) };
};
