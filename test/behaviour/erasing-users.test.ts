import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deafHook, newRootKey, startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { isFull } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { examine } from '../support/doctor.ts';
import { storeJob } from '../support/jobs.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { remember } from '../support/remembered.ts';

let database: TestDatabase;
let app: TestApp;
let root: Person;
let friend: Person;
const shared = { clock: settableClock(), rootKey: newRootKey() };
beforeAll(async () => {
  database = await freshDatabase();
  app = await startApp({ ...shared, database });
  root = await logInAdmin(app);
  friend = await newUser('friend');
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;

const newUser = async (name: string, role = 'member'): Promise<Person> => {
  const body = { username: uniqueName(name), password, role };
  expectStatus(await root.call('POST', '/users', { body }), 201);
  return await logIn(app, body.username);
};

const importSecrets = async (owner: Person, count: number): Promise<void> => {
  const items = Array.from({ length: count }, () => ({ name: uniqueName('KEY'), type: 'other', value: 'the value' }));
  for (let from = 0; from < count; from += 500)
    expectStatus(
      await owner.call('POST', '/secrets/import', {
        body: { items: items.slice(from, from + 500), on_conflict: 'fail' },
      }),
      201,
    );
};

/** Every row that still names the user, by table; the record and the register may. */
const tracesOf = async (id: string): Promise<Record<string, number>> => {
  const [row] = await sql(
    `select (select count(*)::int from secrets where owner_id = $1) as secrets,
      (select count(*)::int from secret_versions v where not exists (select from secrets s where s.id = v.secret_id)
        or v.created_by = $1) as versions,
      (select count(*)::int from secrets where shared_with @> jsonb_build_array($1::text)) as shares,
      (select count(*)::int from sessions where owner_id = $1 and (status = 'active' or title is not null)) as sessions,
      (select count(*)::int from session_participants where user_id = $1 and left_at is null) as participations,
      (select count(*)::int from logins where user_id = $1) as logins,
      (select count(*)::int from tokens where user_id = $1) as tokens,
      (select count(*)::int from webhooks where owner_id = $1) as webhooks,
      (select count(*)::int from memory_entities e left join memory_scopes s on s.id = e.scope_id
        where e.author_id = $1 or e.id = $1 or s.user_id = $1) as memories,
      (select count(*)::int from idempotency_keys where user_id = $1) as repeats,
      (select count(*)::int from owner_keys where owner_id = $1) as keys`,
    [id],
  );
  return row;
};
const noTraces = {
  secrets: 0,
  versions: 0,
  shares: 0,
  sessions: 0,
  participations: 0,
  logins: 0,
  tokens: 0,
  webhooks: 0,
  memories: 0,
  repeats: 0,
  keys: 0,
};

const preview = async (by: Person, id: string) => expectStatus(await by.call('GET', `/users/${id}/erasure`), 200).body;
const erase = async (by: Person, id: string) => expectStatus(await by.call('DELETE', `/users/${id}`), 200).body;
const untilDone = (id: string) =>
  vi.waitFor(
    async () => {
      const job = expectStatus(await root.call('GET', `/admin/jobs/${id}`), 200).body;
      expect(job.state).toBe('done');
      return job;
    },
    { timeout: 120_000, interval: 50 },
  );

/** A user with something of everything. */
const userWithEverything = async (): Promise<Person & { readonly session: string }> => {
  const user = await newUser('everything');
  const given = await keepSecret(user, { scope: 'shared', shared_with: [friend.id] });
  expectStatus(await user.call('PUT', `/secrets/${given.id}/value`, { body: { value: 'another value' } }), 200);
  await keepSecret(user, {}, { headers: { 'idempotency-key': uniqueName('once') } });
  await keepSecret(friend, { scope: 'shared', shared_with: [user.id] });
  const session = (await startSession(user, [friend], { title: 'A release' })).id;
  await keepSecret(friend, { scope: 'session', session_id: session });
  await startSession(friend, [user]);
  const token = { name: 'a token', permissions: ['secrets:list'], expires_in: 3600 };
  expectStatus(await user.call('POST', '/auth/tokens', { body: token }), 201);
  expectStatus(await user.call('POST', '/webhooks', { body: { url: deafHook } }), 201);
  await remember(user, { observations: ['a memory'] });
  const gone = await keepSecret(user);
  expectStatus(await user.call('DELETE', `/secrets/${gone.id}`), 204);
  return { ...user, session };
};

describe('erasing an ordinary user', () => {
  it('an ordinary user is wholly gone when the erasure is answered, and the receipt says what the preview said', async () => {
    const user = await userWithEverything();
    const { counts } = await preview(root, user.id);
    const receipt = await erase(root, user.id);
    expect(receipt).toEqual({ user_id: user.id, complete: true, job_id: null, counts });
    expect(counts).toEqual({
      secrets: 3,
      versions: 1,
      shares: 1,
      sessions: 1,
      participations: 2,
      handovers: 0,
      logins: 1,
      tokens: 1,
      webhooks: 1,
      memories: 2,
    });
    expect(await tracesOf(user.id)).toEqual(noTraces);
    const [record] = await sql("select details from audit_log where action = 'user.erase' and target_id = $1", [
      user.id,
    ]);
    expect(record.details).toEqual(counts);
    expect(expectStatus(await root.call('DELETE', `/users/${user.id}`), 404).body.code).toBe('not_found');
  });

  it('users erase themselves, and are nobody from then on', async () => {
    const user = await userWithEverything();
    expect((await erase(user, user.id)).complete).toBe(true);
    expectStatus(await user.call('GET', '/auth/me'), 401);
    const body = { username: user.username, password };
    expectStatus(await app.call('POST', '/auth/login', { body }), 401);
  });
});

describe('the preview of an erasure', () => {
  it('users see the names of what others would lose, and administrators whom it concerns', async () => {
    const user = await userWithEverything();
    const own = await preview(user, user.id);
    const participants = [{ user_id: friend.id, username: friend.username, secrets: 1 }];
    const affected = [{ user_id: friend.id, username: friend.username }];
    expect(own).toMatchObject({
      username: user.username,
      shared_secrets_total: 1,
      shared_secrets: [{ name: expect.stringMatching(/^SECRET/), shared_with: affected }],
      running_sessions: [{ id: user.session, title: 'A release', participants }],
      blocking: [],
    });
    const theirs = await preview(root, user.id);
    expect(theirs).toMatchObject({
      counts: own.counts,
      shared_secrets: [{ id: own.shared_secrets[0].id, name: null, shared_with: affected }],
      running_sessions: [{ id: user.session, title: null, participants }],
    });
    expect(JSON.stringify(theirs)).not.toContain(own.shared_secrets[0].name);
    expect(await tracesOf(user.id)).not.toEqual(noTraces);
  });

  it('others get no preview, and their attempt is recorded', async () => {
    const user = await newUser('private');
    expect(expectStatus(await friend.call('GET', `/users/${user.id}/erasure`), 403).body.code).toBe(
      'permission_missing',
    );
    const records = await sql(
      "select outcome, reason from audit_log where action = 'user.erase_preview' and target_id = $1",
      [user.id],
    );
    expect(records).toEqual([{ outcome: 'refused', reason: 'permission_missing' }]);
    await preview(user, user.id);
    await erase(root, user.id);
    expectStatus(await root.call('GET', `/users/${user.id}/erasure`), 404);
  });

  it('the preview says that the last administrator cannot be erased, and what it advises works', async () => {
    const refused = expectStatus(await root.call('DELETE', `/users/${root.id}`), 409).body;
    expect((await preview(root, root.id)).blocking).toEqual([{ code: 'state_conflict', detail: refused.detail }]);
    expect(refused.detail).toContain('Make somebody else an administrator first');
    const successor = await newUser('successor');
    expectStatus(await root.call('PATCH', `/users/${successor.id}`, { body: { role: 'admin' } }), 200);
    expect((await preview(root, root.id)).blocking).toEqual([]);
    expect((await preview(await logIn(app, successor.username), successor.id)).blocking).toEqual([]);
    await erase(root, successor.id);
  });
});

describe('erasing a user with very much', () => {
  const many = isFull ? 20_000 : 900;

  it('everything of the user is out of reach at the answer, and a job deletes the rest and counts it once', async () => {
    const user = await newUser('big');
    await importSecrets(user, many);
    const given = await keepSecret(user, { scope: 'shared', shared_with: [friend.id] });
    expectStatus(await friend.call('GET', `/secrets/${given.id}/value`), 200);
    const { counts } = await preview(root, user.id);
    const receipt = await erase(root, user.id);
    expect(receipt.complete).toBe(false);
    expect(receipt.counts.secrets).toBeLessThan(counts.secrets);
    expectStatus(await friend.call('GET', `/secrets/${given.id}`), 404);
    expectStatus(await friend.call('GET', `/secrets/${given.id}/value`), 404);
    const list = expectStatus(await friend.call('GET', '/secrets?owner=others&limit=200'), 200).body;
    expect(list.secrets.map(({ id }: { id: string }) => id)).not.toContain(given.id);
    expectStatus(await user.call('GET', '/auth/me'), 401);
    expectStatus(await root.call('GET', `/users/${user.id}`), 404);
    expect(expectStatus(await root.call('DELETE', `/admin/jobs/${receipt.job_id}`), 409).body.code).toBe(
      'state_conflict',
    );
    const job = await untilDone(receipt.job_id);
    expect(job).toMatchObject({ kind: 'erase', params: { user_id: user.id }, counts });
    expect(job.done).toBe(job.total);
    expect(await tracesOf(user.id)).toEqual(noTraces);
    const [finished] = await sql("select details from audit_log where action = 'job.finish' and target_id = $1", [
      receipt.job_id,
    ]);
    expect(finished.details).toMatchObject({ kind: 'erase', counts });
  });

  it('no key of the user is left in the database from the answer on, and the doctor finds nothing wrong meanwhile', async () => {
    const user = await userWithEverything();
    // The purge comes to a lock before it comes to the secrets and the keys.
    await sql('begin');
    await sql('select 1 from secrets where shared_with @> jsonb_build_array($1::text) for update', [user.id]);
    const { job_id } = await erase(root, user.id);
    const keys = await sql('select state, wrapped_key from owner_keys where owner_id = $1', [user.id]);
    expect(keys).toEqual([{ state: 'destroyed', wrapped_key: '' }]);
    expect((await tracesOf(user.id))['secrets']).toBe(3);
    const findings = (await examine(app, true)).flatMap((check) => check.findings);
    await sql('commit');
    expect(findings).toEqual([]);
    await untilDone(job_id);
    expect(await tracesOf(user.id)).toEqual(noTraces);
  });

  it('two services that erase several users together leave nothing behind', async () => {
    const other = await startApp({ ...shared, database });
    const users = await Promise.all(['one', 'two', 'three'].map((name) => newUser(name)));
    for (const user of users) await importSecrets(user, 700);
    const receipts = await Promise.all(users.map((user) => erase(root, user.id)));
    for (const { job_id } of receipts) {
      const job = await untilDone(job_id);
      expect(job.counts.secrets).toBe(700);
      expect(job.done).toBe(job.total);
    }
    for (const user of users) expect(await tracesOf(user.id)).toEqual(noTraces);
    await other.close();
  });

  it('an erasure does not wait for rows of others that are locked, and a job deletes them later', async () => {
    const user = await userWithEverything();
    const { counts } = await preview(root, user.id);
    await sql('begin');
    await sql('select 1 from secrets where shared_with @> jsonb_build_array($1::text) for update', [user.id]);
    const receipt = await erase(root, user.id);
    expect(receipt).toMatchObject({ complete: false, counts: { ...counts, shares: 0, secrets: 0, versions: 0 } });
    expectStatus(await user.call('GET', '/auth/me'), 401);
    await sql('commit');
    expect(await untilDone(receipt.job_id)).toMatchObject({ counts });
    expect(await tracesOf(user.id)).toEqual(noTraces);
  });

  it('a job of an erasure deletes nothing of a user who is not erased', async () => {
    const user = await newUser('living');
    const kept = await keepSecret(user);
    const id = await storeJob(app, { kind: 'erase', params: { user_id: user.id }, cancellable: false });
    await vi.waitFor(async () => expect((await root.call('GET', `/admin/jobs/${id}`)).body.state).toBe('failed'), {
      timeout: 60_000,
      interval: 50,
    });
    expectStatus(await user.call('GET', `/secrets/${kept.id}/value`), 200);
  });
});
