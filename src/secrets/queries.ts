import { type RawBuilder, sql } from 'kysely';
import type { Branch } from '../access/index.ts';
import type { SecretId, UserId, VerifiedSessionId } from '../core/ids.ts';
import type { Page } from '../core/page.ts';
import type { SecretType } from '../core/secret-types.ts';
import type { Db, Tx } from '../db/database.ts';
import { columnNames } from '../db/joined.ts';
import { type JsonRow, jsonArray, rowOfJson } from '../db/json-rows.ts';
import { replanEachTime } from '../db/pool.ts';
import type { OwnerKeyRow, ParticipantRow, Scope, SecretRow, SecretVersionRow, UserRow } from '../db/tables/index.ts';

/** All SQL of this domain. Rows come unverified: `load.ts` asks for their seals. */

/** Secrets with what stands beside them, all seen at one moment: their owners, owners' presences, and the values' keys. */
export interface SecretBundle {
  readonly dbNow: Date;
  readonly secrets: readonly SecretRow[];
  readonly owners: readonly UserRow[];
  readonly presences: readonly ParticipantRow[];
  readonly keys: readonly OwnerKeyRow[];
}

export type LockMode = 'none' | 'update';

interface FoundJson {
  readonly now: string;
  readonly secrets: readonly JsonRow[];
  readonly owners: readonly JsonRow[];
  readonly presences: readonly JsonRow[];
  readonly keys: readonly JsonRow[];
}

const secretColumns = (value: boolean): RawBuilder<unknown> => {
  const columns = columnNames('secrets').filter((column) => value || column !== 'encrypted_value');
  return sql.join(columns.map((column) => sql.ref(column)));
};

/**
 * Everything that deciding about and opening these secrets takes, in one statement: each distinct owner, key and presence
 * once, found by its key however many rows the planner expects (an array, not a join). Presences are those of the secrets' owners in the sessions named. The values only where they are asked for.
 */
export const loadSecretBundle = async (
  db: Db,
  ids: readonly SecretId[],
  sessions: readonly VerifiedSessionId[],
  options: { readonly lock: LockMode; readonly value: boolean },
): Promise<SecretBundle> => {
  const lock = sql.raw(options.lock === 'update' ? 'order by id for update' : '');
  const { rows } = await sql<{ found: FoundJson }>`
    with chosen as (select ${secretColumns(options.value)} from secrets where id = any(${ids}::uuid[]) ${lock})
    select json_build_object('now', clock_timestamp(), 'secrets', ${jsonArray(sql`select * from chosen`)},
      'owners', ${jsonArray(sql`select * from users where id = any(array(select owner_id from chosen))`)},
      'presences', ${jsonArray(sql`select * from session_participants where session_id = any(${sessions}::uuid[])
        and user_id = any(array(select owner_id from chosen))`)},
      'keys', ${jsonArray(sql`select * from owner_keys where id = any(array(select key_id from chosen))`)}) as found`.execute(
    db,
  );
  const found = rows[0]?.found ?? { now: '', secrets: [], owners: [], presences: [], keys: [] };
  return {
    dbNow: new Date(found.now),
    secrets: found.secrets.map((row) => rowOfJson('secrets', row)),
    owners: found.owners.map((row) => rowOfJson('users', row)),
    presences: found.presences.map((row) => rowOfJson('session_participants', row)),
    keys: found.keys.map((row) => rowOfJson('owner_keys', row)),
  };
};

export interface SecretFilter {
  readonly scope?: Scope;
  readonly type?: SecretType;
  readonly tag?: string;
  readonly q?: string;
  readonly owner?: 'me' | 'others' | 'any';
  readonly sessionId?: string;
  readonly state?: 'live' | 'inactive' | 'expired' | 'deleted';
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

const filtered = (db: Db, branch: Branch, filter: SecretFilter, me: UserId, now: Date) => {
  let query = db.selectFrom('secrets').where(branch.condition).where(stateCondition(filter.state, now));
  if (filter.scope !== undefined) query = query.where('secrets.scope', '=', filter.scope);
  if (filter.type !== undefined) query = query.where('secrets.type', '=', filter.type);
  if (filter.sessionId !== undefined) query = query.where('secrets.session_id', '=', filter.sessionId);
  if (filter.onlySession !== undefined) {
    query = query.where((eb) =>
      eb.or([eb('secrets.scope', '<>', 'session'), eb('secrets.session_id', '=', filter.onlySession ?? null)]),
    );
  }
  if (filter.names !== undefined) query = query.where('secrets.name', 'in', filter.names);
  if (filter.owner === 'me') query = query.where('secrets.owner_id', '=', me);
  if (filter.owner === 'others') query = query.where('secrets.owner_id', '<>', me);
  if (filter.tag !== undefined)
    query = query.where(sql<boolean>`secrets.tags @> ${JSON.stringify([filter.tag])}::jsonb`);
  if (filter.q !== undefined) {
    const pattern = anywhere(filter.q);
    query = query.where((eb) =>
      eb.or([eb('secrets.name', 'ilike', pattern), eb('secrets.description', 'ilike', pattern)]),
    );
  }
  return query;
};

/** Ids of one row more than the page, newest first. Each way of seeing is cut to the page by itself, so none scans far. */
export const visibleIds = async (
  db: Db,
  branches: readonly Branch[],
  filter: SecretFilter,
  me: UserId,
  now: Date,
  page: Page,
): Promise<SecretId[]> => {
  if (branches.length === 0) return [];
  const limit = page.limit + 1;
  const parts = branches.map((branch) => {
    let query = filtered(db, branch, filter, me, now).select('secrets.id');
    if (page.cursor !== null) query = query.where('secrets.id', '<', page.cursor as SecretId);
    if (branch.pagedBy !== null)
      return sql`(${query.orderBy(`secrets.${branch.pagedBy}`).orderBy('secrets.id', 'desc').limit(limit)})`;
    // OFFSET keeps the order out of the inner plan, which would else look for these few through the ids of everybody.
    return sql`(select id from (${query} offset 0) as found order by id desc limit ${limit})`;
  });
  const { rows } = await sql<{
    id: SecretId;
  }>`${sql.raw(replanEachTime)} ${sql.join(parts, sql` union all `)} order by id desc limit ${limit}`.execute(db);
  return rows.map((row) => row.id);
};

export interface CountRow {
  readonly scope: Scope;
  readonly type: SecretType;
  readonly state: 'live' | 'inactive' | 'expired';
  readonly mine: boolean;
  readonly count: number;
}

/** How many secrets the caller sees, by scope, type, state and whether they are the caller's own. */
export const countVisible = async (db: Db, branches: readonly Branch[], me: UserId, now: Date): Promise<CountRow[]> => {
  if (branches.length === 0) return [];
  const moment = sql`greatest(${now}::timestamptz, statement_timestamp())`;
  const parts = branches.map(
    (branch) =>
      sql`(${filtered(db, branch, {}, me, now).select(['secrets.scope', 'secrets.type', 'secrets.is_active', 'secrets.expires_at', 'secrets.owner_id'])})`,
  );
  const { rows } = await sql<CountRow>`select scope, type, owner_id = ${me} as mine, count(*) as count,
    case when not is_active then 'inactive' when expires_at <= ${moment} then 'expired' else 'live' end as state
    from (${sql.join(parts, sql` union all `)}) as visible group by 1, 2, 3, 5`.execute(db);
  return rows;
};

/**
 * Names and ids of the owner's live secrets in one place (a session, or outside of sessions): those with these names, or
 * with `alike` also those whose names continue one of them with a number.
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
  return new Map(rows.map((row) => [row.name, row.id]));
};

export const versionsOf = (db: Db, id: SecretId): Promise<SecretVersionRow[]> =>
  db.selectFrom('secret_versions').selectAll().where('secret_id', '=', id).orderBy('version', 'desc').execute();

export const lockVersionsUpTo = (tx: Tx, id: SecretId, version: number): Promise<SecretVersionRow[]> =>
  tx
    .selectFrom('secret_versions')
    .selectAll()
    .where('secret_id', '=', id)
    .where('version', '<=', version)
    .where('destroyed_at', 'is', null)
    .forUpdate()
    .execute();

export const deleteSecret = async (tx: Tx, id: SecretId): Promise<void> => {
  await tx.deleteFrom('secrets').where('id', '=', id).execute();
};

/** Deletes every secret of the owner, versions included; resolves to how many. */
export const deleteOwned = async (tx: Tx, ownerId: UserId): Promise<number> => {
  const { numDeletedRows } = await tx.deleteFrom('secrets').where('owner_id', '=', ownerId).executeTakeFirst();
  return Number(numDeletedRows);
};

/** Secrets shared with the user, without their values: others decide how many and how large they are. */
export const lockSharedWith = (tx: Tx, userId: UserId): Promise<SecretRow[]> =>
  tx
    .selectFrom('secrets')
    .select(columnNames('secrets', ['encrypted_value']) as (keyof SecretRow)[])
    .where('scope', '=', 'shared')
    .where(sql<boolean>`shared_with @> ${JSON.stringify([userId])}::jsonb`)
    .orderBy('id')
    .forUpdate()
    .execute();
