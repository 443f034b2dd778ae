import type { Caller, RequestOrigin, Role } from '../core/caller.ts';
import { type KeyholdError, notFound } from '../core/errors.ts';
import { newId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, inTransaction, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables/index.ts';
import type { IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken } from '../keys/index.ts';
import { type ChangeUser, updateUser } from './change.ts';
import { recordBroken } from './closed-identities.ts';
import { adminNeeded, createContext, isAdmin, lastAdmin, type UsersContext, type UsersDeps } from './context.ts';
import { type Creation, insertUser, type NewUser, usernameTaken } from './create.ts';
import { deleteCredentials } from './credentials.ts';
import { cancelReset, setPassword } from './password-change.ts';
import { anyUser, lockAdministration, pageOfIds, type UserQueries } from './queries.ts';
import { cardOf, refusePassword, refuseUsername, type UserCard, type UserView, usernameKey, viewOf } from './user.ts';

export {
  beginClosedIdentities,
  type ClosedIdentities,
  createClosedIdentities,
  type IdentityCheck,
  recordBroken,
} from './closed-identities.ts';
export { isIdUsed } from './id-traces.ts';
export { createPasswords, type Passwords } from './passwords.ts';
export { createThrottle, type Throttle } from './throttle.ts';
export { refuseUsername, type UserCard, type UserView, viewOf } from './user.ts';

export interface CreateUser {
  readonly username: string;
  readonly password?: string;
  readonly email?: string | null;
  readonly display_name?: string | null;
  readonly role?: Role;
  readonly metadata?: JsonObject;
}

/** A user named by the client: by id or by username. */
export type UserReference = { readonly userId: UserId } | { readonly username: string };

export interface Users {
  /** Makes a user; administrators only. Throws name_taken, invalid_request. */
  create(caller: Caller, input: CreateUser, request: IdempotentRequest | null): Promise<UserView>;
  /** Whom one could share with. Administrators also see who is disabled. */
  list(caller: Caller, prefix: string | null, page: Page): Promise<Paged<UserCard | UserView>>;
  get(caller: Caller, id: UserId): Promise<UserCard | UserView>;
  update(caller: Caller, id: UserId, change: ChangeUser): Promise<UserView>;
  /** One's own password, or another's by an administrator; see password-change.ts. */
  setPassword(caller: Caller, id: UserId, current: string | undefined, next: string): Promise<UserView>;
  /** Calls an administrator's reset off. */
  cancelReset(caller: Caller, id: UserId): Promise<UserView>;
  /** Makes the first administrator while no user exists; resolves to null when there are users. */
  bootstrap(password: string, origin: RequestOrigin): Promise<UserView | null>;
  /** The user named, verified, active and held until the transaction ends; null for anybody else. */
  hold(tx: Tx, reference: UserReference): Promise<UserRow | null>;
  /** The cards of these users, for showing names beside ids. */
  cards(db: Db, ids: readonly UserId[]): Promise<ReadonlyMap<UserId, UserCard>>;
  /** Which of these users are intact and active now. */
  active(db: Db, ids: readonly UserId[]): Promise<ReadonlySet<UserId>>;
  /** Writes a user with their first owner key and the record of it. Throws name_taken. */
  insert(tx: Tx, user: NewUser, creation: Creation): Promise<UserId>;
  /** Locks the user and says why this caller may not erase them, or null. */
  mayErase(tx: Tx, caller: Caller, id: UserId): Promise<KeyholdError | null>;
  /**
   * Replaces the user with a tombstone: the id is kept and never reused; everything about the person is deleted, with their
   * owner keys, logins and tokens. The caller has asked `mayErase` in this transaction and deleted the user's secrets.
   */
  erase(tx: Tx, id: UserId): Promise<void>;
  byKey(db: Db, username: string): Promise<UserRow | null>;
  bySubject(db: Db, issuer: string, subject: string): Promise<UserRow | null>;
}

const tombstone = (id: UserId): Partial<UserRow> => ({
  username: `erased-${id}`,
  username_key: `erased-${id}`,
  email: null,
  display_name: null,
  password_hash: null,
  previous_password_hash: null,
  password_reset_at: null,
  issuer: null,
  subject: null,
  role: 'member',
  status: 'erased',
  secrets_from: null,
  metadata: {},
});

const refuseNewUser = (input: CreateUser): KeyholdError | null =>
  refuseUsername(input.username) ?? (input.password === undefined ? null : refusePassword('password', input.password));

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

const createUser = async (
  context: UsersContext,
  caller: Caller,
  input: CreateUser,
  request: IdempotentRequest | null,
): Promise<UserId> => {
  const refusal = refuseNewUser(input);
  if (refusal) throw refusal;
  const may = isAdmin(caller);
  const passwordHash = may && input.password !== undefined ? await context.passwords.hash(input.password) : null;
  const make = async (tx: Tx): Promise<Outcome<readonly string[]>> => {
    if (!may) return await context.refuse(tx, caller, 'user.create', null, adminNeeded());
    const taken = await context.queries.byKey(tx, usernameKey(input.username));
    if (taken) return await context.refuse(tx, caller, 'user.create', null, usernameTaken());
    const user = newUser(input, passwordHash);
    return { ok: [await insertUser(context, tx, user, { actor: caller, details: { role: user.role } })] };
  };
  const { ids } = await context.mutate(caller, (tx) => context.idempotency.once(tx, caller, request, () => make(tx)));
  return (ids[0] ?? '') as UserId;
};

const bootstrap = async (context: UsersContext, password: string, origin: RequestOrigin): Promise<UserView | null> => {
  if (await anyUser(context.db)) return null;
  const refusal = refusePassword('KEYHOLD_BOOTSTRAP_PASSWORD', password);
  if (refusal) throw refusal;
  const passwordHash = await context.passwords.hash(password);
  return await inTransaction(context.db, async (tx) => {
    await lockAdministration(tx);
    if (await anyUser(tx)) return null;
    const user = newUser({ username: 'admin', role: 'admin' }, passwordHash);
    const creation = { actor: { origin, userId: null }, reason: 'bootstrap', details: { role: user.role } } as const;
    const id = await insertUser(context, tx, user, creation);
    const row = await context.queries.byId(tx, id);
    if (!row) throw integrityBroken();
    return viewOf(row);
  });
};

const mayErase = async (context: UsersContext, tx: Tx, caller: Caller, id: UserId): Promise<KeyholdError | null> => {
  if (caller.userId !== id && !isAdmin(caller)) return adminNeeded();
  await lockAdministration(tx);
  const row = await context.queries.lock(tx, id);
  if (!row || row.status === 'erased') return notFound();
  const active = row.role === 'admin' && row.status === 'active';
  if (active && (await context.isLastAdmin(tx, id))) return lastAdmin();
  return (await context.closedIdentities.lock(tx)) ? null : recordBroken();
};

/** An id as it is, or the id that a username has now. */
const idOf = async (queries: UserQueries, db: Db, reference: UserReference): Promise<UserId | undefined> =>
  'userId' in reference ? reference.userId : (await queries.byKey(db, usernameKey(reference.username)))?.id;

export const createUsers = (deps: UsersDeps): Users => {
  const context = createContext(deps);
  const { db, queries } = context;

  const get = async (caller: Caller, id: UserId): Promise<UserCard | UserView> => {
    const row = await mapDbErrors(queries.byId(db, id));
    const hidden = row?.status === 'erased' || (row?.status === 'disabled' && !isAdmin(caller));
    if (!row || hidden) throw notFound();
    return isAdmin(caller) || caller.userId === row.id ? viewOf(row) : cardOf(row);
  };

  return {
    create: async (caller, input, request) =>
      (await get(caller, await createUser(context, caller, input, request))) as UserView,
    list: async (caller, prefix, page) => {
      const key = prefix === null ? null : usernameKey(prefix);
      const ids = await mapDbErrors(pageOfIds(db, key, page, isAdmin(caller)));
      const { items, next_cursor } = pageOf(ids, page.limit, (id) => id);
      const rows = await mapDbErrors(queries.listed(db, items, isAdmin(caller)));
      const found = key === null ? rows : rows.filter((row) => row.username_key.startsWith(key));
      return { items: found.map(isAdmin(caller) ? viewOf : cardOf), next_cursor };
    },
    get,
    update: (caller, id, input) => updateUser(context, caller, id, input),
    setPassword: (caller, id, current, next) => setPassword(context, caller, id, current, next),
    cancelReset: (caller, id) => cancelReset(context, caller, id),
    bootstrap: (password, origin) => bootstrap(context, password, origin),
    hold: async (tx, reference) => {
      const id = await idOf(queries, tx, reference);
      const row = id === undefined ? null : await queries.lockShared(tx, id);
      const stillNamed = 'userId' in reference || row?.username_key === usernameKey(reference.username);
      return stillNamed && row?.status === 'active' ? row : null;
    },
    cards: async (handle, ids) => {
      const rows = await queries.byIds(handle, ids);
      return new Map(rows.filter((row) => row.status !== 'erased').map((row) => [row.id, cardOf(row)]));
    },
    active: async (handle, ids) => {
      const rows = await queries.byIds(handle, ids);
      return new Set(rows.filter((row) => row.status === 'active').map((row) => row.id));
    },
    insert: (tx, user, creation) => insertUser(context, tx, user, creation),
    mayErase: (tx, caller, id) => mayErase(context, tx, caller, id),
    erase: async (tx, id) => {
      const row = await queries.lock(tx, id);
      if (!row) throw integrityBroken();
      const count = await context.closedIdentities.lock(tx);
      if (!count) throw recordBroken();
      await context.closedIdentities.enter(tx, count, row, 'closed');
      await deleteCredentials(tx, id);
      await context.change(tx, row, tombstone(id));
    },
    byKey: (handle, username) => queries.byKey(handle, usernameKey(username)),
    bySubject: (handle, issuer, subject) => queries.bySubject(handle, issuer, subject),
  };
};
