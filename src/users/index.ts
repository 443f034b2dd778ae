import { type Mutate, waitingPeriod } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller, RequestOrigin, Role } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { invalid, KeyholdError, notFound } from '../core/errors.ts';
import { newId, type UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Page, type Paged, pageOf } from '../core/page.ts';
import { type Db, inTransaction, type Outcome, reading, refusedWith, type Tx } from '../db/database.ts';
import type { UserRow } from '../db/tables.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import { integrityBroken, type OwnerKeys, type Seals } from '../keys/index.ts';
import { insertUser, type NewUser, usernameTaken } from './create.ts';
import type { Passwords } from './passwords.ts';
import * as queries from './queries.ts';
import { cardOf, refusePassword, refuseUsername, type UserCard, type UserView, usernameKey, viewOf } from './user.ts';

export { insertUser, type NewUser } from './create.ts';
export { createPasswords, type Passwords } from './passwords.ts';
export { cardOf, refuseUsername, type UserCard, type UserView, usernameKey, viewOf } from './user.ts';

export interface CreateUser {
  readonly username: string;
  readonly password?: string;
  readonly email?: string | null;
  readonly display_name?: string | null;
  readonly role?: Role;
  readonly metadata?: JsonObject;
}

export interface ChangeUser {
  readonly email?: string | null;
  readonly display_name?: string | null;
  readonly role?: Role;
  readonly status?: 'active' | 'disabled';
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
  /**
   * Sets a password: one's own with the current one, which ends one's other logins; another's by an administrator, which
   * begins the waiting time in which it opens no secret and can be called off.
   */
  setPassword(caller: Caller, id: UserId, current: string | undefined, next: string): Promise<UserView>;
  /** Calls an administrator's reset off: the old password is back, logins and tokens made since are gone. */
  cancelReset(caller: Caller, id: UserId): Promise<UserView>;
  /** Makes the first administrator while no user exists; resolves to null when there are users. */
  bootstrap(password: string, origin: RequestOrigin): Promise<UserView | null>;
  /** The users named, each verified, active and held until the transaction ends; null for those who are not. */
  hold(tx: Tx, reference: UserReference): Promise<UserRow | null>;
  /** The cards of these users, for showing names beside ids. */
  cards(db: Db, ids: readonly UserId[]): Promise<ReadonlyMap<UserId, UserCard>>;
  /** Which of these users are intact and active now. */
  active(db: Db, ids: readonly UserId[]): Promise<ReadonlySet<UserId>>;
  insert(tx: Tx, user: NewUser): Promise<UserRow>;
  /** Locks the user and says why this caller may not erase them, or null. */
  mayErase(tx: Tx, caller: Caller, id: UserId): Promise<KeyholdError | null>;
  /**
   * Turns a user into a stone: the id stays and is never adopted; everything about the person is gone, with their owner
   * keys, logins and tokens. `mayErase` was asked in this transaction, and the user's secrets are gone already.
   */
  erase(tx: Tx, id: UserId): Promise<void>;
  byKey(db: Db, username: string): Promise<UserRow | null>;
  bySubject(db: Db, issuer: string, subject: string): Promise<UserRow | null>;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly passwords: Passwords;
  readonly waitingMs: number;
}

const adminNeeded = (): KeyholdError => new KeyholdError('permission_missing', 'Only an administrator may do this.');
const lastAdmin = (): KeyholdError =>
  new KeyholdError('state_conflict', 'This is the last active administrator. Make another one first.');
const isAdmin = (caller: Caller): boolean => caller.permissions.has('admin');

const refuseNewUser = (input: CreateUser): KeyholdError | null =>
  refuseUsername(input.username) ?? (input.password === undefined ? null : refusePassword('password', input.password));

const stone = (id: UserId): Partial<UserRow> => ({
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

export const createUsers = (deps: Deps): Users => {
  const { db, clock, seals, audit, mutate, idempotency, passwords } = deps;

  const intact = (row: UserRow | undefined): UserRow | null => (row && seals.holds('users', row) ? row : null);

  const refuseUser = async <T>(
    tx: Tx,
    caller: Caller,
    action: 'user.update' | 'user.create' | 'user.password_change' | 'user.reset_cancel',
    id: UserId | null,
    error: KeyholdError,
  ): Promise<Outcome<T>> => {
    const target = id === null ? {} : { target: { type: 'user', id } as const };
    await audit.record(tx, caller, { action, ...target, outcome: 'refused', reason: error.code });
    return refusedWith(error);
  };

  const change = async (tx: Tx, row: UserRow, changes: Partial<UserRow>): Promise<UserRow> =>
    await seals.update(tx, 'users', row, { ...changes, revision: row.revision + 1, updated_at: clock.now() });

  const insertNew = async (
    tx: Tx,
    caller: Caller,
    input: CreateUser,
    passwordHash: string | null,
  ): Promise<Outcome<string[]>> => {
    if (await queries.userByKey(tx, usernameKey(input.username)))
      return await refuseUser(tx, caller, 'user.create', null, usernameTaken());
    const row = await insertUser(deps, tx, {
      id: newId<UserId>(),
      username: input.username,
      passwordHash,
      email: input.email ?? null,
      displayName: input.display_name ?? null,
      role: input.role ?? 'member',
      metadata: input.metadata ?? {},
      outside: null,
    });
    await audit.record(tx, caller, {
      action: 'user.create',
      target: { type: 'user', id: row.id },
      outcome: 'allowed',
      details: { role: row.role },
    });
    return { ok: [row.id] };
  };

  const seenBy = (caller: Caller, row: UserRow): UserCard | UserView =>
    isAdmin(caller) || caller.userId === row.id ? viewOf(row) : cardOf(row);

  const get = async (caller: Caller, id: UserId): Promise<UserCard | UserView> => {
    const row = intact(await reading(queries.userById(db, id)));
    const hidden = row?.status === 'erased' || (row?.status === 'disabled' && !isAdmin(caller));
    if (!row || hidden) throw notFound();
    return seenBy(caller, row);
  };

  /** Why this caller may not make this change to that user, or null. */
  const refuseChange = async (
    tx: Tx,
    caller: Caller,
    row: UserRow,
    input: ChangeUser,
  ): Promise<KeyholdError | null> => {
    const personal = input.email !== undefined || input.display_name !== undefined;
    if (personal && row.id !== caller.userId)
      return new KeyholdError('permission_missing', 'Email and display name are the user’s own to change.');
    if (input.role === undefined && input.status === undefined) return null;
    if (!isAdmin(caller)) return adminNeeded();
    const loses =
      row.role === 'admin' &&
      row.status === 'active' &&
      (input.status === 'disabled' || (input.role ?? 'admin') !== 'admin');
    return loses && (await isLastAdmin(tx, row.id)) ? lastAdmin() : null;
  };

  const isLastAdmin = async (tx: Tx, id: UserId): Promise<boolean> =>
    !(await queries.activeAdmins(tx)).some((admin) => admin.id !== id && seals.holds('users', admin));

  const refuseIntruder = (caller: Caller, row: UserRow | null, id: UserId): KeyholdError | null => {
    if (row && row.status !== 'erased') return null;
    return !row && id === caller.userId ? integrityBroken() : notFound();
  };

  const update = (caller: Caller, id: UserId, input: ChangeUser): Promise<UserView> =>
    mutate(caller, async (tx) => {
      if (input.role !== undefined || input.status !== undefined) await queries.lockAdministration(tx);
      const row = intact(await queries.lockUser(tx, id));
      const refusal = refuseIntruder(caller, row, id) ?? (row && (await refuseChange(tx, caller, row, input)));
      if (!row || refusal) return await refuseUser(tx, caller, 'user.update', id, refusal ?? notFound());
      const changed = await change(
        tx,
        row,
        Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)),
      );
      const action =
        input.status === undefined ? 'user.update' : input.status === 'disabled' ? 'user.disable' : 'user.enable';
      const details = {
        fields: Object.keys(input),
        revision: changed.revision,
        ...(input.role ? { role: input.role } : {}),
      };
      await audit.record(tx, caller, { action, target: { type: 'user', id }, outcome: 'allowed', details });
      return { ok: viewOf(changed) };
    });

  const endOtherLogins = async (tx: Tx, caller: Caller, userId: UserId): Promise<void> => {
    const own = caller.credential.kind === 'login' ? caller.credential.id : null;
    const rows = await tx
      .selectFrom('logins')
      .selectAll()
      .where('user_id', '=', userId)
      .where('ended_at', 'is', null)
      .forUpdate()
      .execute();
    for (const row of rows) {
      if (row.id !== own && seals.holds('logins', row))
        await seals.update(tx, 'logins', row, { ended_at: clock.now() });
    }
  };

  const changeOwn = async (caller: Caller, current: string | undefined, next: string): Promise<UserView> => {
    if (current === undefined) throw invalid('current_password', 'is needed to change your own password.');
    const before = intact(await reading(queries.userById(db, caller.userId)));
    const right = await passwords.verify(before?.password_hash ?? null, current);
    const passwordHash = await passwords.hash(next);
    return await mutate(caller, async (tx) => {
      const row = intact(await queries.lockUser(tx, caller.userId));
      if (!row || !right || row.password_hash !== before?.password_hash) {
        return await refuseUser(
          tx,
          caller,
          'user.password_change',
          caller.userId,
          new KeyholdError('login_failed', 'The current password is not right.'),
        );
      }
      const changed = await change(tx, row, {
        password_hash: passwordHash,
        previous_password_hash: null,
        password_reset_at: null,
        secrets_from: null,
      });
      await endOtherLogins(tx, caller, row.id);
      await audit.record(tx, caller, {
        action: 'user.password_change',
        target: { type: 'user', id: row.id },
        outcome: 'allowed',
        details: { revision: changed.revision },
      });
      return { ok: viewOf(changed) };
    });
  };

  const refuseReset = (caller: Caller, row: UserRow): KeyholdError | null => {
    if (!isAdmin(caller)) return adminNeeded();
    if (row.status === 'erased') return notFound();
    return row.issuer === null
      ? null
      : new KeyholdError('state_conflict', 'This user logs in at an outside issuer and has no password here.');
  };

  const resetOther = async (caller: Caller, id: UserId, next: string): Promise<UserView> => {
    if (!isAdmin(caller))
      return await mutate(caller, (tx) => refuseUser(tx, caller, 'user.password_change', id, adminNeeded()));
    const passwordHash = await passwords.hash(next);
    return await mutate(caller, async (tx) => {
      const row = intact(await queries.lockUser(tx, id));
      const refusal = row ? refuseReset(caller, row) : notFound();
      if (!row || refusal) return await refuseUser(tx, caller, 'user.password_change', id, refusal ?? notFound());
      const now = clock.now();
      const waits = row.secrets_from !== null && row.secrets_from.getTime() > now.getTime();
      // A second reset while the first one waits must not make the first one's password the one to go back to.
      const previous = waits ? row.previous_password_hash : row.password_hash;
      const since = waits ? row.password_reset_at : now;
      const secrets_from = new Date(now.getTime() + deps.waitingMs);
      const changed = await change(tx, row, {
        password_hash: passwordHash,
        previous_password_hash: previous,
        password_reset_at: since,
        secrets_from,
      });
      await audit.record(tx, caller, {
        action: 'user.password_reset',
        target: { type: 'user', id },
        outcome: 'allowed',
        details: { revision: changed.revision, secrets_from: secrets_from.toISOString() },
      });
      return { ok: viewOf(changed) };
    });
  };

  /** What was made since the reset goes with it: logins by the reset password, and tokens. */
  const undoSinceReset = async (tx: Tx, row: UserRow, caller: Caller): Promise<void> => {
    const since = row.password_reset_at ?? clock.now();
    const own = caller.credential.kind === 'login' ? caller.credential.id : null;
    const logins = await tx
      .selectFrom('logins')
      .selectAll()
      .where('user_id', '=', row.id)
      .where('created_at', '>=', since)
      .forUpdate()
      .execute();
    for (const login of logins) {
      if (login.id !== own && seals.holds('logins', login) && login.ended_at === null)
        await seals.update(tx, 'logins', login, { ended_at: clock.now() });
    }
    const tokens = await tx
      .selectFrom('tokens')
      .selectAll()
      .where('user_id', '=', row.id)
      .where('created_at', '>=', since)
      .forUpdate()
      .execute();
    for (const token of tokens) {
      if (seals.holds('tokens', token) && token.revoked_at === null)
        await seals.update(tx, 'tokens', token, { revoked_at: clock.now() });
    }
  };

  const cancelReset = (caller: Caller, id: UserId): Promise<UserView> =>
    mutate(caller, async (tx) => {
      const row = intact(await queries.lockUser(tx, id));
      const may = row !== null && (caller.userId === id || isAdmin(caller));
      if (!row || !may)
        return await refuseUser(tx, caller, 'user.reset_cancel', id, isAdmin(caller) ? notFound() : adminNeeded());
      if (
        row.password_reset_at === null ||
        row.secrets_from === null ||
        row.secrets_from.getTime() <= clock.now().getTime()
      ) {
        return await refuseUser(
          tx,
          caller,
          'user.reset_cancel',
          id,
          new KeyholdError('state_conflict', 'No reset is waiting that could be called off.'),
        );
      }
      await undoSinceReset(tx, row, caller);
      const changed = await change(tx, row, {
        password_hash: row.previous_password_hash,
        previous_password_hash: null,
        password_reset_at: null,
        secrets_from: null,
      });
      await audit.record(tx, caller, {
        action: 'user.reset_cancel',
        target: { type: 'user', id },
        outcome: 'allowed',
        details: { revision: changed.revision },
      });
      return { ok: viewOf(changed) };
    });

  return {
    create: async (caller, input, request) => {
      if (!isAdmin(caller))
        return await mutate(caller, (tx) => refuseUser(tx, caller, 'user.create', null, adminNeeded()));
      const refusal = refuseNewUser(input);
      if (refusal) throw refusal;
      const passwordHash = input.password === undefined ? null : await passwords.hash(input.password);
      const { ids } = await mutate(caller, (tx) =>
        idempotency.once(tx, caller, request, () => insertNew(tx, caller, input, passwordHash)),
      );
      return (await get(caller, (ids[0] ?? '') as UserId)) as UserView;
    },

    list: async (caller, prefix, page) => {
      const key = prefix === null ? null : usernameKey(prefix);
      const rows = await reading(queries.listUsers(db, key, page, isAdmin(caller)));
      const { items, next_cursor } = pageOf(rows, page.limit, (row) => row.id);
      return {
        items: items
          .filter((row) => seals.holds('users', row))
          .map((row) => (isAdmin(caller) ? viewOf(row) : cardOf(row))),
        next_cursor,
      };
    },

    get,
    update,

    setPassword: async (caller, id, current, next) => {
      const refusal = caller.waiting ? waitingPeriod() : refusePassword('new_password', next);
      if (refusal) throw refusal;
      return id === caller.userId ? await changeOwn(caller, current, next) : await resetOther(caller, id, next);
    },

    cancelReset,

    bootstrap: async (password, origin) => {
      if (await queries.anyUser(db)) return null;
      const refusal = refusePassword('KEYHOLD_BOOTSTRAP_PASSWORD', password);
      if (refusal) throw refusal;
      const passwordHash = await passwords.hash(password);
      return await inTransaction(db, async (tx) => {
        await queries.lockAdministration(tx);
        if (await queries.anyUser(tx)) return null;
        const row = await insertUser(deps, tx, {
          id: newId<UserId>(),
          username: 'admin',
          passwordHash,
          email: null,
          displayName: null,
          role: 'admin',
          metadata: {},
          outside: null,
        });
        await audit.record(
          tx,
          { origin, userId: null },
          {
            action: 'user.create',
            target: { type: 'user', id: row.id },
            outcome: 'allowed',
            reason: 'bootstrap',
            details: { role: 'admin' },
          },
        );
        return viewOf(row);
      });
    },

    hold: async (tx, reference) => {
      const found =
        'userId' in reference ? reference.userId : (await queries.userByKey(tx, usernameKey(reference.username)))?.id;
      const row = found === undefined ? null : intact(await queries.holdUser(tx, found));
      const named = row !== null && ('userId' in reference || row.username_key === usernameKey(reference.username));
      return named && row.status === 'active' ? row : null;
    },

    cards: async (handle, ids) => {
      const rows = await queries.usersByIds(handle, ids);
      return new Map(
        rows.filter((row) => seals.holds('users', row) && row.status !== 'erased').map((row) => [row.id, cardOf(row)]),
      );
    },

    active: async (handle, ids) => {
      const rows = await queries.usersByIds(handle, ids);
      return new Set(rows.filter((row) => seals.holds('users', row) && row.status === 'active').map((row) => row.id));
    },

    insert: (tx, user) => insertUser(deps, tx, user),
    mayErase: async (tx, caller, id) => {
      if (caller.userId !== id && !isAdmin(caller)) return adminNeeded();
      await queries.lockAdministration(tx);
      const row = intact(await queries.lockUser(tx, id));
      if (!row || row.status === 'erased') return notFound();
      const active = row.role === 'admin' && row.status === 'active';
      return active && (await isLastAdmin(tx, id)) ? lastAdmin() : null;
    },
    erase: async (tx, id) => {
      const row = intact(await queries.lockUser(tx, id));
      if (!row) throw integrityBroken();
      await queries.deleteCredentials(tx, id);
      await change(tx, row, stone(id));
    },
    byKey: async (handle, username) => intact(await queries.userByKey(handle, usernameKey(username))),
    bySubject: async (handle, issuer, subject) => intact(await queries.userBySubject(handle, issuer, subject)),
  };
};
