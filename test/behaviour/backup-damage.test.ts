import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { restoreBackup, verifyBackup } from '../../src/backup/index.ts';
import { readConfig } from '../../src/config/config.ts';
import { systemClock } from '../../src/core/clock.ts';
import { newRootKey, rootKeysOf, startApp, type TestApp } from '../support/app.ts';
import { backUpHere } from '../support/backups.ts';
import { count, isFull, seed } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { expectStatus, keepSecret, logInAdmin, people } from '../support/people.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let app: TestApp;
let directory: TempDir;
let empty: TestDatabase;
/** A backup of a service that was only started. */
let small: Buffer;
const files: Record<string, { bytes: Buffer; identities: string[] }> = {};

const onRows = () => undefined;

/** A backup of the test's database, also as a file of this name. */
const backUp = async (name: string, recipients: readonly string[] = []): Promise<Buffer> => {
  const bytes = await backUpHere(app.database, app.app.keys.held().configured, recipients);
  await writeFile(join(directory.path, name), bytes);
  return bytes;
};

beforeAll(async () => {
  app = await startApp();
  directory = await makeTempDir();
  empty = await freshDatabase({ empty: true });
  small = await backUp('small');
  const { lovelace: ada } = await people(app, await logInAdmin(app), 'lovelace');
  // More than one chunk of age.
  for (let n = 0; n < 12; n += 1) await keepSecret(ada, { value: 'v'.repeat(8000) });
  const identity = await generateIdentity();
  files['the root key'] = { bytes: await backUp('root'), identities: [] };
  files['an age recipient'] = {
    bytes: await backUp('age', [await identityToRecipient(identity)]),
    identities: [identity],
  };
});
afterAll(async () => {
  await app.close();
  await empty.drop();
  await directory[Symbol.asyncDispose]();
});

/** Restores into the empty database, which is expected to fail. */
const restore = (
  path: string,
  identities: readonly string[],
  { rootKeys = app.app.keys.held().configured, onStep = (_step: string) => onRows } = {},
) => {
  const env = {
    KEYHOLD_DATABASE_URL: empty.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: empty.url('migrator'),
  };
  const options = { config: readConfig(env), clock: systemClock, rootKeys };
  return restoreBackup(path, { ...options, identities, without: [], onStep }, async () => undefined);
};

const expectUntouched = async (): Promise<void> => {
  const { rows } = await empty.client.query(
    `select count(*)::int as n from pg_class where relnamespace = 'public'::regnamespace`,
  );
  expect(rows[0].n).toBe(0);
};

const expectRefused = async (bytes: Buffer, identities: readonly string[], what: string): Promise<void> => {
  const path = join(directory.path, 'damaged');
  await writeFile(path, bytes);
  await expect(restore(path, identities), what).rejects.toMatchObject({
    code: expect.stringMatching(/^(invalid_request|state_conflict)$/),
  });
};

describe.each(['the root key', 'an age recipient'])('a backup for %s', (kind) => {
  const file = () => files[kind] as { bytes: Buffer; identities: string[] };

  it(`a backup for ${kind} with one flipped bit is refused before anything is touched`, async () => {
    const { bytes, identities } = file();
    const flip = async (at: number, bit: number): Promise<void> => {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8((damaged[at] ?? 0) ^ (1 << bit), at);
      await expectRefused(damaged, identities, `bit ${bit} of byte ${at} of ${bytes.length}`);
    };
    const clear = bytes.indexOf(10) + 400;
    // The beginning has all that is not simply encrypted.
    for (let at = 0; at < clear; at += isFull ? 1 : 17) await flip(at, at % 8);
    await flip(bytes.length - 1, 0);
    await fc.assert(fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), flip), { seed, numRuns: count(2000) });
    await expectUntouched();
  }, 600_000);

  it(`a backup for ${kind} that was cut off, continued or pieced together is refused before anything is touched`, async () => {
    const { bytes, identities } = file();
    const chunk = 64 * 1024 + 16;
    const start = bytes.length - Math.floor((bytes.length - 600) / chunk) * chunk;
    const wrong: [string, Buffer][] = [
      ['empty', Buffer.alloc(0)],
      ['only the first line', bytes.subarray(0, bytes.indexOf(10) + 1)],
      ['half', bytes.subarray(0, bytes.length / 2)],
      ['without its last byte', bytes.subarray(0, -1)],
      ['with a byte more', Buffer.concat([bytes, Buffer.from([0])])],
      ['twice', Buffer.concat([bytes, bytes])],
      ['without a part', Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + chunk)])],
    ];
    for (const [what, damaged] of wrong) await expectRefused(damaged, identities, what);
    await expectUntouched();
  });

  it(`a backup for ${kind} with the first line of another backup is refused`, async () => {
    const { bytes, identities } = file();
    const other = await backUp('other');
    const first = other.subarray(0, other.indexOf(10) + 1);
    await expectRefused(
      Buffer.concat([first, bytes.subarray(bytes.indexOf(10) + 1)]),
      identities,
      'another first line',
    );
    await expectUntouched();
  });

  it(`a backup for ${kind} that is as it was written verifies`, async () => {
    const { bytes, identities } = file();
    const path = join(directory.path, 'whole');
    await writeFile(path, bytes);
    const summary = await verifyBackup(path, { rootKeys: app.app.keys.held().configured, identities }, onRows);
    expect(summary.tables['secrets']).toBe(12);
    expect(summary.broken).toEqual({});
  });
});

describe('a backup', () => {
  it('a small backup is refused whichever of its bytes has a flipped bit', async () => {
    for (let at = 0; at < small.length; at += isFull ? 1 : 131) {
      const damaged = Buffer.from(small);
      damaged.writeUInt8((damaged[at] ?? 0) ^ (1 << (at % 8)), at);
      await expectRefused(damaged, [], `bit ${at % 8} of byte ${at} of ${small.length}`);
    }
    await expectUntouched();
    const path = join(directory.path, 'small');
    expect(
      (await verifyBackup(path, { rootKeys: app.app.keys.held().configured, identities: [] }, onRows)).broken,
    ).toEqual({});
  }, 900_000);

  it('a backup that is changed between verifying and loading is refused, and the database stays empty', async () => {
    const { bytes } = files['the root key'] as { bytes: Buffer };
    const path = join(directory.path, 'changing');
    for (const at of [bytes.length - 1, bytes.length / 2, bytes.indexOf(10) + 300]) {
      await writeFile(path, bytes);
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8((damaged[Math.floor(at)] ?? 0) ^ 1, Math.floor(at));
      const onStep = (step: string) => {
        if (step === 'load') writeFileSync(path, damaged);
        return onRows;
      };
      await expect(restore(path, [], { onStep })).rejects.toMatchObject({ code: 'invalid_request' });
      await expectUntouched();
    }
  });

  it('a backup names every root key that something in it needs, and a restore without one of them names that', async () => {
    const [older, newer] = [newRootKey(), newRootKey()];
    const database = await freshDatabase();
    try {
      await (await startApp({ database, rootKey: older })).close();
      const both = await startApp({ database, rootKey: `${newer},${older}` });
      await people(both, await logInAdmin(both), 'grace');
      const bytes = await backUpHere(database, both.app.keys.held().configured);
      await both.close();
      const [first, second] = both.app.keys.held().configured.keys.map(({ id }) => id);
      expect(JSON.parse(bytes.toString('latin1').split('\n')[0] ?? '')).toMatchObject({
        root_key: first,
        root_keys: [first, second],
      });
      const path = join(directory.path, 'two-keys');
      await writeFile(path, bytes);
      for (const [keys, missing] of [
        [newer, second],
        [older, first],
      ]) {
        const rootKeys = rootKeysOf(keys ?? '');
        await expect(restore(path, [], { rootKeys })).rejects.toMatchObject({
          message: expect.stringContaining(`needs root key ${missing}`),
        });
      }
      await expectUntouched();
      const swapped = rootKeysOf(older, newer);
      expect((await verifyBackup(path, { rootKeys: swapped, identities: [] }, onRows)).broken).toEqual({});
      // What is left of an owner key whose user is being erased needs no root key.
      await database.client.query(
        `update owner_keys set state = 'destroyed', wrapped_key = '' where root_key_id = $1`,
        [second],
      );
      const later = await backUpHere(database, both.app.keys.held().configured);
      expect(JSON.parse(later.toString('latin1').split('\n')[0] ?? '').root_keys).toEqual([first]);
    } finally {
      await database.drop();
    }
  });

  it('a backup does not need the root key that a destroyed owner key was wrapped under', async () => {
    const [older, newer] = [newRootKey(), newRootKey()];
    const database = await freshDatabase();
    const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;
    try {
      const before = await startApp({ database, rootKey: older });
      const { ada, grace } = await people(before, await logInAdmin(before), 'ada', 'grace');
      const { id } = await keepSecret(grace, { scope: 'shared', shared_with: [ada.id] });
      // Locked, so that the erasure leaves the share and what comes after it to its job.
      await sql('begin');
      await sql('select id from secrets where id = $1 for update', [id]);
      expect(expectStatus(await ada.call('DELETE', `/users/${ada.id}`), 200).body.complete).toBe(false);
      await before.close();
      const both = await startApp({ database, rootKey: `${newer},${older}` });
      expectStatus(await (await logInAdmin(both)).call('POST', '/admin/keys/rewrap'), 200);
      const [first, second] = both.app.keys.held().configured.keys.map((key) => key.id);
      const namedBy = (root: string | undefined) =>
        sql(`select state from owner_keys where root_key_id = $1 order by state`, [root]);
      await vi.waitFor(async () => expect(await namedBy(second)).toEqual([{ state: 'destroyed' }]), {
        timeout: 60_000,
        interval: 50,
      });
      await both.close();
      const rootKeys = rootKeysOf(newer);
      const path = join(directory.path, 'destroyed');
      await writeFile(path, await backUpHere(database, rootKeys));
      const { header, broken } = await verifyBackup(path, { rootKeys, identities: [] }, onRows);
      expect(header.root_keys).toEqual([first]);
      expect(broken).toEqual({});
    } finally {
      await sql('rollback');
      await database.drop();
    }
  });

  it('a backup shows nothing of names, values or people', async () => {
    const text = (await readFile(join(directory.path, 'root'))).toString('latin1');
    // Words long enough not to occur in random bytes.
    for (const word of ['lovelace', 'SECRET_', 'admin', 'argon2', 'secret.create']) expect(text).not.toContain(word);
  });

  /** The contents of the backup for age, written again as somebody could who has the identity and not the root key. */
  const forge = async (edit: (lines: string[]) => string[]): Promise<Buffer> => {
    const { bytes, identities } = files['an age recipient'] as { bytes: Buffer; identities: string[] };
    const end = bytes.indexOf(10) + 1;
    const decrypter = new Decrypter();
    decrypter.addIdentity(identities[0] ?? '');
    const text = Buffer.from(await decrypter.decrypt(bytes.subarray(end))).toString('latin1');
    const encrypter = new Encrypter();
    encrypter.addRecipient(await identityToRecipient(identities[0] ?? ''));
    const forged = Buffer.from(edit(text.split('\n')).join('\n'), 'latin1');
    return Buffer.concat([bytes.subarray(0, end), await encrypter.encrypt(forged)]);
  };

  /** Leaves the first row of a table out, and makes all digests and counts fit. */
  const withoutRow = (table: string) => (lines: string[]) => {
    const manifest = JSON.parse(lines[0] ?? '');
    const stored = manifest.tables.find(({ name }: any) => name === table);
    const at = lines.findIndex((line) => line.startsWith(`{"table":"${table}"`));
    const rows = lines.slice(at - 1 - stored.rows, at - 1).slice(1);
    const hash = createHash('sha256').update(Buffer.from(rows.map((row) => `${row}\n`).join(''), 'latin1'));
    const end = JSON.stringify({ table, rows: rows.length, sha256: hash.digest('hex') });
    const before = lines.slice(1, at - 1 - stored.rows);
    stored.rows -= 1;
    return [JSON.stringify(manifest), ...before, ...rows, '\\.', end, ...lines.slice(at + 1)];
  };

  it('a backup that was written again without a row is refused, since only the root key can prove it', async () => {
    const { identities } = files['an age recipient'] as { identities: string[] };
    const path = join(directory.path, 'forged');
    await writeFile(path, await forge(withoutRow('audit_log')));
    await expect(restore(path, identities)).rejects.toMatchObject({
      message: expect.stringContaining('was not made with this root key'),
    });
    await expectUntouched();
    await writeFile(path, await forge((lines) => lines));
    expect(
      (await verifyBackup(path, { rootKeys: app.app.keys.held().configured, identities }, onRows)).rows,
    ).toBeGreaterThan(0);
  });
});
