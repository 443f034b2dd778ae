import { randomBytes, randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeAuditExport } from '../../src/audit/index.ts';
import { restoreBackup, withdrawSince } from '../../src/backup/index.ts';
import { readConfig } from '../../src/config/config.ts';
import { parseRootKey, type RootKeys } from '../../src/config/root-keys.ts';
import { systemClock } from '../../src/core/clock.ts';
import { inTransaction, overClient } from '../../src/db/database.ts';
import { inspectServiceKeys, rootKeyInMemory } from '../../src/keys/index.ts';
import { newRootKey, rootKeysOf, startApp } from '../support/app.ts';
import { backUpHere } from '../support/backups.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { expectStatus, logInAdmin, people } from '../support/people.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

let directory: TempDir;
let source: TestDatabase;
let backup: string;
let tokenId: string;
const [older, newer] = [newRootKey(), newRootKey()];
const sealKeyId = randomUUID();

/** A new seal key, as a rotation makes it: the newest seals. */
const addSealKey = async (rootKeys: RootKeys): Promise<void> => {
  const [key, at] = [randomBytes(32), new Date(Date.now() + 1000)];
  for (const root of rootKeys.keys) {
    const of = { purpose: 'seal.2', rowId: sealKeyId, ownerId: null };
    const wrapped = await rootKeyInMemory(root).wrap(of, key, at);
    await source.client.query(`insert into service_keys values ($1, $2, $3, $4, $5, 2, 'active', $5)`, [
      sealKeyId,
      root.id,
      'seal',
      wrapped,
      at,
    ]);
  }
};

const exportLog = async (name: string, rootKeys: RootKeys): Promise<string> => {
  const client = new pg.Client(source.settings('migrator'));
  await client.connect();
  try {
    const path = join(directory.path, name);
    let text = '';
    await inTransaction(overClient(client), async (tx) => {
      const { sealKeys } = await inspectServiceKeys(tx, rootKeys.keys);
      if (sealKeys === null) throw new Error('there is no seal key');
      await writeAuditExport(tx, {
        sealKeys,
        now: new Date(),
        write: async (line) => {
          text += line;
        },
      });
    });
    await writeFile(path, text);
    return path;
  } finally {
    await client.end();
  }
};

beforeAll(async () => {
  directory = await makeTempDir();
  source = await freshDatabase();
  const before = await startApp({ database: source, rootKey: older });
  const { ada } = await people(before, await logInAdmin(before), 'ada');
  const made = { name: 'made before', permissions: ['secrets:list'], expires_in: 3600 };
  tokenId = expectStatus(await ada.call('POST', '/auth/tokens', { body: made }), 201).body.id;
  backup = join(directory.path, 'backup');
  await writeFile(backup, await backUpHere(source, before.app.keys.held().configured));
  await before.close();
  await addSealKey(rootKeysOf(older, newer));
  const after = await startApp({ database: source, rootKey: `${older},${newer}` });
  const again = ada.with(ada.token);
  expectStatus(await after.call('DELETE', `/auth/tokens/${tokenId}`, { token: again.token }), 204);
  await after.close();
});
afterAll(async () => {
  await source.drop();
  await directory[Symbol.asyncDispose]();
});

const restoreSince = async (path: string, rootKeys: RootKeys) => {
  const target = await freshDatabase({ empty: true });
  const env = {
    KEYHOLD_DATABASE_URL: target.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: target.url('migrator'),
  };
  const onStep = () => () => undefined;
  const options = { config: readConfig(env), clock: systemClock, rootKeys, identities: [], without: [], onStep };
  try {
    const { result } = await restoreBackup(backup, options, (restored) =>
      withdrawSince(restored, { path, rootKeys, apply: true }),
    );
    const { rows } = await target.client.query('select revoked_at from tokens where id = $1', [tokenId]);
    return { taken: result.taken, isRevoked: rows[0].revoked_at !== null };
  } finally {
    await target.drop();
  }
};

describe('an export with records under a seal key that is newer than the backup', () => {
  it('such an export is verified with the root key that wraps the seal key in it', async () => {
    const path = await exportLog('both', rootKeysOf(older));
    const { taken, isRevoked } = await restoreSince(path, rootKeysOf(older));
    expect(taken).toMatchObject([{ what: 'token revoked', id: tokenId, state: 'applied' }]);
    expect(isRevoked).toBe(true);
  });

  it('such an export is refused by the name of the seal key where no root key opens it, and accepted with that root key', async () => {
    const first = parseRootKey(older);
    await source.client.query('delete from service_keys where id = $1 and root_key_id = $2', [sealKeyId, first?.id]);
    const path = await exportLog('newer', rootKeysOf(newer, older));
    await expect(restoreSince(path, rootKeysOf(older))).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(`seal key ${sealKeyId}`),
    });
    expect((await restoreSince(path, rootKeysOf(older, newer))).isRevoked).toBe(true);
  });
});
