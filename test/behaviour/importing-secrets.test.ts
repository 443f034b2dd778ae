import { createConnection } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ItemCutter } from '../../src/http/import-body.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { keepSecret, logInAdmin, type Person, people, startSession, uniqueName } from '../support/people.ts';

const item = (name: string, value = `value of ${name}`) => ({ name, type: 'token', value });

describe('importing secrets', () => {
  let app: TestApp;
  let ada: Person;
  let grace: Person;
  beforeAll(async () => {
    app = await startApp();
    ({ ada, grace } = await people(app, await logInAdmin(app), 'ada', 'grace'));
  });
  afterAll(() => app.close());

  const load = (person: Person, body: Record<string, unknown>, headers: Record<string, string> = {}) =>
    person.call('POST', '/secrets/import', { body, headers });
  const revealed = async (person: Person, id: string) => (await person.call('GET', `/secrets/${id}/value`)).body.value;
  const countOf = async (person: Person) => (await person.call('GET', '/secrets/stats')).body.total;

  it('an import stores every item with its value and scope', async () => {
    const session = await startSession(ada, [grace]);
    const names = [uniqueName('IMP'), uniqueName('IMP'), uniqueName('IMP')];
    const answer = await load(ada, {
      on_conflict: 'fail',
      items: [
        { ...item(names[0] ?? ''), value: 'NUL \0, quote " and \\ backslash, ], }, and {[' },
        { ...item(names[1] ?? ''), scope: 'session', session_id: session.id },
        { ...item(names[2] ?? ''), scope: 'shared', shared_with: [grace.id] },
      ],
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ dry_run: false, created: 3, updated: 0, skipped: 0, renamed: 0 });
    const [first, second, third] = answer.body.items;
    expect(await revealed(ada, first.id)).toBe('NUL \0, quote " and \\ backslash, ], }, and {[');
    expect((await grace.call('GET', `/secrets/${second.id}/value`, { session: session.id })).status).toBe(200);
    expect((await grace.call('GET', `/secrets/${second.id}/value`)).status).toBe(404);
    expect(await revealed(grace, third.id)).toBe(`value of ${names[2]}`);
  });

  it('an import writes nothing when one item is refused, and names that item', async () => {
    const before = await countOf(ada);
    const wrong = [
      { items: [item(uniqueName()), { ...item(uniqueName()), type: 'nonsense' }], field: 'items/1/type' },
      { items: [item(uniqueName()), item('')], field: 'items/1/name' },
      {
        items: [item(uniqueName()), { ...item(uniqueName()), expires_at: '2020-01-01T00:00:00Z' }],
        field: 'items/1/expires_at',
      },
    ];
    for (const { items, field } of wrong) {
      const answer = await load(ada, { on_conflict: 'skip', items });
      expect(answer.status, answer.text).toBe(400);
      expect(answer.body.errors[0].field).toBe(field);
    }
    expect(await countOf(ada)).toBe(before);
  });

  it('an import does what on_conflict says with a name that is taken', async () => {
    const name = uniqueName('TAKEN');
    const kept = await keepSecret(ada, { name, value: 'old' });
    const items = [item(name, 'new')];
    expect((await load(ada, { on_conflict: 'fail', items })).status).toBe(409);
    expect((await load(ada, { on_conflict: 'skip', items })).body).toMatchObject({ skipped: 1, created: 0 });
    expect(await revealed(ada, kept.id)).toBe('old');
    const renamed = await load(ada, { on_conflict: 'rename', items });
    expect(renamed.body.items).toMatchObject([{ name: `${name}-2`, outcome: 'renamed' }]);
    expect((await load(ada, { on_conflict: 'rename', items })).body.items).toMatchObject([{ name: `${name}-3` }]);
    expect((await load(ada, { on_conflict: 'update', items })).body).toMatchObject({ updated: 1 });
    expect(await revealed(ada, kept.id)).toBe('new');
    expect((await ada.call('GET', `/secrets/${kept.id}/versions`)).body.versions).toHaveLength(2);
    expect((await load(grace, { on_conflict: 'fail', items })).status).toBe(201);
  });

  it.each(['first', 'last'])(
    'an import that updates a damaged secret, the %s of its items, writes nothing',
    async (at) => {
      const [created, updated, damaged] = [uniqueName('CREATED'), uniqueName('UPDATED'), uniqueName('DAMAGED')];
      const sound = await keepSecret(ada, { name: updated, value: 'old' });
      const broken = await keepSecret(ada, { name: damaged, value: 'old' });
      const { client } = app.database;
      const describeAs = (text: string | null) =>
        client.query('update secrets set description = $1 where id = $2', [text, broken.id]);
      const stored = async () =>
        (
          await client.query(
            `select (select json_agg(s order by s.id) from secrets s) as secrets,
            (select json_agg(v order by v.secret_id, v.version) from secret_versions v) as versions,
            (select count(*)::int from idempotency_keys) as keys,
            (select count(*)::int from audit_log where outcome = 'allowed' and action in
              ('secret.create', 'secret.value_set', 'secret.import')) as records`,
          )
        ).rows[0];
      const sent = [item(created, 'new'), item(updated, 'new'), item(damaged, 'new')];
      const body = { on_conflict: 'update', items: at === 'last' ? sent : sent.toReversed() };
      const headers = { 'idempotency-key': uniqueName('damaged') };
      await describeAs('written by somebody else');
      const before = await stored();
      const refused = await load(ada, body, headers);
      expect([refused.status, refused.body.code], refused.text).toEqual([409, 'integrity_broken']);
      expect(await stored()).toEqual(before);
      await describeAs(null);
      expect((await load(ada, body, headers)).body).toMatchObject({ created: 1, updated: 2 });
      expect([await revealed(ada, sound.id), await revealed(ada, broken.id)]).toEqual(['new', 'new']);
    },
  );

  it('a dry run of an import tells what would be done and writes nothing', async () => {
    const before = await countOf(ada);
    const answer = await load(ada, { on_conflict: 'fail', dry_run: true, items: [item(uniqueName())] });
    expect(answer.body).toMatchObject({ dry_run: true, created: 1, items: [{ id: null, outcome: 'created' }] });
    expect(await countOf(ada)).toBe(before);
  });

  it('an import that is sent twice with one Idempotency-Key runs once', async () => {
    const body = { on_conflict: 'fail', items: [item(uniqueName())] };
    const first = await load(ada, body, { 'idempotency-key': 'import-1' });
    const second = await load(ada, body, { 'idempotency-key': 'import-1' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body.items[0].id).toBe(first.body.items[0].id);
    const other = { on_conflict: 'fail', items: [item(uniqueName())] };
    expect((await load(ada, other, { 'idempotency-key': 'import-1' })).body.code).toBe('idempotency_key_reused');
  });

  it('a body that is not an import is refused', async () => {
    const raw = async (text: string) => {
      const response = await fetch(`${app.url}/api/v1/secrets/import`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ada.token}`, 'content-type': 'application/json' },
        body: text,
      });
      return { status: response.status, body: (await response.json()) as { code: string } };
    };
    const good = JSON.stringify(item('A'));
    for (const text of [
      '',
      '[]',
      '{"items":[',
      '{"items":[]}',
      `{"on_conflict":"fail","items":[${good},]}`,
      `{"on_conflict":"fail","items":[${good}],"items":[${good}]}`,
      `{"on_conflict":"fail","items":[${good}],"more":1}`,
      `{"on_conflict":"maybe","items":[${good}]}`,
      `{"on_conflict":"fail","items":[,${good}]}`,
      `{"on_conflict":"fail","items":{"a":[${good}]}}`,
      `{"on_conflict":"fail","items":[${good}]}}`,
    ]) {
      const answer = await raw(text);
      expect(answer.status, text).toBe(400);
      expect(answer.body.code).toBe('invalid_request');
    }
    expect((await raw(`{"on_conflict":"fail","items":[ ${JSON.stringify(item(uniqueName()))} ]}`)).status).toBe(201);
  });

  it('an import that is too large is refused while it is still being sent', async () => {
    const { hostname, port } = new URL(app.url);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = createConnection({ host: hostname, port: Number(port) });
      socket.on('error', reject);
      socket.on('data', (data) => {
        resolve(data.toString('latin1'));
        socket.destroy();
      });
      socket.write(
        `POST /api/v1/secrets/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${ada.token}\r\ncontent-type: application/json\r\ncontent-length: 60000000\r\n\r\n{"items":["`,
      );
      socket.write('x'.repeat(600_000));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect((await load(ada, { on_conflict: 'fail', items: [item(uniqueName())] })).status).toBe(201);
  });

  it('the items of an import are found wherever its pieces end', () => {
    const items = [{ a: '],[{"' }, { b: ['\\', '\\"', { c: [1, 2] }] }, 3, 'x,y'];
    const text = JSON.stringify({ before: [1, [2]], items, after: { items: [9] } });
    for (let at = 0; at <= text.length; at += 1) {
      const found: unknown[] = [];
      const cutter = new ItemCutter((one) => found.push(JSON.parse(one)));
      cutter.push(text.slice(0, at));
      cutter.push(text.slice(at));
      expect(found).toEqual(items);
      expect(JSON.parse(cutter.end())).toEqual({ before: [1, [2]], items: [], after: { items: [9] } });
    }
  });
});
