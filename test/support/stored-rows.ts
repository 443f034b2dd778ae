import { inTransaction } from '../../src/db/database.ts';
import type { Tables } from '../../src/db/tables/index.ts';
import { type Asked, createSeals } from '../../src/keys/index.ts';
import type { TestApp } from './app.ts';

type Stored = 'users' | 'tokens' | 'sessions' | 'secrets';

/** Changes a stored row as an earlier version of the service could have written it, with a seal that holds. */
export const storeAs = async <T extends Stored>(
  { app: { keys }, db: { db } }: TestApp,
  table: T,
  id: string,
  changes: Partial<Tables[T]>,
): Promise<void> => {
  const seals = createSeals(() => keys.held().sealKeys);
  await inTransaction(db, async (tx) => {
    const row = await seals.loadOne(tx, table, { id } as unknown as Asked<T>, { lock: 'update' });
    if (row === null) throw new Error(`no row of ${table} has the id ${id}`);
    await seals.update(tx, table, row, changes);
  });
};
