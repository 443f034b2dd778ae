import { invalidCredential } from '../../access/index.ts';
import type { Audit } from '../../audit/index.ts';
import { nobody, type RequestOrigin } from '../../core/caller.ts';
import { KeyholdError } from '../../core/errors.ts';
import { isUuid, newId, toId, type UserId } from '../../core/ids.ts';
import { commitOrThrow, type Db, mapDbErrors, type Outcome, type Tx } from '../../db/database.ts';
import type { UserRow } from '../../db/tables/index.ts';
import { integrityBroken } from '../../keys/index.ts';
import { refuseUsername, type Users } from '../../users/index.ts';
import type { ExternalIdentity } from './identity.ts';

export interface ExternalUsers {
  /**
   * The user whom a verified external identity is: found by issuer and subject, never by id, name or email. Unknown ones
   * are made, as members, where the issuer may create users. Throws unauthenticated, or name_taken with advice.
   */
  userOf(origin: RequestOrigin, identity: ExternalIdentity): Promise<UserRow>;
}

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly users: Users;
}

const taken = (detail: string, cause?: unknown): KeyholdError => new KeyholdError('name_taken', detail, { cause });
const usernameTaken = (cause?: unknown): KeyholdError =>
  taken('Your username is taken here by somebody else. Ask your administrator to rename that user or you.', cause);

const bounded = (text: string | null, length: number): string | null =>
  text !== null && text.length <= length ? text : null;

export const createExternalUsers = ({ db, audit, users }: Deps): ExternalUsers => {
  const refuse = (tx: Tx, origin: RequestOrigin, error: KeyholdError, reason: string) =>
    audit.refuse(tx, { origin, userId: null }, 'login.refused', null, error, reason);

  /** The issuer that supplies ids gives its subject as the new id; one that somebody has already is never adopted. */
  const idFor = async (tx: Tx, identity: ExternalIdentity): Promise<UserId | null> => {
    if (!identity.issuer.suppliesIds) return newId<UserId>();
    if (!isUuid(identity.subject)) return null;
    const id = toId<UserId>(identity.subject);
    if (id === nobody) return null;
    const existing = await tx.selectFrom('users').select('id').where('id', '=', id).executeTakeFirst();
    return existing ? null : id;
  };

  const make = async (tx: Tx, origin: RequestOrigin, identity: ExternalIdentity): Promise<Outcome<UserRow>> => {
    const { username, issuer, subject } = identity;
    if (username === null || refuseUsername(username) !== null)
      return await refuse(tx, origin, invalidCredential(), 'no_username');
    if (await users.byKey(tx, username)) return await refuse(tx, origin, usernameTaken(), 'username_taken');
    const id = await idFor(tx, identity);
    if (id === null)
      return await refuse(tx, origin, taken('The id that your issuer gives you cannot be used here.'), 'id_taken');
    const user = {
      id,
      username,
      passwordHash: null,
      email: bounded(identity.email, 254),
      displayName: bounded(identity.displayName, 128),
      role: 'member',
      metadata: {},
      external: { issuer: issuer.issuer, subject },
    } as const;
    await users.insert(tx, user, { actor: { origin, userId: id }, reason: 'issuer', details: {} });
    const row = await users.bySubject(tx, issuer.issuer, subject);
    if (!row) throw integrityBroken();
    return { ok: row };
  };

  const find = (identity: ExternalIdentity): Promise<UserRow | null> =>
    mapDbErrors(users.bySubject(db, identity.issuer.issuer, identity.subject));

  const makeOrFind = async (origin: RequestOrigin, identity: ExternalIdentity): Promise<UserRow> => {
    try {
      return await commitOrThrow(db, (tx) => make(tx, origin, identity));
    } catch (error) {
      // Two first requests of one user at once: the other one made the user.
      const made = error instanceof KeyholdError && error.code === 'name_taken' ? await find(identity) : null;
      if (made) return made;
      throw error;
    }
  };

  return {
    userOf: async (origin, identity) => {
      const known = await find(identity);
      if (!known && !identity.issuer.mayCreateUsers) throw invalidCredential();
      const user = known ?? (await makeOrFind(origin, identity));
      if (user.status === 'active') return user;
      await audit.recordAlone(
        db,
        { origin, userId: user.id },
        { action: 'login.refused', outcome: 'refused', reason: 'user_disabled' },
      );
      throw invalidCredential();
    },
  };
};
