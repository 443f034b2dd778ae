import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminPassword } from '../support/app.ts';
import { createWriter, type KeptSecret, type Writer } from '../support/busy-writers.ts';
import { count } from '../support/counts.ts';
import { deadlineFor, figures, until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { expectStatus, logIn, logInAdmin, type Person, people } from '../support/people.ts';

/** The service must be ready again within this time after a kill. */
const readyWithinMs = 5000;
const rounds = Math.max(2, count(20));
/** How many requests of the nine writers are answered in a round before the kill. */
const answersBeforeKill = 80;

let service: EmbeddedService;
let writers: Writer[];
beforeAll(async () => {
  service = await startEmbeddedService();
  const admin = await logInAdmin(service);
  const { ann, ben, cora, grantee } = await people(service, admin, 'ann', 'ben', 'cora', 'grantee');
  const longLived = await Promise.all([ann, ben, cora].map(withLongLivedToken));
  writers = [...longLived, ...longLived, ...longLived].map((person) => createWriter(person, grantee));
});
afterAll(() => service[Symbol.asyncDispose]());

const withDatabase = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
  const client = await service.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** The same person with a token that outlives all rounds, which an access token does not. */
const withLongLivedToken = async (person: Person): Promise<Person> => {
  const permissions = ['secrets:list', 'secrets:reveal', 'secrets:write', 'secrets:share', 'sessions:write'];
  const body = { name: 'long-lived', permissions, expires_in: 86_400 };
  return person.with(expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body.token);
};

/** Resolves once this many more requests were answered. */
const answeredMore = async (more: number): Promise<void> => {
  const before = worked().answered;
  await until(`${more} more requests are answered`, 10_000, async () => worked().answered - before >= more);
};

/** Runs `disaster` while all writers write, and resolves to its result. */
const underWrites = async (disaster: () => Promise<number>): Promise<number> => {
  const stop = new AbortController();
  const writing = writers.map((writer) => writer.run(stop.signal));
  try {
    await answeredMore(answersBeforeKill);
    const measured = await disaster();
    await answeredMore(answersBeforeKill / 4);
    return measured;
  } finally {
    stop.abort();
    await Promise.all(writing);
  }
};

/** The secret is as it was acknowledged. After a request without an answer, it is as before or as requested. */
const expectKept = async (writer: Writer, secret: KeptSecret): Promise<void> => {
  const { body } = await writer.person.call('GET', `/secrets/${secret.id}`);
  const { value, version } = (await writer.person.call('GET', `/secrets/${secret.id}/value`)).body;
  expect([...secret.value], secret.id).toContain(value);
  expect([...secret.description], secret.id).toContain(body.description);
  expect([...secret.shared], secret.id).toContain(body.shared_with.length === 1);
  expect(version, secret.id).toBeGreaterThanOrEqual(secret.versions);
  secret.value = new Set([value]);
  secret.description = new Set([body.description]);
  secret.shared = new Set([body.shared_with.length === 1]);
  secret.versions = version;
};

const expectOnce = async (client: Client, table: 'secrets' | 'sessions', column: string, names: readonly string[]) => {
  const { rows } = await client.query<{ name: string; times: number }>(
    `select ${column} as name, count(*)::int as times from ${table} where ${column} = any($1) group by 1`,
    [names],
  );
  expect(rows.filter(({ times }) => times !== 1)).toEqual([]);
  expect(rows.length).toBe(names.length);
};

const expectRecorded = async (client: Client, acknowledged: ReadonlyMap<string, string>): Promise<void> => {
  const { rows } = await client.query<{ user_agent: string; action: string }>(
    `select distinct user_agent, action from audit_log where outcome = 'allowed' and user_agent = any($1)`,
    [[...acknowledged.keys()]],
  );
  const recorded = new Set(rows.map((row) => `${row.user_agent} ${row.action}`));
  const missing = [...acknowledged].filter(([agent, action]) => !recorded.has(`${agent} ${action}`));
  expect(missing).toEqual([]);
};

/** Compares everything that was acknowledged with what is stored now. */
const expectNothingLost = async (): Promise<void> => {
  for (const writer of writers) {
    expect(writer.wrong).toEqual([]);
    await Promise.all(writer.secrets.map((secret) => expectKept(writer, secret)));
  }
  await withDatabase(async (client) => {
    await expectOnce(
      client,
      'secrets',
      'name',
      writers.flatMap(({ secrets }) => secrets.map(({ name }) => name)),
    );
    await expectOnce(
      client,
      'sessions',
      'title',
      writers.flatMap(({ sessions }) => sessions),
    );
    for (const writer of writers) await expectRecorded(client, writer.acknowledged);
  });
};

const worked = (): { answered: number; unanswered: number } => ({
  answered: writers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0),
  unanswered: writers.reduce((sum, { unanswered }) => sum + unanswered, 0),
});

const isReady = async (): Promise<boolean> => (await service.readiness()) === 200;

const disasters: Readonly<Record<string, () => Promise<number>>> = {
  service: async () => {
    const startedAt = performance.now();
    await service.process().kill();
    await service.restart();
    return Math.round(performance.now() - startedAt);
  },
  'database server': async () => {
    const pid = await service.postmaster();
    process.kill(pid, 'SIGKILL');
    return await until('the database is back', readyWithinMs, async () => {
      const now = await service.postmaster();
      return now !== 0 && now !== pid && (await isReady());
    });
  },
  'process of the database that serves a connection': async () => {
    const before = await withDatabase(async (client) => {
      const { rows } = await client.query<{ pid: number }>(
        `select pid from pg_stat_activity where application_name = 'keyhold' order by state = 'active' desc limit 1`,
      );
      const pid = rows[0]?.pid;
      if (pid === undefined) throw new Error('the service has no connection');
      process.kill(pid, 'SIGKILL');
      return pid;
    });
    return await until(
      'the database is back',
      readyWithinMs,
      async () => (await isRunning(before)) === false && (await isReady()),
    );
  },
};

/** Whether that backend is still running, or null while the server recovers and cannot tell. */
const isRunning = async (pid: number): Promise<boolean | null> => {
  try {
    return await withDatabase(async (client) => {
      const { rows } = await client.query('select 1 from pg_stat_activity where pid = $1', [pid]);
      return rows.length > 0;
    });
  } catch {
    return null;
  }
};

describe('acknowledged writes', () => {
  it.each(Object.keys(disasters))(
    'no acknowledged write is lost when the %s is killed, and the service is ready again by itself',
    { timeout: 1_800_000 },
    async (victim) => {
      const durations: number[] = [];
      const before = worked();
      for (let round = 0; round < rounds; round += 1) {
        durations.push(await underWrites(disasters[victim] as () => Promise<number>));
        await expectNothingLost();
        await logIn(service, 'admin', adminPassword);
      }
      const after = worked();
      // The kills must have interrupted some requests.
      expect(after.unanswered).toBeGreaterThan(before.unanswered);
      expect(Math.max(...durations)).toBeLessThan(deadlineFor(readyWithinMs));
      const repeated = writers.reduce((sum, writer) => sum + writer.repeated, 0);
      process.stderr.write(
        `kill -9 of the ${victim}: ready again after ${figures(durations)}; ` +
          `${after.answered - before.answered} answered, ${after.unanswered - before.unanswered} not, ` +
          `${repeated} repeated with their idempotency key so far\n`,
      );
    },
  );
});
