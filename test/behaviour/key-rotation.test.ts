import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { inTransaction } from '../../src/db/database.ts';
import { type SealedTableName, sealedTables } from '../../src/db/tables/index.ts';
import { createSeals } from '../../src/keys/index.ts';
import type { TestApp } from '../support/app.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { examine, findings } from '../support/doctor.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  password,
  people,
  startSession,
} from '../support/people.ts';
import { finished, type KeyFile, keyFile, keysOf, newKey, rootKeyOf, rotated } from '../support/rotating.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

const minute = 60_000;

let directory: TempDir;
let database: TestDatabase;
let app: TestApp;
let file: KeyFile;
let admin: Person;
let ada: Person;
let grace: Person;
const first = newKey();

const sql = async (text: string, values: unknown[] = []) => (await database.client.query(text, values)).rows;

beforeAll(async () => {
  directory = await makeTempDir();
});
afterAll(() => directory[Symbol.asyncDispose]());

beforeEach(async () => {
  database = await freshDatabase();
  file = await keyFile(join(directory.path, `${database.name}.key`), first.text);
  app = await file.start({ database });
  admin = await logInAdmin(app);
  ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
});
afterEach(async () => {
  await app.close();
  await database.drop();
});

const reload = () => admin.call('POST', '/admin/keys/reload');

/** Starts a rotation, again where a heartbeat of another service held the keys for longer than a request may wait. */
const start = async (route: 'rotate-root' | 'rotate-seal') => {
  for (;;) {
    const answer = await admin.call('POST', `/admin/keys/${route}`);
    if (answer.status !== 503) return expectStatus(answer, 200).body;
  }
};

/** Waits until this many statements of the service wait for a lock. */
const waitForWaiting = (count: number) =>
  vi.waitFor(
    async () => {
      const waiting = await sql(`select pid from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()`);
      expect(waiting).toHaveLength(count);
    },
    { timeout: 10_000, interval: 20 },
  );

const revealed = async (who: Person, id: string) =>
  expectStatus(await who.call('GET', `/secrets/${id}/value`), 200).body.value;

/** A secret in every state in which it keeps a value, and what they hold. */
const keepAll = async () => {
  const own = await keepSecret(ada, { value: 'own' });
  const versions = await keepSecret(ada, { value: 'first' });
  expectStatus(await ada.call('PUT', `/secrets/${versions.id}/value`, { body: { value: 'second' } }), 200);
  const shared = await keepSecret(ada, { value: 'shared', scope: 'shared', shared_with: [grace.id] });
  const session = await startSession(ada, [grace], { external_id: 'work' });
  const lent = await keepSecret(ada, { value: 'lent', scope: 'session', session_id: session.id });
  const deleted = await keepSecret(ada, { value: 'deleted' });
  expectStatus(await ada.call('DELETE', `/secrets/${deleted.id}`), 204);
  return { own, versions, shared, lent, deleted };
};

const expectAll = async ({ own, versions, shared, lent, deleted }: Awaited<ReturnType<typeof keepAll>>) => {
  expect(await revealed(ada, own.id)).toBe('own');
  expect(await revealed(grace, shared.id)).toBe('shared');
  const inSession = await grace.call('GET', `/secrets/${lent.id}/value`, { session: 'work' });
  expect(expectStatus(inSession, 200).body.value).toBe('lent');
  expectStatus(await ada.call('POST', `/secrets/${deleted.id}/recover`), 200);
  expect(await revealed(ada, deleted.id)).toBe('deleted');
  expectStatus(await ada.call('POST', `/secrets/${versions.id}/versions/1/restore`), 201);
  expect(await revealed(ada, versions.id)).toBe('first');
};

/** Everything of secrets and versions but which key they need. */
const unchanged = () =>
  sql(`select id, owner_id, name, scope, version, revision, updated_at, value_set_at, rotate_after, deleted_at
    from secrets order by id`);

describe('the root key', () => {
  it('owner keys move to the new primary key, and the old one can be removed once nothing needs it', async () => {
    const kept = await keepAll();
    const next = newKey();
    await file.write(first.text, next.text);
    expectStatus(await reload(), 200);
    await file.write(next.text, first.text);
    expectStatus(await reload(), 200);
    const before = await rootKeyOf(admin, first.id);
    expect(before).toMatchObject({ state: 'current', owner_keys: 3 });
    await file.write(next.text);
    const refused = expectStatus(await reload(), 409).body;
    expect(refused.detail).toContain(`${first.id} (3 owner keys)`);
    await expect(file.start({ database })).rejects.toThrow(`${first.id} (3 owner keys)`);
    const job = await rotated(app, admin, 'rewrap');
    expect(job).toMatchObject({ total: 3, done: 3, failed: 0 });
    expect(await rootKeyOf(admin, first.id)).toMatchObject({ owner_keys: 0, unused_since: expect.any(String) });
    // Those who are logged in still need it, and so does the service that has it to verify their tokens.
    expect(expectStatus(await reload(), 409).body.detail).toContain('3 logins need it');
    await expectAll(kept);
    const again = await file.start({ database });
    expect((await again.call('GET', '/secrets', { token: ada.token })).status).toBe(401);
    expect(await revealed(await logIn(again, 'ada'), kept.own.id)).toBe('own');
    await again.close();
    expect(await findings(true, app)).toEqual({});
  });

  it('a rotation in file mode does everything, and goes on where it was interrupted', async () => {
    const kept = await keepAll();
    const started = expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 200).body;
    expect(started.state).toBe('rewrapping');
    await finished(app, admin, started.job.id);
    const { root_keys } = await keysOf(admin);
    expect(root_keys.map(({ id, state, owner_keys }: any) => [id, state, owner_keys])).toEqual([
      [started.root_key_id, 'primary', 3],
      [first.id, 'current', 0],
    ]);
    await expectAll(kept);
    const restarted = await file.start({ database });
    expect(await revealed(await logIn(restarted, 'ada'), kept.own.id)).toBe('own');
    await restarted.close();
  });

  it('a new key waits for a service that reads another file, by name, and goes on when it has it', async () => {
    const otherFile = await keyFile(`${file.path}.other`, first.text);
    const other = await otherFile.start({ database, clock: app.clock });
    const waiting = expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 200).body;
    expect(waiting).toMatchObject({ state: 'waiting' });
    expect(waiting.waiting_for).toEqual([expect.stringContaining(other.app.keys.serviceId.slice(0, 8))]);
    const again = expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 200).body;
    expect(again).toEqual(waiting);
    expect((await keysOf(admin)).root_keys[0]).toMatchObject({ id: first.id, state: 'primary' });
    const [, added] = app.app.keys.held().configured.keys;
    await otherFile.write(first.text, `${added?.key.expose().toString('base64url')}=`);
    await other.app.keys.reload();
    const going = expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 200).body;
    expect(going).toMatchObject({ state: 'rewrapping', root_key_id: waiting.root_key_id });
    // The other service still prefers the old key; the job waits for it.
    await otherFile.write(`${added?.key.expose().toString('base64url')}=`, first.text);
    await other.app.keys.reload();
    await finished(app, admin, going.job.id);
    expect(await rootKeyOf(admin, first.id)).toMatchObject({ owner_keys: 0 });
    await other.close();
  });

  it('a service that reads the same file takes up what another one wrote to it', async () => {
    const other = await file.start({ database, clock: app.clock });
    const waiting = await start('rotate-root');
    expect(waiting.state).toBe('waiting');
    await other.app.keys.beat();
    const going = await start('rotate-root');
    await other.app.keys.beat();
    await finished(app, admin, going.job.id);
    expect(other.app.keys.held().rootKeys[0].id).toBe(going.root_key_id);
    await other.close();
  });

  it('nobody is logged out for a root key that cannot be retired, and everybody who needs it for one that can', async () => {
    const next = newKey();
    await file.write(first.text, next.text);
    expectStatus(await reload(), 200);
    await file.write(next.text, first.text);
    expectStatus(await reload(), 200);
    const recent = await logInAdmin(app);
    const retire = (root_key_id: string) =>
      recent.call('POST', '/admin/keys/retire', { body: { root_key_id, end_logins: true } });
    const living = () => sql(`select user_id from logins where ended_at is null and root_key_id = $1`, [first.id]);
    expect(expectStatus(await retire(first.id), 409).body.detail).toContain('3 owner keys');
    expectStatus(await retire('0123456789abcdef'), 404);
    expect(await living()).toHaveLength(3);
    await rotated(app, admin, 'rewrap');
    // What keeps it from being retired now is the time that access tokens last.
    expect(expectStatus(await retire(first.id), 409).body.detail).toContain('Access tokens');
    expect(await living()).toEqual([]);
  });

  it('of two who replace the root key at the same moment, one adds a key', async () => {
    // Nobody changes keys before both have decided to add one, and recorded it.
    await sql('begin');
    await sql('select pg_advisory_xact_lock(7403117205)');
    const rotating = [1, 2].map(() => admin.call('POST', '/admin/keys/rotate-root'));
    await vi.waitFor(
      async () => expect(await sql(`select id from audit_log where action = 'key.rotate_root'`)).toHaveLength(2),
      { timeout: 10_000, interval: 20 },
    );
    await sql('commit');
    const answers = await Promise.all(rotating);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const { root_keys } = await keysOf(admin);
    expect(root_keys.map(({ state }: any) => state)).toEqual(['primary', 'current']);
  });

  it('a line that is no key is not removed from the file by a rotation', async () => {
    await file.write(first.text, first.text.slice(0, 20));
    const before = await readFile(file.path, 'utf8');
    expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 409);
    expect(await readFile(file.path, 'utf8')).toBe(before);
    await file.write(first.text);
    expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 200);
  });

  it('a key is not retired while somebody is being created under it', async () => {
    const [second, third] = [newKey(), newKey()];
    // It becomes the primary key, but never signs: nothing but what it wraps keeps it from being retired.
    for (const list of [
      [first, second],
      [second, first],
      [second, first, third],
    ]) {
      app.clock.advance(1000);
      await file.write(...list.map(({ text }) => text));
      expectStatus(await reload(), 200);
    }
    await sql('begin');
    await sql('lock table users in share row exclusive mode');
    const creating = admin.call('POST', '/users', { body: { username: 'edsger', password } });
    await waitForWaiting(1);
    await file.write(third.text, second.text, first.text);
    expectStatus(await reload(), 200);
    const retiring = admin.call('POST', '/admin/keys/retire', { body: { root_key_id: second.id } });
    await waitForWaiting(2);
    await sql('commit');
    expectStatus(await creating, 201);
    expect(expectStatus(await retiring, 409).body.detail).toBe(
      `Root key ${second.id} is still needed. It wraps 1 owner key. Run "keyhold keys rewrap".`,
    );
    await rotated(app, admin, 'rewrap');
    expectStatus(await admin.call('POST', '/admin/keys/retire', { body: { root_key_id: second.id } }), 200);
    const again = await file.start({ database });
    await keepSecret(await logIn(again, 'edsger'));
    await again.close();
  });

  it('a retired key is neither published nor accepted, even where it is still configured', async () => {
    const old = await logIn(app, 'ada');
    app.clock.advance(minute);
    const { job, root_key_id } = expectStatus(await admin.call('POST', '/admin/keys/rotate-root'), 200).body;
    await finished(app, admin, job.id);
    const retire = (more: object = {}) =>
      admin.call('POST', '/admin/keys/retire', { body: { root_key_id: first.id, ...more } });
    const needed = expectStatus(await retire(), 409).body.detail;
    expect(needed).toMatch(/logins need it/);
    expect((await keysOf(admin)).root_keys.map(({ logins }: any) => logins)).toEqual([0, 4]);
    // Tokens are signed with the new key only after it was published for as long as others may keep the old list.
    const published = async () =>
      ((await (await fetch(`${app.url}/.well-known/jwks.json`)).json()) as { keys: any[] }).keys.map(
        ({ kid }: any) => kid,
      );
    const kids = await published();
    expect(kids).toHaveLength(2);
    const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
    expect(kidOf((await logIn(app, 'ada')).token)).toBe(kids[1]);
    app.clock.advance(6 * minute);
    // A heartbeat that was under way already does not know the time yet.
    await vi.waitFor(
      async () => {
        await app.app.keys.beat();
        expect(kidOf((await logIn(app, 'ada')).token)).toBe(kids[0]);
      },
      { timeout: 30_000, interval: 100 },
    );
    const fresh = await logInAdmin(app);
    expectStatus(await old.call('GET', '/secrets'), 200);
    const refreshed = expectStatus(
      await app.call('POST', '/auth/refresh', { body: { refresh_token: old.refreshToken } }),
      200,
    );
    expect((await rootKeyOf(fresh, first.id)).logins).toBe(3);
    const early = expectStatus(
      await fresh.call('POST', '/admin/keys/retire', { body: { root_key_id: first.id, end_logins: true } }),
      409,
    );
    expect(early.body.detail).toMatch(/3 logins that needed it were ended\. .*may be valid until/);
    expect((await rootKeyOf(fresh, first.id)).logins).toBe(0);
    app.clock.advance(17 * minute);
    const later = await logInAdmin(app);
    expectStatus(await later.call('POST', '/admin/keys/retire', { body: { root_key_id: first.id } }), 200);
    expect(await published()).toEqual([kids[0]]);
    expect(await rootKeyOf(later, first.id)).toMatchObject({ state: 'retired', needed_for: [] });
    expectStatus(await app.call('POST', '/auth/refresh', { body: { refresh_token: grace.refreshToken } }), 401);
    expectStatus(
      await app.call('POST', '/auth/refresh', { body: { refresh_token: refreshed.body.refresh_token } }),
      200,
    );
    // It is still in the file, and stays unused after a restart.
    const restarted = await file.start({ database, clock: app.clock });
    expect(restarted.app.keys.held().rootKeys.map(({ id }) => id)).toEqual([root_key_id]);
    await restarted.close();
    expectStatus(await later.call('POST', '/admin/keys/retire', { body: { root_key_id } }), 409);
  });
});

describe('ending logins to retire a root key', () => {
  const retire = (root_key_id: string, by = admin) =>
    by.call('POST', '/admin/keys/retire', { body: { root_key_id, end_logins: true } });
  const ended = () => sql('select id from logins where ended_at is not null').then((rows) => rows.length);

  it('no login is ended for a root key that owner keys still need, that is not known, or that no login needs', async () => {
    const next = newKey();
    await file.write(first.text, next.text);
    expectStatus(await reload(), 200);
    await file.write(next.text, first.text);
    expectStatus(await reload(), 200);
    expect(expectStatus(await retire(first.id), 409).body.detail).toContain('3 owner keys');
    expectStatus(await retire('0123456789abcdef'), 404);
    expectStatus(await retire(next.id), 409);
    expect(await ended()).toBe(0);
    await rotated(app, admin, 'rewrap');
    // The access tokens that it signed are still valid, so it stays, but logins are all that has to be ended.
    const refused = expectStatus(await retire(first.id, await logInAdmin(app)), 409).body.detail;
    expect(refused).toMatch(/3 logins that needed it were ended\. .*may be valid until/);
    expect(await ended()).toBe(3);
  });

  it('logins of before logins named their root key are not ended for a key that was added later', async () => {
    // A migration leaves them so; their seals are of the format before.
    const seals = createSeals(() => app.app.keys.held().sealKeys);
    await inTransaction(app.db.db, async (tx) => {
      for (const row of await seals.load(tx, 'logins', { ended_at: null }, { lock: 'update' }))
        await seals.update(tx, 'logins', row, { root_key_id: null });
    });
    const next = newKey();
    app.clock.advance(minute);
    await file.write(first.text, next.text);
    expectStatus(await reload(), 200);
    expectStatus(await retire(next.id), 200);
    expect(await ended()).toBe(0);
  });
});

describe('owner keys', () => {
  it('every value moves to a new key, while nothing that users see changes', async () => {
    const kept = await keepAll();
    const before = await unchanged();
    const oldKeys = (await sql('select id from owner_keys')).map(({ id }) => id);
    const job = await rotated(app, admin, 'reencrypt', {});
    expect(job).toMatchObject({ total: 6, done: 6, failed: 0 });
    expect(await unchanged()).toEqual(before);
    expect(await sql('select id from owner_keys where id = any($1)', [oldKeys])).toEqual([]);
    expect(await sql(`select distinct state from owner_keys`)).toEqual([{ state: 'active' }]);
    await expectAll(kept);
    expect(await findings(true, app)).toEqual({});
  });

  it('what users write, restore, delete and recover while values move stays, under the ETags of before', async () => {
    const changed = await keepSecret(ada, { value: 'before' });
    const restored = await keepSecret(ada, { value: 'first' });
    expectStatus(await ada.call('PUT', `/secrets/${restored.id}/value`, { body: { value: 'second' } }), 200);
    const gone = await keepSecret(ada, { value: 'gone' });
    const back = await keepSecret(ada, { value: 'back' });
    expectStatus(await ada.call('DELETE', `/secrets/${back.id}`), 204);
    const quiet = await keepSecret(ada, { value: 'quiet' });
    const etagOf = async (id: string) => (await ada.call('GET', `/secrets/${id}`)).headers.get('etag') ?? '';
    const [etag, quietEtag] = [await etagOf(changed.id), await etagOf(quiet.id)];
    const oldKeys = (await sql('select id from owner_keys where owner_id = $1', [ada.id])).map(({ id }) => id);
    const body = { user_id: ada.id };
    const job = expectStatus(await admin.call('POST', '/admin/keys/reencrypt', { body }), 200).body;
    // Every row has moved, and the job waits, since this clock stands still, until nobody can rely on the old key.
    await vi.waitFor(
      async () =>
        expect(await sql('select cursor->>$2 as phase from jobs where id = $1', [job.id, 'phase'])).toEqual([
          { phase: 'waiting' },
        ]),
      { timeout: 60_000, interval: 50 },
    );
    const headers = { 'if-match': etag };
    expectStatus(await ada.call('PUT', `/secrets/${changed.id}/value`, { headers, body: { value: 'after' } }), 200);
    expectStatus(await ada.call('POST', `/secrets/${restored.id}/versions/1/restore`), 201);
    expectStatus(await ada.call('DELETE', `/secrets/${gone.id}`), 204);
    expectStatus(await ada.call('POST', `/secrets/${back.id}/recover`), 200);
    const made = await keepSecret(ada, { value: 'made meanwhile' });
    // Six rows: five secrets and one old version. What was written since has the new key, and does not move again.
    expect(await finished(app, admin, job.id)).toMatchObject({ done: 6, failed: 0 });
    expect(await sql('select id from owner_keys where id = any($1)', [oldKeys])).toEqual([]);
    expect(await revealed(ada, changed.id)).toBe('after');
    expect(await revealed(ada, restored.id)).toBe('first');
    expect(await revealed(ada, back.id)).toBe('back');
    expect(await revealed(ada, made.id)).toBe('made meanwhile');
    expectStatus(await ada.call('GET', `/secrets/${gone.id}/value`), 409);
    expect(await etagOf(quiet.id)).toBe(quietEtag);
  });

  it('one user’s values move, and others keep their keys', async () => {
    const theirs = await keepSecret(grace, { value: 'grace’s' });
    const mine = await keepSecret(ada, { value: 'ada’s' });
    const keyOf = async (id: string) => (await sql('select key_id from secrets where id = $1', [id]))[0]?.key_id;
    const [before, graces] = [await keyOf(mine.id), await keyOf(theirs.id)];
    const job = await rotated(app, admin, 'reencrypt', { user_id: ada.id });
    expect(job.done).toBe(1);
    expect(await keyOf(mine.id)).not.toBe(before);
    expect(await keyOf(theirs.id)).toBe(graces);
    expect(await revealed(ada, mine.id)).toBe('ada’s');
    expectStatus(await admin.call('POST', '/admin/keys/reencrypt', { body: { user_id: crypto.randomUUID() } }), 404);
  });

  it('a key that another re-encryption replaced a moment ago is not destroyed', async () => {
    const { id } = await keepSecret(ada, { value: 'kept' });
    const start = async () =>
      expectStatus(await admin.call('POST', '/admin/keys/reencrypt', { body: {} }), 200).body.id;
    const waitingSince = (job: string) =>
      vi.waitFor(
        async () => {
          const [row] = await sql(`select cursor->>'since' as since from jobs where id = $1`, [job]);
          expect(row?.since).toEqual(expect.any(String));
          return row?.since as string;
        },
        { timeout: 60_000, interval: 50 },
      );
    const one = await start();
    const since = await waitingSince(one);
    app.clock.advance(minute - 1000);
    const [key] = await sql(`select id from owner_keys where owner_id = $1 and state = 'active'`, [ada.id]);
    const other = await start();
    await waitingSince(other);
    // Now the first one has waited for long enough, but not for the key that the other one replaced.
    app.clock.advance(1000);
    await vi.waitFor(async () => expect(await waitingSince(one)).not.toBe(since), { timeout: 60_000, interval: 50 });
    expect(await sql('select state from owner_keys where id = $1', [key.id])).toEqual([{ state: 'retiring' }]);
    await finished(app, admin, one);
    await finished(app, admin, other);
    expect(await sql(`select id from owner_keys where state = 'retiring'`)).toEqual([]);
    expect(await revealed(ada, id)).toBe('kept');
  });

  it('a value that does not open keeps its key, is counted, and can be given up by name', async () => {
    const good = await keepSecret(ada, { value: 'good' });
    const bad = await keepSecret(ada, { value: 'bad' });
    await sql(`update secrets set encrypted_value = 'gAAAA' where id = $1`, [bad.id]);
    const oldKey = (await sql('select key_id from secrets where id = $1', [bad.id]))[0]?.key_id;
    const job = await rotated(app, admin, 'reencrypt', { user_id: ada.id });
    expect(job).toMatchObject({ done: 1, failed: 1 });
    expect(await sql('select state from owner_keys where id = $1', [oldKey])).toEqual([{ state: 'retiring' }]);
    expect(await revealed(ada, good.id)).toBe('good');
    const giveUp = (key: string) =>
      admin.call('POST', '/admin/keys/retire', {
        body: { root_key_id: first.id, give_up: [{ table: 'secrets', key }] },
      });
    expect(expectStatus(await giveUp(good.id), 409).body.detail).toContain('is in order');
    expect(await revealed(ada, good.id)).toBe('good');
    expectStatus(await giveUp(bad.id), 409);
    expect(await sql('select id from secrets where id = $1', [bad.id])).toEqual([]);
    expect((await rotated(app, admin, 'reencrypt', { user_id: ada.id })).failed).toBe(0);
    expect(await sql('select state from owner_keys where id = $1', [oldKey])).toEqual([]);
  });
});

describe('the seal key', () => {
  const sealedBy = (table: string) =>
    sql(`select distinct substring(seal from 2 for 16) as key from ${table}`).then((rows) => rows.length);

  /** What a check of the doctor says that it has seen. */
  const seenBy = async (check: string) => (await examine(app)).find(({ name }) => name === check)?.seen;

  it('every row that verifies is sealed anew, and the old key verifies records only', async () => {
    const kept = await keepAll();
    const before = await unchanged();
    const old = (await keysOf(admin)).seal_keys[0].id;
    const job = await rotated(app, admin, 'rotate-seal');
    expect(job.failed).toBe(0);
    expect(await unchanged()).toEqual(before);
    for (const table of ['users', 'secrets', 'secret_versions', 'sessions', 'logins', 'owner_keys'])
      expect(await sealedBy(table), table).toBe(1);
    await vi.waitFor(async () => {
      const { seal_keys } = await keysOf(admin);
      expect(seal_keys.map(({ id, state }: any) => [id, state])).toEqual([
        [expect.any(String), 'sealing'],
        [old, 'retired'],
      ]);
    }, 30_000);
    await expectAll(kept);
    expect(await findings(true, app)).toEqual({});
    expect(await seenBy('seals')).toMatch(/^\d+ rows, \d+ records sealed by older seal keys$/);
    expect(await seenBy('keys')).toContain('1 seal keys, 1 retired');
    const restarted = await file.start({ database });
    expect(await revealed(await logIn(restarted, 'ada'), kept.own.id)).toBe('own');
    await restarted.close();
  });

  it('a new key seals once every live service verifies with it, and older ones go once every one seals with it', async () => {
    const seals = createSeals(() => app.app.keys.held().sealKeys);
    const service_id = crypto.randomUUID();
    const inAnHour = new Date(Date.now() + 60 * minute);
    await inTransaction(app.db.db, (tx) =>
      seals.insert(tx, 'heartbeats', {
        service_id,
        host: 'elsewhere',
        pid: 1,
        root_key_ids: [first.id],
        known_generation: 1,
        sealing_generation: 1,
        started_at: inAnHour,
        seen_at: inAnHour,
      }),
    );
    const otherNow = (changes: { known_generation: number } | { sealing_generation: number }) =>
      inTransaction(app.db.db, async (tx) => {
        const row = await seals.loadOne(tx, 'heartbeats', { service_id }, { lock: 'update' });
        if (row) await seals.update(tx, 'heartbeats', row, changes);
      });
    const job = expectStatus(await admin.call('POST', '/admin/keys/rotate-seal'), 200).body;
    const stateOfJob = async () => (await sql('select cursor, revision from jobs where id = $1', [job.id]))[0];
    /** The job has looked whether it may go on, twice after this was called. */
    const lookedInVain = async (phase: string) => {
      const before = await stateOfJob();
      await vi.waitFor(
        async () => {
          app.clock.advance(minute);
          const { cursor, revision } = await stateOfJob();
          expect(cursor?.phase).toBe(phase);
          expect(Number(revision)).toBeGreaterThanOrEqual(Number(before.revision) + 2);
        },
        { timeout: 60_000, interval: 200 },
      );
    };
    const states = async () => (await keysOf(await logInAdmin(app))).seal_keys.map(({ state }: any) => state);
    await lookedInVain('announced');
    expect(await states()).toEqual(['announced', 'sealing']);
    await otherNow({ known_generation: 2 });
    await vi.waitFor(async () => expect((await stateOfJob()).cursor.phase).toBe('waiting'), 60_000);
    await lookedInVain('waiting');
    expect(await states()).toEqual(['sealing', 'verifying']);
    await otherNow({ sealing_generation: 2 });
    await finished(app, await logInAdmin(app), job.id);
    await app.app.keys.beat();
    expect(await states()).toEqual(['sealing', 'retired']);
  });

  it('a row of the old key that does not verify is left, counted, and keeps the key until it is given up', async () => {
    const bad = await keepSecret(ada);
    await sql(`update secrets set name = 'planted' where id = $1`, [bad.id]);
    const job = await rotated(app, admin, 'rotate-seal');
    expect(job.failed).toBe(1);
    expect(await seenBy('seals')).toContain(', 1 of them sealed by an older seal key');
    const { seal_keys } = await keysOf(admin);
    expect(seal_keys[1]).toMatchObject({ state: 'verifying' });
    const body = { seal_key_id: seal_keys[1].id, give_up: [{ table: 'secrets', key: bad.id }] };
    const retiring = expectStatus(await admin.call('POST', '/admin/keys/retire', { body }), 200).body;
    await finished(app, admin, retiring.job.id);
    await app.app.keys.beat();
    expect((await keysOf(admin)).seal_keys[1]).toMatchObject({ state: 'retired' });
    expectStatus(await admin.call('POST', '/admin/keys/retire', { body: { seal_key_id: seal_keys[0].id } }), 409);
  });

  it('a key whose times are none is not taken up, and is named', async () => {
    const [key] = await sql(`select id, created_at from service_keys where purpose = 'seal'`);
    for (const column of ['created_at', 'promoted_at']) {
      await sql(`update service_keys set ${column} = 'infinity' where id = $1`, [key.id]);
      // The service goes on with the keys that it has.
      expect((await keysOf(admin)).seal_keys).toMatchObject([{ id: key.id, state: 'sealing' }]);
      expect(expectStatus(await reload(), 409).body.detail).toContain(key.id);
      await sql('update service_keys set created_at = $2, promoted_at = null where id = $1', [key.id, key.created_at]);
      expectStatus(await reload(), 200);
    }
  });

  it('a key that is announced is not retired', async () => {
    // A service that does not know the new key keeps it from being promoted.
    const other = await file.start({ database });
    const { client } = database;
    await client.query('begin');
    try {
      // It cannot tell that it has read the keys again, however long the machine takes for what follows.
      await client.query('select 1 from heartbeats order by started_at desc limit 1 for share');
      await start('rotate-seal');
      const { seal_keys } = await keysOf(admin);
      expect(seal_keys.map(({ state }: any) => state)).toEqual(['announced', 'sealing']);
      const body = { seal_key_id: seal_keys[0].id };
      expect(expectStatus(await admin.call('POST', '/admin/keys/retire', { body }), 409).body.detail).toContain('new');
    } finally {
      await client.query('rollback');
    }
    await other.close();
  });

  it('a row that the service never deletes is not given up, and the refusal says so', async () => {
    const { rows: may } = await database.client.query(`select relname as table from pg_class
      where relnamespace = 'public'::regnamespace and relkind = 'r'
        and has_table_privilege('keyhold_service', oid, 'delete')`);
    const deletable = new Set(may.map((row) => row.table));
    await sql(`update users set display_name = 'somebody else' where id = $1`, [grace.id]);
    for (const table of Object.keys(sealedTables) as SealedTableName[]) {
      const key = sealedTables[table].key.map(() => grace.id).join(' ');
      const body = { root_key_id: first.id, give_up: [{ table, key }] };
      const { status } = await admin.call('POST', '/admin/keys/retire', { body });
      expect(status, table).toBe(deletable.has(table) ? 404 : 400);
    }
  });

  it('a row that a retired key sealed is not accepted, nor is that key, however its row is written or put back', async () => {
    const { keys } = app.app;
    const target = await keepSecret(ada, { value: 'mine' });
    const stored = await sql(`select * from service_keys where purpose = 'seal'`);
    const [row] = await sql('select * from secrets where id = $1', [target.id]);
    await rotated(app, admin, 'rotate-seal');
    await sql('update secrets set seal = $2 where id = $1', [target.id, row?.seal]);
    await app.app.keys.beat();
    expect((await ada.call('GET', `/secrets/${target.id}/value`)).body.code).toBe('integrity_broken');
    expect(keys.held().sealKeys.verifying.map(({ id }) => id)).not.toContain(stored[0]?.id);
    const retired = await sql('select * from service_keys where id = $1', [stored[0]?.id]);
    const putBack = async (rows: unknown) => {
      await sql('delete from service_keys where id = $1', [stored[0]?.id]);
      await sql('insert into service_keys select * from json_populate_recordset(null::service_keys, $1)', [
        JSON.stringify(rows),
      ]);
    };
    await putBack(stored);
    await expect(app.app.keys.beat()).rejects.toThrow('was put back');
    await expect(app.app.keys.reload()).rejects.toThrow('was put back');
    await putBack(retired);
    await app.app.keys.beat();
    await sql(`update service_keys set state = 'active' where id = $1`, [stored[0]?.id]);
    await expect(app.app.keys.beat()).rejects.toThrow('was changed');
    await expect(file.start({ database })).rejects.toThrow('was changed');
  });
});

describe('what needs a key', () => {
  it('the health of the process does not wait for the heartbeat, while everything that needs keys does', async () => {
    const revive = vi.spyOn(app.app.keys, 'revive');
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    expect(revive).not.toHaveBeenCalled();
    expect((await fetch(`${app.url}/.well-known/jwks.json`)).status).toBe(200);
    expect(revive).toHaveBeenCalledOnce();
  });

  it('every column of the catalogue that names a key is one that is counted before the key goes', async () => {
    const rows = await sql(`select c.relname || '.' || a.attname as name from pg_attribute a
      join pg_class c on c.oid = a.attrelid and c.relkind = 'r'
      where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
        and (a.attname ~ 'key_id|wrapped' or (a.attname = 'id' and c.relname in ('owner_keys', 'root_keys', 'service_keys')))
      order by 1`);
    expect(rows.map(({ name }) => name)).toEqual([
      'heartbeats.root_key_ids',
      'logins.root_key_id',
      'owner_keys.id',
      'owner_keys.root_key_id',
      'owner_keys.wrapped_key',
      'root_keys.id',
      'secret_versions.key_id',
      'secrets.key_id',
      'service_keys.id',
      'service_keys.root_key_id',
      'service_keys.wrapped_key',
    ]);
  });

  it('a batch of keys that the database does not show is not taken for none', async () => {
    const next = newKey();
    await file.write(first.text, next.text);
    expectStatus(await reload(), 200);
    await file.write(next.text, first.text);
    expectStatus(await reload(), 200);
    // A view in place of the table shows no key that has to move.
    await sql('alter table owner_keys rename to hidden_keys');
    await sql(`create view owner_keys as select * from hidden_keys where root_key_id = '${next.id}'`);
    await sql('grant select, insert, update, delete on owner_keys to keyhold_service');
    await rotated(app, admin, 'rewrap');
    await sql('drop view owner_keys');
    await sql('alter table hidden_keys rename to owner_keys');
    expect(await rootKeyOf(admin, first.id)).toMatchObject({ owner_keys: 3 });
    const retire = await admin.call('POST', '/admin/keys/retire', { body: { root_key_id: first.id } });
    expect(expectStatus(retire, 409).body.detail).toContain('3 owner keys');
    await file.write(next.text);
    expectStatus(await reload(), 409);
  });
});
