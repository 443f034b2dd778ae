import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import { operator } from '../../src/core/caller.ts';
import { newId, type SecretId } from '../../src/core/ids.ts';
import { type Database, inTransaction, type Tx } from '../../src/db/database.ts';
import { createPositions } from '../../src/events/index.ts';
import { createSeals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { untilTold } from '../support/event-stream.ts';
import { expectStatus, keepSecret, logInAdmin, people } from '../support/people.ts';

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

it('rows that cannot be read hold up no other event', async () => {
  const { ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace');
  await keepSecret(ada);
  const plant = (fields: { readonly revision?: string; readonly details?: string; readonly created_at?: string }) =>
    app.database.client.query(
      `insert into events (id, event_id, user_id, lead, type, revision, details, created_at, seal)
        select gen_random_uuid(), event_id, user_id, lead, type, $2, $3, $4, seal from events where user_id = $1 limit 1`,
      [ada.id, fields.revision ?? '1', fields.details ?? '{}', fields.created_at ?? '2026-01-01'],
    );
  await plant({ revision: '9223372036854775807' });
  await plant({ details: `{"number": ${'1'.repeat(400)}}` });
  await plant({ details: `${'['.repeat(3000)}${']'.repeat(3000)}` });
  for (const created_at of ['infinity', '-infinity', '294276-12-31', '4713-01-01 BC']) await plant({ created_at });
  const secret = await keepSecret(ada, { scope: 'shared', shared_with: [grace.id] });
  await untilTold(app);
  for (const who of [ada, grace]) expectStatus(await who.call('GET', '/notices'), 200);
  const { notices } = (await grace.call('GET', '/notices')).body;
  expect(notices.map((one: any) => one.secret.id)).toEqual([secret.id]);
});
