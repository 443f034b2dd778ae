import { afterEach, expect, it, vi } from 'vitest';
import { adminPassword, newRootKey } from '../support/app.ts';
import { freshDatabase } from '../support/database.ts';
import { callOn } from '../support/key-services.ts';
import { expectStatus, logInAdmin } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { answerWith, hang, startReceiver } from '../support/receiver.ts';

let stack = new AsyncDisposableStack();
afterEach(async () => {
  const ending = stack;
  stack = new AsyncDisposableStack();
  await ending.disposeAsync();
});

const events = 9;

it('a service that is killed amid deliveries loses none of them', async () => {
  const database = await freshDatabase();
  stack.defer(() => database.drop());
  const receiver = await startReceiver();
  stack.defer(() => receiver.close());
  const env = {
    KEYHOLD_DATABASE_URL: database.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
    KEYHOLD_ROOT_KEYS: newRootKey(),
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_WEBHOOK_ALLOWED_HOSTS: receiver.host,
  };
  let service: ServiceProcess = await startService({ env });
  stack.defer(async () => void (await service.kill()));
  const admin = await logInAdmin(callOn(service));
  const { id } = expectStatus(await admin.call('POST', '/webhooks', { body: { url: receiver.url } }), 201).body;
  // Some are answered, some are under way, some have not begun.
  let answered = 0;
  receiver.answer((...args) => (answered++ < 3 ? answerWith(204) : hang)(...args));
  const asked = new Set<string>();
  for (let sent = 0; sent < events; sent += 1)
    asked.add(expectStatus(await admin.call('POST', `/webhooks/${id}/test`), 200).body.event_id);
  await receiver.until(5);
  await service.kill();
  receiver.answer(answerWith(204));
  receiver.drop();
  // The time for which the killed service had taken them is over.
  await database.client.query("update webhook_deliveries set next_attempt_at = now() where state = 'pending'");
  service = await startService({ env });
  await vi.waitFor(
    async () => {
      const { rows } = await database.client.query('select distinct state from webhook_deliveries');
      expect(rows).toEqual([{ state: 'delivered' }]);
    },
    { timeout: 60_000, interval: 50 },
  );
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(asked);
});
