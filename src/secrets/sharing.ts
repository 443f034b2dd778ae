import { type AccessBasis, decide } from '../access/index.ts';
import { type Caller, withListPermission } from '../core/caller.ts';
import { invalid, KeyholdError, notFound } from '../core/errors.ts';
import { type SecretId, type SessionId, toId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import { mapDbErrors, type Tx } from '../db/database.ts';
import type { UserReference } from '../users/index.ts';
import type { ChangeOptions, LockedSecret, SecretsContext } from './context.ts';
import type { Loaded } from './load.ts';
import { shareWith, unshareWith } from './secret.ts';
import type { SecretView } from './view.ts';

export interface AccessEntry {
  readonly user_id: string;
  readonly username: string | null;
  readonly because: AccessBasis;
  readonly actions: readonly ('list' | 'use' | 'reveal')[];
}

const attempt = <T>(work: () => T): { ok: T } | { error: KeyholdError } => {
  try {
    return { ok: work() };
  } catch (error) {
    if (error instanceof KeyholdError) return { error };
    throw error;
  }
};

const fieldOf = (who: UserReference): 'user_id' | 'username' => ('userId' in who ? 'user_id' : 'username');

const shareLocked = async (context: SecretsContext, locked: LockedSecret<'secret.share'>, who: UserReference) => {
  const user = await context.users.hold(locked.tx, who);
  if (!user) return await locked.refuse(invalid(fieldOf(who), 'names a user who is unknown or disabled.'));
  if (user.id === locked.loaded.row.owner_id)
    return await locked.refuse(invalid(fieldOf(who), 'names you, the owner.'));
  const shared = attempt(() => shareWith(locked.loaded.row, user.id));
  if ('error' in shared) return await locked.refuse(shared.error);
  return { ok: await locked.write(shared.ok, { user_id: user.id }) };
};

/** Shares with one user; twice is the same as once. */
export const shareSecret = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  who: UserReference,
  revision: Pick<ChangeOptions, 'revision'>,
): Promise<SecretView> =>
  context.change(caller, { id, action: 'share', as: 'secret.share', ...revision }, (locked) =>
    shareLocked(context, locked, who),
  );

/** An id as it is, a username looked up: who is disabled or erased can be taken off all the same. */
const grantee = async (context: SecretsContext, tx: Tx, who: UserReference): Promise<UserId | null> =>
  'userId' in who ? who.userId : ((await context.users.byKey(tx, who.username))?.id ?? null);

/** Takes one user off; twice is the same as once. */
export const unshareSecret = (
  context: SecretsContext,
  caller: Caller,
  id: SecretId,
  who: UserReference,
  revision: Pick<ChangeOptions, 'revision'>,
): Promise<SecretView> =>
  context.change(caller, { id, action: 'share', as: 'secret.unshare', ...revision }, async (locked) => {
    const userId = await grantee(context, locked.tx, who);
    if (userId === null) return await locked.refuse(invalid(fieldOf(who), 'names a user who is unknown.'));
    return { ok: await locked.write(unshareWith(locked.loaded.row, userId), { user_id: userId }) };
  });

/** A grantee takes themself off. */
export const leaveShare = (context: SecretsContext, caller: Caller, id: SecretId): Promise<void> =>
  context.change(withListPermission(caller), { id, action: 'list', as: 'secret.unshare' }, async (locked) => {
    if (!locked.loaded.row.shared_with.includes(caller.userId)) return await locked.refuse(notFound());
    await locked.write(unshareWith(locked.loaded.row, caller.userId), { user_id: caller.userId });
    return { ok: undefined };
  });

const everything = new Set(permissions);
const shownActions = ['list', 'use', 'reveal'] as const;

/** What one user could do with every permission, asked of the rule itself. */
const entryFor = (
  loaded: Loaded,
  userId: UserId,
  session: VerifiedSessionId | null,
  present: boolean,
): Omit<AccessEntry, 'username'> | null => {
  const subject = { userId, permissions: everything, session, boundToSession: false, waiting: false };
  const facts = { ...loaded.facts, ownerPresent: present };
  const decisions = shownActions.map((action) => ({ action, decision: decide(subject, action, facts, loaded.now) }));
  const allowed = decisions.filter((one) => one.decision.allowed);
  const because = allowed[0]?.decision.allowed ? allowed[0].decision.because : null;
  return because && { user_id: userId, because, actions: allowed.map((one) => one.action) };
};

/** Everyone who can reach the secret now, and because of what; the owner's alone to see. */
export const listAccess = async (context: SecretsContext, caller: Caller, id: SecretId): Promise<AccessEntry[]> => {
  const { loaded } = await context.look(caller, 'manage', 'secret.access_list', id);
  const { row } = loaded;
  const sessionId = row.session_id === null ? null : toId<SessionId>(row.session_id);
  const session =
    sessionId && (await mapDbErrors(context.sessions.isActive(context.db, sessionId)))
      ? (sessionId as VerifiedSessionId)
      : null;
  const participants = session === null ? [] : await mapDbErrors(context.sessions.present(context.db, session));
  const candidates = [...new Set([row.owner_id, ...row.shared_with, ...participants])];
  const active = await mapDbErrors(context.users.active(context.db, candidates));
  const entries = candidates
    .filter((userId) => active.has(userId))
    .map((userId) =>
      entryFor(loaded, userId, participants.includes(userId) ? session : null, participants.includes(row.owner_id)),
    );
  const cards = await mapDbErrors(context.users.cards(context.db, candidates));
  return entries.flatMap((entry) =>
    entry ? [{ ...entry, username: cards.get(entry.user_id as UserId)?.username ?? null }] : [],
  );
};
