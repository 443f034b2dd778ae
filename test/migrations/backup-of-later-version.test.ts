import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { restoreBackup } from '../../src/backup/index.ts';
import { readConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { prepareSchema } from '../../src/db/grants.ts';
import { asMigrator } from '../../src/db/open.ts';
import { adminPassword, newRootKey, startApp, type TestApp } from '../support/app.ts';
import { backUpHere, contentsOf, differences, keyhold } from '../support/backups.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { keepSecret, logIn, logInAdmin, people } from '../support/people.ts';
import { startService } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

/** In this file Keyhold is a later version of itself: a migration has added a table. The version as it is runs as a process. */
vi.mock('../../src/db/migrations/index.ts', async (original) => {
  const { sql } = await import('kysely');
  const { migrations } = await original<{ migrations: Record<string, unknown> }>();
  type AnyDb = Parameters<typeof prepareSchema>[0];
  const later = {
    up: (db: AnyDb) =>
      sql
        .raw(`CREATE TABLE public.oddities (
            id int GENERATED ALWAYS AS IDENTITY,
            parent_id int,
            note text COLLATE "C",
            raw bytea,
            large jsonb,
            at timestamptz,
            lists text[],
            amount numeric,
            ratio float8,
            span interval,
            doubled numeric GENERATED ALWAYS AS (amount * 2) STORED,
            "a ""quoted"" column" text,
            PRIMARY KEY (id)
          );
          ALTER TABLE public.oddities ADD CONSTRAINT fk_parent FOREIGN KEY (parent_id) REFERENCES public.oddities;
          CREATE TABLE public.circle_a (id int PRIMARY KEY, b int);
          CREATE TABLE public.circle_b (id int PRIMARY KEY, a int REFERENCES public.circle_a);
          ALTER TABLE public.circle_a ADD CONSTRAINT fk_b FOREIGN KEY (b) REFERENCES public.circle_b;
          CREATE TABLE public.keyless (note text);
          CREATE SEQUENCE public.counter;`)
        .execute(db),
    down: (db: AnyDb) =>
      sql
        .raw(
          'DROP TABLE public.circle_a, public.circle_b, public.oddities, public.keyless; DROP SEQUENCE public.counter',
        )
        .execute(db),
  };
  return { migrations: { ...migrations, '9000-later': later } };
});

let directory: TempDir;
let source: TestDatabase;
let app: TestApp;
let count = 0;
const rootKey = newRootKey();
const onRows = () => undefined;

const migrated = async (database: TestDatabase): Promise<void> => {
  await asMigrator(
    { migrator: database.settings('migrator'), service: database.settings('service'), serviceLogin: 'keyhold_service' },
    (db) => prepareSchema(db, 'keyhold_service'),
  );
};

const backUp = async (database: TestDatabase): Promise<string> => {
  count += 1;
  const path = join(directory.path, `backup-${count}`);
  await writeFile(path, await backUpHere(database, app.app.keys.held().configured));
  return path;
};

const envOf = (database: TestDatabase) => ({
  KEYHOLD_DATABASE_URL: database.url('service'),
  KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
  KEYHOLD_ROOT_KEYS: rootKey,
});

const restoreInto = (database: TestDatabase, path: string, without: readonly string[] = []) =>
  restoreBackup(
    path,
    {
      config: readConfig(envOf(database)),
      clock: systemClock,
      rootKeys: app.app.keys.held().configured,
      identities: [],
      without,
      onStep: () => onRows,
    },
    async () => undefined,
  );

beforeAll(async () => {
  directory = await makeTempDir();
  source = await freshDatabase();
  // The earlier version fills the database; its backup is restored by the later one.
  const before = await startService({ env: { ...envOf(source), KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword } });
  await before.stop();
  await migrated(source);
  app = await startApp({ database: source, rootKey });
  const { ada } = await people(app, await logInAdmin(app), 'ada');
  await keepSecret(ada, { name: 'KEPT', value: 'kept' });
});
afterAll(async () => {
  await app.close();
  await source.drop();
  await directory[Symbol.asyncDispose]();
});

describe('a table that a migration adds', () => {
  it('a table that a migration adds is in the backup, with contents of every kind, and is written to after the restore', async () => {
    await source.client.query(`insert into public.oddities
        (note, raw, large, at, lists, amount, ratio, span, "a ""quoted"" column")
      values (E'tab\\t line\\n \\\\N \\\\. \\r ß🔑', '\\x0000ff00', '{"n": 123456789012345678901234567890.1234567890, "e": 1e-300}',
          'infinity', '{}', 'NaN', 'Infinity', '1 year 2 mons -3 days 04:05:06.789', ''),
        (null, '', '[]', '-infinity', array[null, '', 'NULL', E'a\\\\b,"c"'], 1e100, 0.1, null, null),
        ('', null, 'null', '4714-11-24 00:00:00+00 BC', null, 0.10, '-0', '0', 'x')`);
    await source.client.query('update public.oddities set parent_id = 4 - id');
    await source.client.query(`insert into public.circle_b values (1, null); insert into public.circle_a values (1, 1);
      update public.circle_b set a = 1; insert into public.keyless values ('same'), ('same'), (null);
      select nextval('public.counter') from generate_series(1, 41)`);
    const target = await freshDatabase({ empty: true });
    try {
      const before = await contentsOf(source.client);
      await restoreInto(target, await backUp(source));
      expect(differences(before, await contentsOf(target.client))).toEqual([]);
      const { rows } = await target.client.query(
        `insert into public.oddities (amount) values (21) returning id, doubled::int, nextval('public.counter')::int as next`,
      );
      expect(rows).toEqual([{ id: 4, doubled: 42, next: 42 }]);
      await expect(target.client.query('update public.oddities set parent_id = 99')).rejects.toThrow('fk_parent');
      await expect(target.client.query('update public.circle_a set b = 99')).rejects.toThrow('fk_b');
    } finally {
      await target.drop();
    }
  });
});

describe('a backup of another version', () => {
  it('a backup of an earlier version is restored and brought to this one', async () => {
    const earlier = await freshDatabase({ empty: true });
    const target = await freshDatabase({ empty: true });
    try {
      const path = join(directory.path, 'earlier');
      const old = { ...envOf(earlier), KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword };
      const service = await startService({ env: old });
      expect(await keyhold(old, 'backup', path)).toMatchObject({ code: 0 });
      await service.stop();
      await restoreInto(target, path);
      const { rows } = await target.client.query('select name from kysely_migration order by name desc limit 1');
      expect(rows).toEqual([{ name: '9000-later' }]);
      const restored = await startApp({ database: target, rootKey });
      expect((await logInAdmin(restored)).username).toBe('admin');
      await restored.close();
    } finally {
      await earlier.drop();
      await target.drop();
    }
  });

  it('a backup of a later version is refused by this one, which names what it does not know and touches nothing', async () => {
    const target = await freshDatabase({ empty: true });
    try {
      const refused = await keyhold(envOf(target), 'restore', await backUp(source));
      expect(refused).toMatchObject({ code: 2, err: expect.stringContaining('9000-later') });
      const { rows } = await target.client.query(
        `select count(*)::int as n from pg_class where relnamespace = 'public'::regnamespace`,
      );
      expect(rows[0].n).toBe(0);
    } finally {
      await target.drop();
    }
  });

  it('a table that no migration makes is named by the restore, and left out only when it is asked to', async () => {
    const target = await freshDatabase({ empty: true });
    try {
      await source.client.query('create table public.mine as select 1 as n');
      // Made by another role: without the right to read it, there is no backup, rather than one that lacks it.
      await expect(backUp(source)).rejects.toMatchObject({ message: expect.stringContaining('mine cannot be read') });
      await source.client.query('grant select on public.mine to public');
      const path = await backUp(source);
      await expect(restoreInto(target, path)).rejects.toMatchObject({
        code: 'state_conflict',
        message: expect.stringContaining('mine (1 rows)'),
      });
      await restoreInto(target, path, ['mine']);
      const restored = await startApp({ database: target, rootKey });
      const ada = await logIn(restored, 'ada');
      expect((await ada.call('GET', '/secrets')).body.secrets).toHaveLength(1);
      await restored.close();
    } finally {
      await source.client.query('drop table public.mine');
      await target.drop();
    }
  });
});
