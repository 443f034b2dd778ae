import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { restoreBackup } from '../../src/backup/index.ts';
import { readConfig } from '../../src/config/config.ts';
import { operator } from '../../src/core/caller.ts';
import { prepareJobs } from '../../src/db/job-schema.ts';
import { asMigrator } from '../../src/db/open.ts';
import { newRootKey, startApp } from '../support/app.ts';
import { backUpHere } from '../support/backups.ts';
import { settableClock } from '../support/clock.ts';
import { freshDatabase } from '../support/database.ts';
import { storeJob } from '../support/jobs.ts';
import { expectStatus, logInAdmin, people } from '../support/people.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const dayMs = 24 * 3_600_000;

/** The backup is one of 40 days ago, and everything in it is due at once when it is restored. */
it('jobs of a backup do not run again but for an erasure, which waits until the operator releases the restore', async () => {
  const rootKey = newRootKey();
  await using directory = await makeTempDir();
  const [source, target] = [await freshDatabase(), await freshDatabase({ empty: true })];
  try {
    const before = await startApp({ database: source, rootKey });
    const root = await logInAdmin(before);
    const { ada } = await people(before, root, 'ada');
    expectStatus(await root.call('DELETE', `/users/${ada.id}`), 200);
    const erasure = await storeJob(before, { kind: 'erase', params: { user_id: ada.id }, cancellable: false });
    const rewrap = await storeJob(before, { kind: 'rewrap', state: 'running', started_at: before.clock.now() });
    const other = await storeJob(before, { kind: 'of-another-version' });
    const path = join(directory.path, 'backup');
    await writeFile(path, await backUpHere(source, before.app.keys.held().configured));
    const { configured: rootKeys } = before.app.keys.held();
    await before.close();

    const env = { KEYHOLD_DATABASE_URL: target.url('service'), KEYHOLD_MIGRATION_DATABASE_URL: target.url('migrator') };
    const onStep = () => () => undefined;
    const clock = settableClock(new Date(Date.now() + 40 * dayMs));
    const options = { config: readConfig(env), clock, rootKeys, identities: [], without: [], onStep };
    await restoreBackup(path, options, async () => undefined);
    const stateOf = async (id: string) =>
      (await target.client.query('select state from jobs where id = $1', [id])).rows[0].state;
    expect([await stateOf(rewrap), await stateOf(other)]).toEqual(['cancelled', 'cancelled']);
    expect(await stateOf(erasure)).toBe('queued');
    expect((await target.client.query('select 1 from heartbeats')).rows).toEqual([]);

    // As the start of a service does.
    const access = { migrator: target.settings('migrator'), service: target.settings('service'), serviceLogin: '' };
    await asMigrator(access, prepareJobs);
    const after = await startApp({ database: target, rootKey, clock });
    await vi.waitFor(async () => expect(await stateOf(erasure)).toBe('running'), 30_000);
    await after.app.domains.lifecycle.hold.release(operator('restore --release'));
    await vi.waitFor(async () => expect(await stateOf(erasure)).toBe('done'), { timeout: 90_000, interval: 100 });
    expect([await stateOf(rewrap), await stateOf(other)]).toEqual(['cancelled', 'cancelled']);
    await after.close();
  } finally {
    await source.drop();
    await target.drop();
  }
}, 180_000);
