import { afterAll, beforeAll, beforeEach } from 'vitest';
import { type StartOptions, startApp, type TestApp } from './app.ts';
import { settableClock } from './clock.ts';
import { lasting, logInAdmin, type Person, people, uniqueName } from './people.ts';
import { answerWith, type Receiver, startReceiver } from './receiver.ts';

const hour = 3_600_000;

/** A service, two receivers that it may send to, and a user for each test. */
export interface WebhookWorld {
  readonly app: TestApp;
  readonly receiver: Receiver;
  readonly other: Receiver;
  readonly admin: Person;
  /** By a token that lasts while the test moves the clock. */
  readonly ada: Person;
  newPerson(): Promise<Person>;
}

/** Sets a world up for the tests of a file. */
export const useWebhookWorld = (
  options: Pick<StartOptions, 'resolveName'> & { readonly allowed?: (receiver: Receiver) => string } = {},
): WebhookWorld => {
  const world = {} as { -readonly [Name in keyof WebhookWorld]: WebhookWorld[Name] };
  world.newPerson = async () => {
    const name = uniqueName('person').toLowerCase();
    const made = await people(world.app, world.admin, name);
    return await lasting(made[name] as Person, ['webhooks:manage', 'secrets:use']);
  };
  beforeAll(async () => {
    world.receiver = await startReceiver();
    world.other = await startReceiver();
    const { allowed, ...more } = options;
    const hosts = [world.receiver.host, world.other.host, ...(allowed ? [allowed(world.receiver)] : [])];
    world.app = await startApp({
      clock: settableClock(new Date(Date.now() + hour)),
      env: { KEYHOLD_WEBHOOK_ALLOWED_HOSTS: hosts.join(', ') },
      ...more,
    });
    world.admin = await lasting(await logInAdmin(world.app), ['webhooks:manage', 'admin']);
  });
  beforeEach(async () => {
    // What an earlier test left would be sent when the clock moves.
    await world.app.database.client.query('delete from webhooks');
    for (const one of [world.receiver, world.other]) {
      one.answer(answerWith(204));
      one.drop();
      one.renew();
    }
    world.ada = await world.newPerson();
  });
  afterAll(async () => {
    // Attempts that hang would keep the service.
    await Promise.all([world.receiver.close(), world.other.close()]);
    await world.app.close();
  });
  return world;
};
