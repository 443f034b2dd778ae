import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startApp } from '../support/app.ts';
import { isFull } from '../support/counts.ts';
import { expectStatus, logInAdmin, people, uniqueName } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { defer, settings, sharedDatabase, sharedRootKey, start } from '../support/shared-database-services.ts';
import { storeAs } from '../support/stored-rows.ts';

const kills = isFull ? 40 : 3;
const secrets = isFull ? 3000 : 250;
const dayMs = 24 * 3_600_000;

/** Three services; they look for what is due when they start, and one after the other is killed amid it. */
it('services that are killed at random remind once of each date and erase each deleted secret once, none early', async () => {
  const app = await startApp({ database: sharedDatabase(), rootKey: sharedRootKey() });
  const { ada } = await people(app, await logInAdmin(app), 'ada');
  const create = async (count: number, fields: object): Promise<string[]> => {
    const items = Array.from({ length: count }, () => ({ name: uniqueName(), type: 'other', value: 'v', ...fields }));
    const { body } = expectStatus(
      await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }),
      201,
    );
    return body.items.map(({ id }: { id: string }) => id);
  };
  const inDays = (days: number): string => new Date(Date.now() + days * dayMs).toISOString();
  const due = await create(secrets, { expires_at: inDays(20) });
  const later = await create(50, { expires_at: inDays(20) });
  const deleted = await create(isFull ? 500 : 100, {});
  const recoverable = await create(20, {});
  // As time would have made it: nobody waits for two weeks here.
  for (const id of due)
    await storeAs(app, 'secrets', id, {
      expires_at: new Date(Date.now() + 13.5 * dayMs),
      created_at: new Date(Date.now() - dayMs),
    });
  for (const id of deleted) await storeAs(app, 'secrets', id, { deleted_at: new Date(Date.now() - 31 * dayMs) });
  for (const id of recoverable) await storeAs(app, 'secrets', id, { deleted_at: new Date(Date.now() - 29.9 * dayMs) });
  await app.close();

  const count = async (query: string, ids: readonly string[]): Promise<{ rows: number; ids: number }> =>
    (await sharedDatabase().client.query(query, [ids])).rows[0];
  const reminders = (ids: readonly string[]) =>
    count(
      `select count(*)::int as rows, count(distinct secret_id)::int as ids from events
      where type = 'secret.expiring' and secret_id = any($1::uuid[])`,
      ids,
    );
  const purges = (ids: readonly string[]) =>
    count(
      `select count(*)::int as rows, count(distinct target_id)::int as ids from audit_log
      where action = 'secret.purge' and target_id = any($1::uuid[])`,
      ids,
    );

  const services: ServiceProcess[] = await Promise.all([1, 2, 3].map(() => startService({ env: settings() })));
  defer(async () => {
    for (const service of services) await service.stop();
  });
  for (let round = 0; round < kills; round += 1) {
    const at = round % services.length;
    await services[at]?.kill();
    services[at] = await startService({ env: settings() });
    await pause(50 * (round % 5));
  }
  // The last one does, when it starts, what is left.
  await start();
  await expect.poll(() => reminders(due), { timeout: 180_000, interval: 500 }).toEqual({ rows: secrets, ids: secrets });
  await expect
    .poll(() => purges(deleted), { timeout: 180_000, interval: 500 })
    .toEqual({ rows: deleted.length, ids: deleted.length });
  expect(await reminders(later)).toEqual({ rows: 0, ids: 0 });
  expect(await purges(recoverable)).toEqual({ rows: 0, ids: 0 });
  const { rows } = await sharedDatabase().client.query('select count(*)::int as left from secrets');
  expect(rows).toEqual([{ left: secrets + later.length + recoverable.length }]);
}, 600_000);
