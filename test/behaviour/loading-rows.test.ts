import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toId, type UserId } from '../../src/core/ids.ts';
import { inTransaction } from '../../src/db/database.ts';
import type { RawRow } from '../../src/db/json-rows.ts';
import { createSeals, type Seals } from '../../src/keys/index.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { logInAdmin, people } from '../support/people.ts';

let app: TestApp;
let seals: Seals;
let ada: UserId;
let grace: UserId;

beforeAll(async () => {
  app = await startApp();
  const made = await people(app, await logInAdmin(app), 'ada', 'grace');
  [ada, grace] = [toId(made.ada.id), toId(made.grace.id)];
  seals = createSeals(() => app.app.keys.held().sealKeys);
});
afterAll(() => app.close());

const everyUser = async (): Promise<RawRow[]> =>
  (await sql<RawRow>`select * from public.users`.execute(app.db.db)).rows;

const roleOf = async (id: UserId): Promise<unknown> => (await everyUser()).find((row) => row['id'] === id)?.['role'];

describe('rows of a sealed table', () => {
  it('rows that were not asked for are dropped, by one id or by several', async () => {
    const rows = await everyUser();
    expect(rows.length).toBeGreaterThan(2);
    const idsFor = (id: UserId | readonly UserId[]) => seals.verify('users', rows, { id }).map((row) => row.id);
    expect(idsFor(ada)).toEqual([ada]);
    expect(new Set(idsFor([ada, grace]))).toEqual(new Set([ada, grace]));
    expect(idsFor([])).toEqual([]);
  });

  it('a row that is asked for by null does not hold a value there', async () => {
    const rows = await everyUser();
    expect(seals.verify('users', rows, { id: [ada], issuer: null })).toHaveLength(1);
    expect(seals.verify('users', rows, { id: [ada], password_hash: null })).toEqual([]);
    expect(await seals.load(app.db.db, 'users', { id: ada, issuer: null })).toHaveLength(1);
    expect(await seals.find(app.db.db, 'users', { id: ada, password_hash: null })).toEqual({
      row: null,
      broken: false,
    });
  });

  it('a row that was read twice is given once, and two rows are not the one that was asked for', async () => {
    const rows = await everyUser();
    expect(seals.verify('users', [...rows, ...rows], { id: ada })).toHaveLength(1);
    expect(await seals.loadOne(app.db.db, 'users', { id: ada })).toMatchObject({ id: ada });
    expect(await seals.loadOne(app.db.db, 'users', { id: [ada, grace] })).toBeNull();
    expect(await seals.find(app.db.db, 'users', { id: [ada, grace] })).toEqual({ row: null, broken: true });
  });

  it('what TypeScript narrows down is left out even if the statement finds it', async () => {
    const narrowedTo = (id: UserId) =>
      seals.load(
        app.db.db,
        'users',
        { id: [ada, grace] },
        { narrow: { sql: sql`true`, holds: (row) => row.id === id } },
      );
    expect((await narrowedTo(ada)).map(({ id }) => id)).toEqual([ada]);
    expect((await narrowedTo(grace)).map(({ id }) => id)).toEqual([grace]);
  });

  it('a change never seals what was altered after the row was verified', async () => {
    const change = (altered: object) =>
      inTransaction(app.db.db, async (tx) => {
        const row = await seals.loadOne(tx, 'users', { id: ada }, { lock: 'update' });
        if (row === null) throw new Error('there is no such user');
        await seals.update(tx, 'users', { ...row, ...altered }, { email: 'ada@example.test' });
      });
    await expect(change({ role: 'admin' })).rejects.toMatchObject({ code: 'integrity_broken' });
    expect(await roleOf(ada)).toBe('member');
    await change({});
    expect(await seals.loadOne(app.db.db, 'users', { id: ada })).toMatchObject({ email: 'ada@example.test' });
  });
});
