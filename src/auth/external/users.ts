import { invalidCredential } from '../../access/index.ts';
import type { Audit } from '../../audit/index.ts';
import { nobody, type RequestOrigin } from '../../core/caller.ts';
import { KeyholdError } from '../../core/errors.ts';
import { isUuid, newId, toId, type UserId } from '../../core/ids.ts';
import { commitOrThrow, type Db, mapDbErrors, type Outcome, type Tx } from '../../db/database.ts';
import type { UserRow } from '../../db/tables/index.ts';
import { integrityBroken } from '../../keys/index.ts';
import {
  type ClosedIdentities,
  type IdentityCheck,
  isIdUsed,
  registerBroken,
  type Users,
  usernameError,
} from '../../users/index.ts';
import type { ExternalIdentity } from './identity.ts';

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly users: Users;
  readonly closedIdentities: ClosedIdentities;
}

export type ExternalUsers = ReturnType<typeof createExternalUsers>;

export const createExternalUsers = ({ db, audit, users, closedIdentities }: Deps) => {
  const refuse = (tx: Tx, origin: RequestOrigin, { error, reason, userId }: Refusal) =>
    audit.refuse(tx, { origin, userId: userId ?? null }, 'login.refused', { error, reason });

  /** Why no user may be made of this identity by what it says alone, or null. */
  const refuseIdentity = async (tx: Tx, { username, issuer }: ExternalIdentity, id: UserId | null) => {
    if (username === null || usernameError(username) !== null)
      return { error: invalidCredential(), reason: 'no_username' } as const;
    if (await users.byKey(tx, username)) return { error: usernameTaken(), reason: 'username_taken' } as const;
    if (issuer.suppliesIds && (id === null || (await isIdUsed(tx, id))))
      return {
        error: taken('The id from your issuer cannot be used here. Ask your administrator.'),
        reason: 'id_taken',
      } as const;
    return null;
  };

  /** Refuses an identity that the register keeps out, or every identity where the register was changed. */
  const refuseChecked = async (tx: Tx, origin: RequestOrigin, check: Exclude<IdentityCheck, { state: 'open' }>) => {
    if (check.state === 'closed') return await refuse(tx, origin, closed(check.userId));
    const details = { table: check.table, key: check.key, during: 'user.create' };
    const entry = { action: 'row.integrity_broken', outcome: 'failed', reason: 'missing', details } as const;
    await audit.record(tx, { origin, userId: null }, entry);
    return await refuse(tx, origin, { error: registerBroken(), reason: 'record_broken' });
  };

  const make = async (tx: Tx, origin: RequestOrigin, identity: ExternalIdentity): Promise<Outcome<UserRow>> => {
    const suppliedId = suppliedIdOf(identity);
    const external = { issuer: identity.issuer.issuer, subject: identity.subject };
    // First, since going through the whole register costs more than this answer to somebody who keeps asking.
    const closedUser = await closedIdentities.closedUser(tx, { id: suppliedId, ...external });
    if (closedUser) return await refuse(tx, origin, closed(closedUser));
    const refusal = await refuseIdentity(tx, identity, suppliedId);
    if (refusal) return await refuse(tx, origin, refusal);
    const check = await closedIdentities.check(tx, { id: suppliedId, ...external });
    if (check.state !== 'open') return await refuseChecked(tx, origin, check);
    const id = suppliedId ?? newId<UserId>();
    const user = {
      id,
      username: identity.username ?? '',
      passwordHash: null,
      email: withinLength(identity.email, 254),
      displayName: withinLength(identity.displayName, 128),
      role: 'member',
      metadata: {},
      external,
    } as const;
    await users.insert(tx, user, { actor: { origin, userId: id }, reason: 'issuer', details: {} });
    const row = await users.bySubject(tx, external.issuer, external.subject);
    if (!row) throw integrityBroken();
    return { ok: row };
  };

  const find = (identity: ExternalIdentity): Promise<UserRow | null> =>
    mapDbErrors(users.bySubject(db, identity.issuer.issuer, identity.subject));

  const makeOrFind = async (origin: RequestOrigin, identity: ExternalIdentity): Promise<UserRow> => {
    try {
      return await commitOrThrow(db, (tx) => make(tx, origin, identity));
    } catch (error) {
      // Two first requests of one user at the same moment: the other one made the user.
      const made = error instanceof KeyholdError && error.code === 'name_taken' ? await find(identity) : null;
      if (made) return made;
      throw error;
    }
  };

  return {
    /**
     * The user whom a verified external identity belongs to, found by issuer and subject, never by id, name or email.
     * Unknown ones are made, as members, where the issuer may create users. Throws `unauthenticated`, also for identities
     * that were disabled or erased here; `name_taken` with advice; `integrity_broken` while the register of closed identities
     * cannot be relied on.
     */
    userOf: async (origin: RequestOrigin, identity: ExternalIdentity): Promise<UserRow> => {
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

/** Why nobody is let in: `reason` is for the record. */
interface Refusal {
  readonly error: KeyholdError;
  readonly reason: 'no_username' | 'username_taken' | 'id_taken' | 'identity_closed' | 'record_broken';
  /** The user whom the refused identity belonged to. */
  readonly userId?: UserId;
}

const taken = (detail: string): KeyholdError => new KeyholdError('name_taken', detail);
const usernameTaken = (): KeyholdError =>
  taken('Your username is already taken here. Ask your administrator to rename that user or you.');

const closed = (userId: UserId): Refusal => ({ error: invalidCredential(), reason: 'identity_closed', userId });

/** The id that an issuer which supplies ids gives by its subject; null where it supplies none or the subject is no id. */
const suppliedIdOf = ({ issuer, subject }: ExternalIdentity): UserId | null => {
  if (!issuer.suppliesIds || !isUuid(subject)) return null;
  const id = toId<UserId>(subject);
  return id === nobody ? null : id;
};

/** The text if it is short enough. A shortened email address would be another one. */
const withinLength = (text: string | null, maxLength: number): string | null =>
  text !== null && text.length <= maxLength ? text : null;
