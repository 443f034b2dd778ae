import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import { operator } from '../../src/core/caller.ts';
import { systemClock } from '../../src/core/clock.ts';
import { newId, type UserId } from '../../src/core/ids.ts';
import { inTransaction } from '../../src/db/database.ts';
import { createOwnerKeys, createSeals } from '../../src/keys/index.ts';
import { createInsertUser } from '../../src/users/insert.ts';
import { startApp, type TestApp } from '../support/app.ts';
import {
  expectStatus,
  keepSecret,
  logIn,
  logInAdmin,
  type Person,
  people,
  startSession,
  uniqueName,
} from '../support/people.ts';

let app: TestApp;
let admin: Person;
let ada: Person;
let grace: Person;
beforeAll(async () => {
  app = await startApp();
  admin = await logInAdmin(app);
  ({ ada, grace } = await people(app, admin, 'ada', 'grace'));
});
afterAll(() => app.close());

/** Users written as the service writes them, in one transaction: 1,000 requests would take longer than all the rest. */
const insertMany = async (size: number): Promise<string[]> => {
  const { db } = app;
  const { keys } = app.app;
  const seals = createSeals(() => keys.held().sealKeys);
  const audit = createAudit({ clock: systemClock, seals, onRecord: () => undefined });
  const ownerKeys = createOwnerKeys({ clock: systemClock, rootKeys: () => keys.held().rootKeys, seals });
  const insertUser = createInsertUser({ clock: systemClock, audit, ownerKeys });
  const ids = Array.from({ length: size }, () => newId<UserId>());
  await inTransaction(db.db, async (tx) => {
    for (const id of ids) {
      const nothing = { passwordHash: null, email: null, displayName: null, metadata: {}, external: null };
      const user = { ...nothing, id, username: `many ${id}`, role: 'member' as const };
      await insertUser(tx, user, { actor: operator('test'), details: {} });
    }
  });
  return ids;
};

describe('the largest input that is right', () => {
  const create = (body: Record<string, unknown>) => keepSecret(ada, body);
  const patch = async (id: string, body: Record<string, unknown>) =>
    expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body }), 200).body;
  const refused = async (body: Record<string, unknown>) => {
    const whole = { name: uniqueName(), type: 'other', value: 'v', ...body };
    expect((await ada.call('POST', '/secrets', { body: whole })).status).toBe(400);
  };
  const nested = (levels: number): Record<string, unknown> => (levels === 1 ? { a: 1 } : { a: nested(levels - 1) });
  const astral = '\u{1f511}';

  it('metadata may have exactly 16 KiB, and 8 levels', async () => {
    const frame = JSON.stringify({ a: '' }).length;
    for (const text of [
      'x'.repeat(16_384 - frame),
      `${'ü'.repeat((16_384 - frame) / 2)}`,
      `${astral.repeat((16_384 - frame) / 4)}`,
    ]) {
      const metadata = { a: text };
      expect(Buffer.byteLength(JSON.stringify(metadata))).toBe(16_384);
      expect((await create({ metadata })).metadata).toEqual(metadata);
      await refused({ metadata: { a: `${text}x` } });
    }
    expect((await create({ metadata: nested(8) })).metadata).toEqual(nested(8));
    await refused({ metadata: nested(9) });
  });

  it('numbers that can be kept exactly are kept exactly', async () => {
    const metadata = { n: [0, -1, 1.5, 1e21, 5e-324, 1.7976931348623157e308, 9_007_199_254_740_991, 0.1, 123e-20] };
    const { id } = await create({ metadata });
    expect((await ada.call('GET', `/secrets/${id}`)).body.metadata).toEqual(metadata);
  });

  it('a secret may have 32 tags of 64 characters of any plane', async () => {
    for (const character of ['x', 'é', '語', astral, '\u0301', '\u200d']) {
      const tags = Array.from({ length: 32 }, () => character.repeat(64));
      expect((await create({ tags })).tags).toEqual(tags);
      await refused({ tags: [...tags, 'x'] });
      await refused({ tags: [character.repeat(65)] });
    }
  });

  it('a secret’s name may have 256 characters', async () => {
    const name = uniqueName('N').padEnd(256, '.');
    expect((await create({ name })).name).toBe(name);
    await refused({ name: `${name}x` });
  });

  it('a description may have 1,024 characters of any plane', async () => {
    const { id } = await create({});
    // Families, flags and marks: one of what is seen is many characters.
    for (const unit of ['x', 'é', '語', astral, '\u0301', '\u200d', '\ufeff', '\u{10fffd}']) {
      const description = unit.repeat(1024);
      expect((await patch(id, { description })).description).toBe(description);
      await refused({ description: `${description}${unit}` });
    }
    for (const cluster of ['👨‍👩‍👧‍👦', '🇩🇪', 'e\u0301\u0302\u0303'])
      await refused({ description: cluster.repeat(1024) });
  });

  it('names may have 128 characters and titles 256, of any plane', async () => {
    for (const unit of ['x', '語', astral]) {
      const body = { name: unit.repeat(128), agent: unit.repeat(128), permissions: ['secrets:list'], expires_in: 60 };
      expectStatus(await ada.call('POST', '/auth/tokens', { body }), 201);
      const title = unit.repeat(256);
      expect((await startSession(ada, [], { title })).title).toBe(title);
      const display_name = unit.repeat(128);
      expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { display_name } }), 200);
      const username = unit.repeat(128);
      expect((await expectStatus(await admin.call('POST', '/users', { body: { username } }), 201)).body.username).toBe(
        username,
      );
    }
    const email = `${'x'.repeat(200)}@${'y'.repeat(53)}`;
    expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { email } }), 200);
    const marks = `${'e\u0301'.repeat(60)}@${'語'.repeat(133)}`;
    expectStatus(await ada.call('PATCH', `/users/${ada.id}`, { body: { email: marks } }), 200);
  });

  it('an external id may have 128 characters, and every route and header then takes it', async () => {
    const external_id = `a:${'b'.repeat(125)}.`;
    const session = await startSession(ada, [grace], { external_id });
    expect((await ada.call('GET', `/sessions/${external_id}`)).body.id).toBe(session.id);
    const secret = await create({ scope: 'session', session_id: external_id });
    expectStatus(await grace.call('GET', `/secrets/${secret.id}/value`, { session: external_id }), 200);
    expect((await ada.call('GET', `/secrets?session_id=${session.id}`)).body.secrets).toHaveLength(1);
  });

  it('a password may have from 12 to 128 characters', async () => {
    for (const password of ['x'.repeat(12), astral.repeat(12), astral.repeat(128)]) {
      const username = uniqueName('user');
      expectStatus(await admin.call('POST', '/users', { body: { username, password } }), 201);
      expect((await logIn(app, username, password)).username).toBe(username);
    }
  });

  it('instants may be far away, and be written in every way of RFC 3339', async () => {
    for (const [given, kept] of [
      ['9999-12-31T23:59:59.999Z', '9999-12-31T23:59:59.999Z'],
      ['2040-02-29t12:00:00z', '2040-02-29T12:00:00.000Z'],
      ['2040-01-01T00:00:00.5+14:00', '2039-12-31T10:00:00.500Z'],
    ]) {
      const { id } = await create({ expires_at: given, rotate_after: given });
      expect((await ada.call('GET', `/secrets/${id}`)).body).toMatchObject({ expires_at: kept, rotate_after: kept });
    }
    for (const rotate_after of ['1800-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z']) {
      const { id } = await create({ rotate_after });
      expect((await ada.call('GET', `/secrets/${id}`)).body.rotate_after).toBe(rotate_after);
    }
  });

  it('a body may be as large as the limit and no larger', async () => {
    const pad = (body: Record<string, unknown>, size: number): string => {
      const text = JSON.stringify(body);
      return `${text.slice(0, -1)}${' '.repeat(size - text.length)}}`;
    };
    const { id } = await create({});
    const raw = async (method: string, path: string, body: string): Promise<number> =>
      (
        await fetch(`${app.url}/api/v1${path}`, {
          method,
          body,
          headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
        })
      ).status;
    expect(await raw('PATCH', `/secrets/${id}`, pad({ type: 'token' }, 262_144))).toBe(200);
    expect(await raw('PATCH', `/secrets/${id}`, pad({ type: 'token' }, 262_145))).toBe(413);
    expect(await raw('PUT', `/secrets/${id}/value`, pad({ value: 'v' }, 524_288))).toBe(200);
    expect(await raw('PUT', `/secrets/${id}/value`, pad({ value: 'v' }, 524_289))).toBe(413);
    // A value of 64 KiB whose every byte is written as an escape.
    const escaped = `{"value":"${'\\u0000'.repeat(65_536)}"}`;
    expect(await raw('PUT', `/secrets/${id}/value`, escaped)).toBe(200);
  });

  it('a secret may be shared with 1,000 users and no more', async () => {
    const made = await insertMany(1000);
    const { id, shared_with } = await create({ scope: 'shared', shared_with: made });
    expect(shared_with).toEqual(made);
    const one = { body: { user_id: grace.id } };
    expect((await ada.call('POST', `/secrets/${id}/share`, one)).body.code).toBe('state_conflict');
    expect(
      (await ada.call('POST', `/secrets/${id}/unshare`, { body: { user_id: made[500] } })).body.shared_with,
    ).toHaveLength(999);
    expectStatus(await ada.call('POST', `/secrets/${id}/share`, one), 200);
    expect((await ada.call('GET', `/secrets/${id}/access`)).body.access).toHaveLength(1001);
    await refused({ scope: 'shared', shared_with: [...made, grace.id] });
  });
});
