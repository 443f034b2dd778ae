import { sql } from 'kysely';
import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, notFound, sessionNotJoined } from '../core/errors.ts';
import { newId, type TokenId } from '../core/ids.ts';
import type { Permission } from '../core/permissions.ts';
import { databaseNow } from '../db/checks.ts';
import { type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { TokenRow } from '../db/tables/index.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import type { Sessions } from '../sessions/index.ts';
import { hashToken, mintToken } from './token-text.ts';

export interface CreateToken {
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly agent?: string | null;
  readonly session_id?: string | null;
  /** Seconds from now. */
  readonly expires_in: number;
}

export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly permissions: readonly Permission[];
  readonly agent: string | null;
  readonly session_id: string | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly last_used_at: Date | null;
}

export interface Tokens {
  /** Makes a personal or agent token; only a login may. `token` is there once, and not when a request is repeated. */
  create(
    caller: Caller,
    input: CreateToken,
    request: IdempotentRequest | null,
  ): Promise<TokenView & { readonly token?: string }>;
  list(caller: Caller): Promise<readonly TokenView[]>;
  revoke(caller: Caller, id: TokenId): Promise<void>;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly sessions: Sessions;
}

const viewOf = (row: TokenRow): TokenView => ({
  id: row.id,
  name: row.name,
  permissions: row.permissions,
  agent: row.agent,
  session_id: row.session_id,
  created_at: row.created_at,
  expires_at: row.expires_at,
  last_used_at: row.last_used_at,
});

/** A login here or at an external issuer; but not an agent that holds one, and not one that is for a single session. */
const isLogin = (caller: Caller): boolean =>
  caller.credential.kind !== 'token' && caller.agent === null && !caller.boundToSession;

const exceeding = (caller: Caller, input: CreateToken): KeyholdError | null => {
  const missing = input.permissions.filter((permission) => !caller.permissions.has(permission));
  return missing.length === 0
    ? null
    : new KeyholdError('permission_missing', `You lack what the token asks for: ${missing.join(', ')}.`);
};

export const createTokens = ({ db, clock, seals, audit, mutate, idempotency, sessions }: Deps): Tokens => {
  const refuse = (tx: Tx, caller: Caller, error: KeyholdError) => audit.refuse(tx, caller, 'token.create', null, error);

  const insert = async (
    tx: Tx,
    caller: Caller,
    input: CreateToken,
    id: TokenId,
    text: string,
  ): Promise<Outcome<string[]>> => {
    const exceeds = isLogin(caller)
      ? exceeding(caller, input)
      : new KeyholdError('permission_missing', 'Only a login makes tokens.');
    if (exceeds) return await refuse(tx, caller, exceeds);
    const session = input.session_id == null ? null : await sessions.verifyAndLock(tx, caller.userId, input.session_id);
    if (input.session_id != null && session === null) return await refuse(tx, caller, sessionNotJoined());
    const now = later(clock.now(), await databaseNow(tx));
    const row: Unsealed<'tokens'> = {
      id,
      user_id: caller.userId,
      name: input.name,
      token_hash: hashToken(text),
      permissions: [...new Set(input.permissions)],
      agent: input.agent ?? null,
      session_id: session,
      created_at: now,
      expires_at: new Date(now.getTime() + input.expires_in * 1000),
      revoked_at: null,
      last_used_at: null,
    };
    const entry = {
      action: 'token.create',
      target: { type: 'token', id },
      outcome: 'allowed',
      details: { permissions: input.permissions, ...(session ? { session_id: session } : {}) },
    } as const;
    await audit.insert(tx, [{ table: 'tokens', rows: [row] }], [{ actor: caller, entry }]);
    return { ok: [id] };
  };

  return {
    create: async (caller, input, request) => {
      const id = newId<TokenId>();
      const text = mintToken(id);
      const { ids, repeated } = await mutate(caller, (tx) =>
        idempotency.once(tx, caller, request, () => insert(tx, caller, input, id, text)),
      );
      const asked = { id: (ids[0] ?? '') as TokenId, user_id: caller.userId, revoked_at: null };
      const row = await mapDbErrors(seals.loadOne(db, 'tokens', asked));
      if (!row) throw notFound();
      return repeated ? viewOf(row) : { ...viewOf(row), token: text };
    },
    list: async (caller) => {
      const asked = { user_id: caller.userId, revoked_at: null };
      const rows = await mapDbErrors(seals.load(db, 'tokens', asked, { orderBy: sql`id desc`, limit: 1000 }));
      return rows.map(viewOf);
    },
    revoke: (caller, id) =>
      mutate(caller, async (tx) => {
        const target = { type: 'token', id } as const;
        const row = await seals.loadOne(tx, 'tokens', { id, user_id: caller.userId }, { lock: 'update' });
        if (!row) return await audit.refuse(tx, caller, 'token.revoke', target, notFound(), 'nothing');
        if (row.revoked_at === null) await seals.update(tx, 'tokens', row, { revoked_at: clock.now() });
        await audit.allow(tx, caller, 'token.revoke', { target, details: {} });
        return { ok: undefined };
      }),
  };
};
