import type { Subject } from '../access/index.ts';
import type { SecretId, SessionId, UserId, VerifiedSessionId } from '../core/ids.ts';
import { permissions } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import type { Seals } from '../keys/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Load } from './load.ts';

/** Whether a user may know of a secret, by whichever way they have access to it. */
export interface NameQuestion {
  readonly userId: UserId;
  readonly secretId: SecretId;
  /** A session that the credential is bound to: then only that session's secrets. */
  readonly boundTo: VerifiedSessionId | null;
}

interface Deps {
  readonly seals: Seals;
  readonly sessions: Pick<Sessions, 'presences'>;
  readonly load: Load;
}

const everything = new Set(permissions);
const everythingBound = new Set(permissions.filter((permission) => permission !== 'secrets:own'));

/**
 * The names of secrets as these users could list them now, by the place of the question; null where a user could not. The rule
 * is asked for a credential with every permission, in the secret's own session where the user is present there.
 */
export const createKnownNames = ({ seals, sessions, load }: Deps) => {
  /** The session of each secret that is kept in one. */
  const sessionsOf = async (db: Db, ids: readonly SecretId[]): Promise<ReadonlyMap<SecretId, SessionId>> => {
    const asked = { id: ids, scope: 'session' } as const;
    const rows = await seals.load(db, 'secrets', asked, { except: ['encrypted_value'] });
    return new Map(rows.map((row) => [row.id, row.session_id as SessionId]));
  };

  return async (db: Db, questions: readonly NameQuestion[]): Promise<readonly (string | null)[]> => {
    if (questions.length === 0) return [];
    const sessionOf = await sessionsOf(db, [...new Set(questions.map(({ secretId }) => secretId))]);
    const asked = questions.map(({ userId, secretId }) => ({ userId, sessionId: sessionOf.get(secretId) ?? null }));
    const present = await sessions.presences(db, asked);
    const evaluations = await load.evaluateAll(
      db,
      questions.map(({ userId, secretId, boundTo }, at) => ({
        caller: subjectOf(userId, boundTo, present[at] ?? null),
        action: 'list',
        id: secretId,
      })),
    );
    return evaluations.map((one) => (one.kind === 'allowed' ? one.loaded.row.name : null));
  };
};

const subjectOf = (userId: UserId, boundTo: VerifiedSessionId | null, present: VerifiedSessionId | null): Subject => ({
  userId,
  permissions: boundTo === null ? everything : everythingBound,
  session: boundTo !== null && boundTo !== present ? null : present,
  boundToSession: boundTo !== null,
  waiting: false,
});
