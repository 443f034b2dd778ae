import { type RawBuilder, sql } from 'kysely';
import type { Branch } from '../access/index.ts';
import { idsOf, type SecretId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { OwnerFilter, Scope, SecretState, SecretType } from '../core/secret-types.ts';
import type { Db, Tx } from '../db/database.ts';
import { type RawRow, readTogether } from '../db/json-rows.ts';
import { replanEachTime } from '../db/pool.ts';
import { columnNames } from '../db/tables/columns.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { Seals } from '../keys/index.ts';

/** All SQL of this domain. It chooses rows; the seals verify what is read before anything is decided by it. */

/** Secrets with everything that deciding about them takes, all seen at one moment and none of it verified. */
export interface SecretBundle {
  readonly dbNow: Date;
  readonly rows: Readonly<Record<'secrets' | 'owners' | 'presences' | 'keys', readonly RawRow[]>>;
  /** The rows that say whether the callers are let in still; without the columns that only say who they are. */
  readonly callers: Readonly<Record<'tokens' | 'logins' | 'users' | 'sessions', readonly RawRow[]>>;
}

export type LockMode = 'none' | 'update';

/** The rows that let callers in, by the ids of them. */
export interface CallerRowIds {
  readonly tokens: readonly string[];
  readonly logins: readonly string[];
  readonly users: readonly UserId[];
}

const noCallers: CallerRowIds = { tokens: [], logins: [], users: [] };

const secretColumns = (value: boolean): RawBuilder<unknown> =>
  sql.join(columnNames('secrets', value ? [] : ['encrypted_value']).map((column) => sql.ref(column)));

export interface BundleOptions {
  readonly lock: LockMode;
  readonly value: boolean;
  /** Callers whose own rows are looked at in the same moment. */
  readonly callers?: CallerRowIds;
}

/** Ids and seals are enough for rows that were verified before: with the same seal, nothing that decides has changed. */
const versions = (of: 'tokens' | 'logins' | 'users', ids: readonly string[]) => ({
  of,
  select: sql`select id, seal from ${sql.table(`public.${of}`)} where id = any(${ids}::uuid[])`,
});

/**
 * Everything that deciding about and opening these secrets takes, in one statement: each distinct owner, key and presence
 * once, found by its key however many rows the planner expects (an array, not a join). Presences are those of the secrets'
 * owners, and of the callers that `callers` names, in these sessions. Values are read only where they are asked for.
 */
export const loadSecretBundle = async (
  db: Db,
  ids: readonly SecretId[],
  sessions: readonly VerifiedSessionId[],
  { lock, value, callers }: BundleOptions,
): Promise<SecretBundle> => {
  const chosen = sql`with chosen as (select ${secretColumns(value)} from public.secrets
    where id = any(${ids}::uuid[]) ${sql.raw(lock === 'update' ? 'order by id for update' : '')})`;
  const { tokens, logins, users } = callers ?? noCallers;
  const bundle = {
    secrets: { of: 'secrets', select: sql`select * from chosen` },
    owners: {
      of: 'users',
      select: sql`select * from public.users where id = any(array(select owner_id from chosen))`,
    },
    presences: {
      of: 'session_participants',
      select: sql`select * from public.session_participants where session_id = any(${sessions}::uuid[])
        and user_id = any(array(select owner_id from chosen) || ${users}::uuid[])`,
    },
    keys: {
      of: 'owner_keys',
      select: sql`select * from public.owner_keys where id = any(array(select key_id from chosen))`,
    },
  } as const;
  if (callers === undefined) {
    const { dbNow, rows } = await readTogether(db, chosen, bundle);
    return { dbNow, rows, callers: { tokens: [], logins: [], users: [], sessions: [] } };
  }
  const { dbNow, rows } = await readTogether(db, chosen, {
    ...bundle,
    tokens: versions('tokens', tokens),
    logins: versions('logins', logins),
    users: versions('users', users),
    sessions: { of: 'sessions', select: sql`select * from public.sessions where id = any(${sessions}::uuid[])` },
  });
  return { dbNow, rows, callers: rows };
};

export interface SecretFilter {
  readonly scope?: Scope;
  readonly type?: SecretType;
  readonly tag?: string;
  readonly q?: string;
  readonly owner?: OwnerFilter;
  readonly sessionId?: string;
  readonly state?: SecretState;
  readonly names?: readonly string[];
  /** Of session secrets only those of this session; null: none. */
  readonly onlySession?: VerifiedSessionId | null;
}

const anywhere = (text: string): string => `%${text.replaceAll(/[\\%_]/g, (mark) => `\\${mark}`)}%`;

const stateCondition = (state: SecretFilter['state'], now: Date) => {
  const moment = sql`greatest(${now}::timestamptz, statement_timestamp())`;
  switch (state) {
    case 'deleted':
      return sql<boolean>`secrets.deleted_at is not null`;
    case 'inactive':
      return sql<boolean>`secrets.deleted_at is null and not secrets.is_active`;
    case 'expired':
      return sql<boolean>`secrets.deleted_at is null and secrets.is_active and secrets.expires_at <= ${moment}`;
    case 'live':
      return sql<boolean>`secrets.deleted_at is null and secrets.is_active and (secrets.expires_at is null or secrets.expires_at > ${moment})`;
    case undefined:
      return sql<boolean>`secrets.deleted_at is null`;
  }
};

/** Who looks for secrets, in which ways they can see them, and when. */
export interface Viewer {
  readonly userId: UserId;
  readonly branches: readonly Branch[];
  readonly now: Date;
}

const filtered = (db: Db, branch: Branch, filter: SecretFilter, { userId: me, now }: Omit<Viewer, 'branches'>) => {
  const { scope, type, tag, q, owner, sessionId, state, names, onlySession, ...unhandled } = filter;
  // A filter that this function does not handle would be ignored without a word, so that it must not compile.
  unhandled satisfies Record<string, never>;
  let query = db.selectFrom('secrets').where(branch.condition).where(stateCondition(state, now));
  if (scope !== undefined) query = query.where('secrets.scope', '=', scope);
  if (type !== undefined) query = query.where('secrets.type', '=', type);
  if (sessionId !== undefined) query = query.where('secrets.session_id', '=', sessionId);
  if (onlySession !== undefined) {
    query = query.where((eb) =>
      eb.or([eb('secrets.scope', '<>', 'session'), eb('secrets.session_id', '=', onlySession)]),
    );
  }
  if (names !== undefined) query = query.where('secrets.name', 'in', names);
  if (owner === 'me') query = query.where('secrets.owner_id', '=', me);
  if (owner === 'others') query = query.where('secrets.owner_id', '<>', me);
  if (tag !== undefined) query = query.where(sql<boolean>`secrets.tags @> ${JSON.stringify([tag])}::jsonb`);
  if (q !== undefined) {
    const pattern = anywhere(q);
    query = query.where((eb) =>
      eb.or([eb('secrets.name', 'ilike', pattern), eb('secrets.description', 'ilike', pattern)]),
    );
  }
  return query;
};

/** Ids of one row more than the page, newest first. Each way of seeing is cut to the page by itself, so none scans far. */
export const visibleIds = async (
  db: Db,
  viewer: Viewer,
  { filter, page }: { readonly filter: SecretFilter; readonly page: Page },
): Promise<SecretId[]> => {
  const { branches } = viewer;
  if (branches.length === 0) return [];
  const limit = page.limit + 1;
  const parts = branches.map((branch) => {
    let query = filtered(db, branch, filter, viewer).select('secrets.id');
    if (page.cursor !== null) query = query.where('secrets.id', '<', page.cursor);
    if (branch.pagedBy !== null)
      return sql`(${query.orderBy(`secrets.${branch.pagedBy}`).orderBy('secrets.id', 'desc').limit(limit)})`;
    // OFFSET keeps the order out of the inner plan, which would else look for these few through the ids of everybody.
    return sql`(select id from (${query} offset 0) as found order by id desc limit ${limit})`;
  });
  const { rows } = await sql<{
    id: unknown;
  }>`${sql.raw(replanEachTime)} ${sql.join(parts, sql` union all `)} order by id desc limit ${limit}`.execute(db);
  return idsOf(rows.map((row) => row.id));
};

/**
 * Names and ids of the owner's live secrets in one place (a session, or outside of sessions): those with these names, or
 * with `alike` also every name that ends in a hyphen and a number.
 */
export const namesInPlace = async (
  tx: Tx,
  ownerId: UserId,
  sessionId: string | null,
  names: readonly string[],
  alike = false,
): Promise<Map<string, SecretId>> => {
  if (names.length === 0) return new Map();
  const matching = alike
    ? sql<boolean>`(secrets.name = any(${names}::text[]) or secrets.name ~ '-[0-9]+$')`
    : sql<boolean>`secrets.name = any(${names}::text[])`;
  let query = tx
    .selectFrom('secrets')
    .select(['id', 'name'])
    .where('owner_id', '=', ownerId)
    .where('deleted_at', 'is', null);
  query = sessionId === null ? query.where('scope', '<>', 'session') : query.where('session_id', '=', sessionId);
  const rows = await query.where(matching).execute();
  return new Map(rows.map((row) => [row.name as string, row.id as SecretId]));
};

/** Those of these secrets that are intact and shared with the user, locked, without their values, which can be large. */
export const lockSharedWith = (seals: Seals, tx: Tx, userId: UserId, ids: readonly SecretId[]): Promise<SecretRow[]> =>
  seals.load(
    tx,
    'secrets',
    { id: ids, scope: 'shared' },
    {
      narrow: {
        sql: sql`shared_with @> ${JSON.stringify([userId])}::jsonb`,
        holds: (row) => row.shared_with.includes(userId),
      },
      orderBy: sql`id`,
      lock: 'update',
      except: ['encrypted_value'],
    },
  );
