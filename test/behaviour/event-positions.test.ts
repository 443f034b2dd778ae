import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import { operator } from '../../src/core/caller.ts';
import { newId, type SecretId } from '../../src/core/ids.ts';
import { type Database, inTransaction, type Tx } from '../../src/db/database.ts';
import { createPositions } from '../../src/events/index.ts';
import { createSeals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let database: Database;

beforeAll(async () => {
  app = await startApp();
  database = app.database.open(8);
});
afterAll(async () => {
  await database.close();
  await app.close();
});

const seals = () => createSeals(() => app.app.keys.held().sealKeys);

const tell = (tx: Tx, id: SecretId): Promise<void> =>
  createAudit({ clock: app.clock, seals: seals(), onRecord: () => undefined }).allow(
    tx,
    operator('test'),
    'secret.get',
    {
      details: {},
      tells: [{ type: 'secret.updated', to: [], secret: { id, revision: 1 } }],
    },
  );

/** Commits when it is told to. */
const held = async (id: SecretId) => {
  const { promise: written, resolve: isWritten } = Promise.withResolvers<void>();
  const { promise: end, resolve, reject } = Promise.withResolvers<void>();
  const done = inTransaction(database.db, async (tx) => {
    await tell(tx, id);
    isWritten();
    await end;
  });
  await written;
  return {
    commit: async () => {
      resolve();
      await done;
    },
    rollBack: async () => {
      reject(new Error('rolled back'));
      await expect(done).rejects.toThrow('rolled back');
    },
  };
};

it('a reader by position meets every committed event once, and a late one after those committed before it', async () => {
  const told: (SecretId | null)[] = [];
  const positions: number[] = [];
  const fanOut = async (_: Tx, rows: readonly { secret_id: SecretId | null; position: number | null }[]) => {
    told.push(...rows.map((row) => row.secret_id));
    positions.push(...rows.map((row) => row.position ?? 0));
  };
  const give = createPositions({ db: database.db, seals: seals(), fanOut });
  const [late, soon, never] = [newId<SecretId>(), newId<SecretId>(), newId<SecretId>()];
  while ((await give()) > 0);
  told.length = 0;

  const open = await held(late);
  const undone = await held(never);
  await inTransaction(database.db, (tx) => tell(tx, soon));
  await give();
  expect(told).toEqual([soon]);
  await undone.rollBack();
  await open.commit();
  await Promise.all([give(), give()]);
  await give();
  expect(told).toEqual([soon, late]);
  expect(positions).toEqual([...new Set(positions)].toSorted((a, b) => a - b));
});
