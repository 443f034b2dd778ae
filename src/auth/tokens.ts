import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound, sessionNotJoined } from '../core/errors.ts';
import { newId, type TokenId, type VerifiedSessionId } from '../core/ids.ts';
import type { Permission } from '../core/permissions.ts';
import { type Db, mapDbErrors, type Outcome, type Tx } from '../db/database.ts';
import type { TokenRow } from '../db/tables/index.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency, IdempotentRequest } from '../idempotency/index.ts';
import type { Seals, Unsealed } from '../keys/index.ts';
import type { Sessions } from '../sessions/index.ts';
import { createQueries } from './queries.ts';
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

/** `token` is shown once: it is absent from the answer to a repeated request. */
export type CreatedToken = TokenView & { readonly token?: string };

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly sessions: Pick<Sessions, 'enterAndLock'>;
}

export type Tokens = ReturnType<typeof createTokens>;

/** Personal and agent tokens. */
export const createTokens = (deps: Deps) => {
  const { db, clock, now, seals, audit, mutate, idempotency, sessions } = deps;
  const queries = createQueries(seals);

  const insert = async (tx: Tx, caller: Caller, input: CreateToken, made: Minted): Promise<Outcome<string[]>> => {
    const refusal = refusalOf(caller, input);
    if (refusal) return await audit.refuse(tx, caller, 'token.create', { error: refusal });
    const named = input.session_id ?? null;
    const session = named === null ? null : await sessions.enterAndLock(tx, caller, named);
    if (named !== null && session === null)
      return await audit.refuse(tx, caller, 'token.create', { error: sessionNotJoined() });
    const row = newToken(caller, input, made, session, { createdAt: await now(tx), from: clock.now() });
    const entry = {
      action: 'token.create',
      target: { type: 'token', id: row.id },
      outcome: 'allowed',
      details: { permissions: input.permissions, ...(session ? { session_id: session } : {}) },
      tells: [{ type: 'token.created', to: [caller.userId], details: { token_id: row.id } }],
    } as const;
    await audit.insert(tx, [{ table: 'tokens', rows: [row] }], [{ actor: caller, entry }]);
    return { ok: [row.id] };
  };

  return {
    /**
     * Makes a token, once for an idempotency key. Throws `permission_missing` for a caller that is no login, or that lacks a
     * permission which the token would have, and `session_not_joined`.
     */
    create: async (caller: Caller, input: CreateToken, request: IdempotentRequest | null): Promise<CreatedToken> => {
      const made = mint();
      const { ids, repeated } = await mutate(caller, (tx) =>
        idempotency.once(tx, caller, request, () => insert(tx, caller, input, made)),
      );
      const row = await mapDbErrors(queries.token(db, caller.userId, (ids[0] ?? '') as TokenId));
      if (!row) throw notFound();
      return repeated ? viewOf(row) : { ...viewOf(row), token: made.text };
    },

    /** The caller's own tokens that are not revoked, newest first. */
    list: async (caller: Caller): Promise<readonly TokenView[]> =>
      (await mapDbErrors(queries.tokens(db, caller.userId))).map(viewOf),

    /** Revokes one of the caller's own tokens; revoking it again changes nothing. Throws `not_found` for any other. */
    revoke: (caller: Caller, id: TokenId): Promise<void> =>
      mutate(caller, async (tx) => {
        const target = { type: 'token', id } as const;
        const row = await queries.lockOwnToken(tx, caller.userId, id);
        if (!row)
          return await audit.refuse(tx, caller, 'token.revoke', { target, error: notFound(), reason: 'nothing' });
        const isNew = row.revoked_at === null;
        if (isNew) await seals.update(tx, 'tokens', row, { revoked_at: clock.now() });
        const told = { type: 'token.revoked', to: [caller.userId], details: { token_id: id } } as const;
        await audit.allow(tx, caller, 'token.revoke', { target, details: {}, tells: isNew ? [told] : [] });
        return { ok: undefined };
      }),
  };
};

interface Minted {
  readonly id: TokenId;
  readonly text: string;
}

const mint = (): Minted => {
  const id = newId<TokenId>();
  return { id, text: mintToken(id) };
};

/** A login here or at an external issuer. An agent's login does not count, nor one that is bound to a session. */
const isLogin = (caller: Caller): boolean =>
  caller.credential.kind !== 'token' && caller.agent === null && !caller.boundToSession;

const refusalOf = (caller: Caller, input: CreateToken): KeyholdError | null => {
  if (!isLogin(caller))
    return new KeyholdError('permission_missing', 'Creating a token needs a login, not another token.');
  const missing = input.permissions.filter((permission) => !caller.permissions.has(permission));
  if (missing.length === 0) return null;
  return new KeyholdError(
    'permission_missing',
    `A token cannot have permissions that you do not have: ${missing.join(', ')}.`,
  );
};

const newToken = (
  caller: Caller,
  input: CreateToken,
  { id, text }: Minted,
  session: VerifiedSessionId | null,
  { createdAt, from }: { readonly createdAt: Date; readonly from: Date },
): Unsealed<'tokens'> => ({
  id,
  user_id: caller.userId,
  name: input.name,
  token_hash: hashToken(text),
  permissions: [...new Set(input.permissions)],
  agent: input.agent ?? null,
  session_id: session,
  created_at: createdAt,
  // By the service's own time: a database whose clock is ahead must not make it last longer.
  expires_at: new Date(from.getTime() + input.expires_in * 1000),
  revoked_at: null,
  last_used_at: null,
});

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
