import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, RequestOrigin, Role } from '../core/caller.ts';
import type { KeyholdError } from '../core/errors.ts';
import { newId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Db, inTransaction } from '../db/database.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken } from '../keys/index.ts';
import { adminOnly, isAdmin, lockAdministration } from './administrators.ts';
import { type InsertUser, type NewUser, usernameTaken } from './insert.ts';
import type { LookUp } from './look-up.ts';
import type { Passwords } from './passwords.ts';
import { anyUser, type UserQueries } from './queries.ts';
import { passwordError, type UserCard, type UserView, usernameError, usernameKey, viewOf } from './user.ts';

export interface CreateUser {
  readonly username: string;
  readonly password?: string;
  readonly email?: string | null;
  readonly display_name?: string | null;
  readonly role?: Role;
  readonly metadata?: JsonObject;
}

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly passwords: Passwords;
  readonly queries: Pick<UserQueries, 'byId' | 'byKey'>;
  readonly insert: InsertUser;
  readonly get: LookUp['get'];
}

export const createCreation = ({ db, audit, mutate, idempotency, passwords, queries, insert, get }: Deps) => ({
  /** Makes a user; administrators only. Throws `permission_missing`, `name_taken`, `invalid_request`. */
  create: async (
    caller: Caller,
    input: CreateUser,
    request: IdempotentRequest | null,
  ): Promise<UserCard | UserView> => {
    const inputError = newUserError(input);
    if (inputError) throw inputError;
    const allowed = isAdmin(caller);
    const passwordHash = allowed && input.password !== undefined ? await passwords.hash(input.password) : null;
    const { ids } = await mutate(caller, (tx) =>
      idempotency.once(tx, caller, request, async () => {
        if (!allowed) return await audit.refuse(tx, caller, 'user.create', { error: adminOnly() });
        if (await queries.byKey(tx, usernameKey(input.username)))
          return await audit.refuse(tx, caller, 'user.create', { error: usernameTaken() });
        const user = newUser(input, passwordHash);
        return { ok: [await insert(tx, user, { actor: caller, details: { role: user.role } })] };
      }),
    );
    // A repeated request is answered like any other look at the user.
    return await get(caller, (ids[0] ?? '') as UserId);
  },

  /** Makes the first administrator while there are no users. Resolves to null once there are. */
  bootstrap: async (password: string, origin: RequestOrigin): Promise<UserView | null> => {
    if (await anyUser(db)) return null;
    const inputError = passwordError('KEYHOLD_BOOTSTRAP_PASSWORD', password);
    if (inputError) throw inputError;
    const passwordHash = await passwords.hash(password);
    return await inTransaction(db, async (tx) => {
      await lockAdministration(tx);
      if (await anyUser(tx)) return null;
      const user = newUser({ username: 'admin', role: 'admin' }, passwordHash);
      const actor = { origin, userId: null };
      const id = await insert(tx, user, { actor, reason: 'bootstrap', details: { role: user.role } });
      const row = await queries.byId(tx, id);
      if (!row) throw integrityBroken();
      return viewOf(row);
    });
  },
});

const newUserError = (input: CreateUser): KeyholdError | null =>
  usernameError(input.username) ?? (input.password === undefined ? null : passwordError('password', input.password));

const newUser = (input: CreateUser, passwordHash: string | null): NewUser => ({
  id: newId<UserId>(),
  username: input.username,
  passwordHash,
  email: input.email ?? null,
  displayName: input.display_name ?? null,
  role: input.role ?? 'member',
  metadata: input.metadata ?? {},
  external: null,
});
