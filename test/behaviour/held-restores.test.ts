import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { operator } from '../../src/core/caller.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createSeals, type Seals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';

let app: TestApp;
let seals: Seals;
beforeAll(async () => {
  app = await startApp();
  seals = createSeals(() => app.app.keys.held().sealKeys);
});
afterAll(() => app.close());
beforeEach(() => app.database.client.query('delete from restores'));

const restored = async (released_at: Date | null = null): Promise<string> => {
  const id = randomUUID();
  const at = app.clock.now();
  const row = { id, backup_id: randomUUID(), backup_created_at: at, restored_at: at, released_at };
  await inTransaction(app.db.db, (tx) => seals.insert(tx, 'restores', row));
  return id;
};

const isHeld = (): Promise<boolean> => inTransaction(app.db.db, (tx) => app.app.domains.lifecycle.hold.isHeld(tx));

describe('what is deleted because of its age', () => {
  it('nothing is held back in a database that was never restored, or whose restores are all released', async () => {
    expect(await isHeld()).toBe(false);
    await restored(app.clock.now());
    expect(await isHeld()).toBe(false);
  });

  it('everything is held back after a restore, until the operator releases it, which is recorded', async () => {
    await restored(app.clock.now());
    const ids = [await restored(), await restored()];
    expect(await isHeld()).toBe(true);
    expect((await app.app.domains.lifecycle.hold.held()).map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(await app.app.domains.lifecycle.hold.release(operator('restore --release'))).toBe(2);
    expect(await isHeld()).toBe(false);
    expect(await app.app.domains.lifecycle.hold.release(operator('restore --release'))).toBe(0);
    const { rows } = await app.database.client.query(`select details from audit_log where action = 'backup.release'`);
    expect(rows.map(({ details }) => details.restores.toSorted())).toEqual([[...ids].sort()]);
  });

  it('a release that somebody wrote into the database releases nothing', async () => {
    const id = await restored();
    await app.database.client.query('update restores set released_at = now() where id = $1', [id]);
    expect(await isHeld()).toBe(true);
    await app.database.client.query('update restores set released_at = null where id = $1', [id]);
    expect(await app.app.domains.lifecycle.hold.release(operator('restore --release'))).toBe(1);
    expect(await isHeld()).toBe(false);
  });
});
