import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { adminPassword, newRootKey } from '../support/app.ts';
import { isFull } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { send } from '../support/http.ts';
import { unlessOverloaded } from '../support/overload.ts';
import { logInAdmin, type Person, people, uniqueName } from '../support/people.ts';
import { type ServiceProcess, startService } from '../support/process.ts';
import { type Line, type Observation, openLine, startReaders } from './readers.ts';
import { type Given, type Users, type Withdrawal, withdrawals } from './withdrawals.ts';

const readersInAll = 16;

const told = ({ status, text }: Pick<Observation, 'status' | 'text'>): string =>
  status === 200 ? '200' : `${status} ${(JSON.parse(text) as { code: string }).code}`;

const reachMoment = async (at: number): Promise<void> => {
  // A timer may fire a little early by the wall clock, which is the one that decides.
  while (Date.now() < at) await new Promise((resolve) => setTimeout(resolve, Math.max(1, at - Date.now())));
};

describe('access that was withdrawn, over two service processes on one database', () => {
  let database: TestDatabase;
  let services: ServiceProcess[];
  let lines: Line[];
  let probes: readonly [Line, Line];
  let urls: readonly [string, string];
  let users: Users;

  beforeAll(async () => {
    database = await freshDatabase();
    const env = {
      KEYHOLD_DATABASE_URL: database.url('service'),
      KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
      KEYHOLD_ROOT_KEYS: newRootKey(),
      KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
      KEYHOLD_RATE_LIMIT: '1000000',
    };
    const first = await startService({ env });
    const second = await startService({ env });
    services = [first, second];
    urls = [first.url, second.url];
    lines = Array.from({ length: readersInAll }, (_, reader) => openLine(reader % 2 === 0 ? first.url : second.url));
    probes = [openLine(first.url), openLine(second.url)];
  });
  // Each kind has people of its own: what one kind takes from them is not missing in the next.
  beforeEach(async () => {
    const app = {
      call: (method: string, path: string, options = {}) =>
        unlessOverloaded(() => send(urls[0], method, `/api/v1${path}`, options)),
    };
    const admin = await logInAdmin(app);
    const names = (['ada', 'grace', 'linus'] as const).map((name) => uniqueName(name));
    const made = Object.values(await people(app, admin, ...names)) as [Person, Person, Person];
    users = { urls, admin, ada: made[0], grace: made[1], linus: made[2] };
  });
  afterAll(async () => {
    for (const line of [...lines, ...probes]) line.close();
    await Promise.all(services.map((service) => service.stop()));
    await database.drop();
  });

  /** Withdraws the access by one service. Resolves to the next answer of the other service, from which on it must be gone. */
  const withdraw = async (given: Given, round: number, enter: (phase: 'underway' | 'after') => void) => {
    const [here, there] = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    enter('underway');
    const answer = await given.take(users.urls[here]);
    if (given.until) await reachMoment(given.until());
    enter('after');
    const next = unlessOverloaded(() => probes[there].send(given.read));
    expect(answer.status, answer.text).toBeLessThan(300);
    return await next;
  };

  const check = (observed: readonly Observation[], refusal: string): void => {
    const before = observed.filter((one) => one.endedIn === 'before');
    const after = observed.filter((one) => one.startedIn === 'after');
    expect(new Set(before.map(told))).toEqual(new Set(['200']));
    expect(new Set(after.map(told))).toEqual(new Set([refusal]));
    expect(new Set(before.map((one) => one.reader)).size).toBe(readersInAll);
    expect(new Set(after.map((one) => one.reader)).size).toBe(readersInAll);
    for (const one of observed) expect(['200', refusal]).toContain(told(one));
  };

  const runRound = async (given: Given, refusal: string, round: number): Promise<void> => {
    const readers = startReaders(lines, given.read);
    await readers.warm;
    const next = await withdraw(given, round, readers.enter);
    expect(told(next)).toBe(refusal);
    check(await readers.done, refusal);
  };

  it.each(withdrawals)(
    'access is gone, at another service process too, with the answer to: $what',
    async ({ arrange, refusal }: Withdrawal) => {
      const give = await arrange(users);
      for (let round = 0; round < (isFull ? 200 : 12); round += 1) await runRound(await give(), refusal, round);
    },
  );
});
