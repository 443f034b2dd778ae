import { sql } from 'kysely';
import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { OwnerKeyId } from '../core/ids.ts';
import type { Outcome, Tx } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import { sqlState } from '../db/postgres-errors.ts';
import { type SealedTableName, sealedTables, type Tables } from '../db/tables/index.ts';
import type { OwnerKeys, Seals } from '../keys/index.ts';

/** A row by its table and its primary key as text, its columns separated by spaces, as the doctor names it. */
export interface NamedRow {
  readonly table: SealedTableName;
  readonly key: string;
}

interface Deps {
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly ownerKeys: OwnerKeys;
}

const keyCondition = (table: SealedTableName, key: string) => {
  const columns: readonly string[] = sealedTables[table].key;
  const values = key.split(' ');
  if (values.length !== columns.length) throw malformed(table, columns);
  return sql.join(
    columns.map((column, at) => sql`${sql.ref(column)}::text = ${values[at]}`),
    sql` and `,
  );
};

const malformed = (table: string, columns: readonly string[]): KeyholdError =>
  new KeyholdError('invalid_request', `A row of ${table} is named by ${columns.join(' and ')}, separated by a space.`);

/** Rows that the service never deletes, and may not delete: each stands for something that must not be forgotten. */
const neverRemoved: Partial<Record<SealedTableName, string>> = {
  audit_log: 'Audit records are never removed; the keys that sealed them stay.',
  users: 'Users are never removed, so that their ids never come back.',
  closed_identities: 'Closed identities are never removed, so that those who were locked out stay out.',
  closed_identity_count: 'The count of closed identities is never removed.',
  restores: 'Restores are never removed.',
  holds: 'Jumps of the clock are never removed.',
  jobs: 'Jobs are never removed.',
  root_keys: 'Root keys are never removed, so that a retired one stays retired.',
};

const foreignKey = '23503';

const referred = (cause: unknown): KeyholdError =>
  new KeyholdError('state_conflict', 'Other rows refer to this one, so that it cannot be given up alone. Restore it.', {
    cause,
  });

/**
 * Removes rows that are of no use any more, since their seal is broken or no key opens them, and that keep an old key from being
 * retired. Each must be named.
 */
export const createGiveUp = ({ seals, audit, mutate, ownerKeys }: Deps) => {
  /** Whether a value still opens with the owner key that its row names. */
  const valueOpens = async (tx: Tx, row: Tables['secrets'] | Tables['secret_versions']): Promise<boolean> => {
    if (row.encrypted_value === null) return true;
    const secretId = 'secret_id' in row ? row.secret_id : row.id;
    const key = (await ownerKeys.byId(tx, [row.key_id])).get(row.key_id);
    return key?.decrypt({ secretId, version: row.version }, row.encrypted_value) !== null && key !== undefined;
  };

  const isOfUse = async (tx: Tx, table: SealedTableName, row: RawRow): Promise<boolean> => {
    if (!seals.isIntact(table, row)) return false;
    if (table === 'owner_keys') return (await ownerKeys.open(row as unknown as Tables['owner_keys'])) !== null;
    if (table === 'secrets') return await valueOpens(tx, row as unknown as Tables['secrets']);
    if (table === 'secret_versions') return await valueOpens(tx, row as unknown as Tables['secret_versions']);
    return true;
  };

  const remove = async (tx: Tx, { table, key }: NamedRow, row: RawRow): Promise<void> => {
    if (table === 'owner_keys') {
      const id = row['id'] as OwnerKeyId;
      await tx.deleteFrom('secret_versions').where('key_id', '=', id).execute();
      await tx.deleteFrom('secrets').where('key_id', '=', id).execute();
    }
    await sql`delete from ${sql.table(`public.${table}`)} where ${keyCondition(table, key)}`.execute(tx);
  };

  const giveUpLocked = async (tx: Tx, caller: Caller, named: NamedRow): Promise<Outcome<void>> => {
    const { table, key } = named;
    const refuse = (error: KeyholdError) =>
      audit.refuse(tx, caller, 'key.give_up', { target: { type: 'keys', id: null }, error });
    const { rows } = await sql<RawRow>`select * from ${sql.table(`public.${table}`)}
      where ${keyCondition(table, key)} for update`.execute(tx);
    const [row] = rows;
    if (!row) return await refuse(notFound());
    if (await isOfUse(tx, table, row))
      return await refuse(
        new KeyholdError(
          'state_conflict',
          `${table} ${key} is in order, and stays. Only rows that do not open are given up.`,
        ),
      );
    await remove(tx, named, row).catch((error: unknown) => {
      throw sqlState(error) === foreignKey ? referred(error) : error;
    });
    await audit.allow(tx, caller, 'key.give_up', { target: { type: 'keys', id: null }, details: { table, key } });
    return { ok: undefined };
  };

  /** Removes one row and what only it can open. Throws `state_conflict` for a row that is in order. */
  return async (caller: Caller, named: NamedRow): Promise<void> => {
    const reason = neverRemoved[named.table];
    if (reason !== undefined) throw new KeyholdError('invalid_request', `${reason} Restore the row from a backup.`);
    await mutate(caller, (tx) => giveUpLocked(tx, caller, named));
  };
};
