import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus, logIn, logInAdmin, type Person, people, uniqueName } from '../support/people.ts';

const hourMs = 3_600_000;

let app: TestApp;
let root: Person;
let ada: Person;
let grace: Person;
let linus: Person;

beforeAll(async () => {
  app = await startApp({ clock: settableClock(new Date(Date.now() + hourMs)) });
});
afterAll(() => app.close());
beforeEach(async () => {
  // Every test has users of its own, and time goes on from one to the next.
  root = await logInAdmin(app);
  const names = [uniqueName('ada'), uniqueName('grace'), uniqueName('linus')] as const;
  const made = await people(app, root, ...names);
  [ada, grace, linus] = names.map((name) => made[name]) as [Person, Person, Person];
});

const create = async (owner: Person, fields: object = {}): Promise<string> => {
  const body = { name: uniqueName(), type: 'password', value: 'the value', ...fields };
  return expectStatus(await owner.call('POST', '/secrets', { body }), 201).body.id;
};

const offer = async (id: string, to = grace.username, fields: object = {}): Promise<string> =>
  expectStatus(await ada.call('POST', `/secrets/${id}/handover`, { body: { to, ...fields } }), 201).body.id;

const statusOf = async (person: Person, method: string, path: string, body?: object): Promise<number> =>
  (await person.call(method, path, body === undefined ? {} : { body })).status;

const reveals = async (person: Person, id: string): Promise<string | number> => {
  const answer = await person.call('GET', `/secrets/${id}/value`);
  return answer.status === 200 ? answer.body.value : answer.status;
};

const share = async (id: string, user: Person): Promise<void> => {
  expectStatus(await ada.call('POST', `/secrets/${id}/share`, { body: { user_id: user.id } }), 200);
};

describe('handing over one secret', () => {
  it('changes nothing until it is accepted, and then the new owner has everything and the former one nothing', async () => {
    const id = await create(ada);
    expectStatus(await ada.call('PUT', `/secrets/${id}/value`, { body: { value: 'newer' } }), 200);
    const handover = await offer(id);
    expect([await reveals(ada, id), await reveals(grace, id)]).toEqual(['newer', 404]);
    const accepted = expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200).body;
    expect(accepted).toMatchObject({
      state: 'accepted',
      from: { username: ada.username },
      to: { username: grace.username },
    });
    expect([await reveals(ada, id), await reveals(grace, id)]).toEqual([404, 'newer']);
    const view = expectStatus(await grace.call('GET', `/secrets/${id}`), 200).body;
    expect(view).toMatchObject({ owner_id: grace.id, scope: 'user', shared_with: [], version: 2 });
    expectStatus(await grace.call('POST', `/secrets/${id}/versions/1/restore`), 201);
    expect(await reveals(grace, id)).toBe('the value');
    const { rows } = await app.database.client.query(
      `select k.owner_id from secrets s join owner_keys k on k.id = s.key_id where s.id = $1
        union select k.owner_id from secret_versions v join owner_keys k on k.id = v.key_id where v.secret_id = $1`,
      [id],
    );
    expect(rows).toEqual([{ owner_id: grace.id }]);
  });

  it('keeps or drops the sharing by choice; the new owner is in no list of their own', async () => {
    const [kept, dropped] = [await create(ada), await create(ada)];
    for (const id of [kept, dropped]) for (const user of [grace, linus]) await share(id, user);
    expectStatus(
      await grace.call('POST', `/handovers/${await offer(kept, grace.id, { keep_sharing: true })}/accept`),
      200,
    );
    expectStatus(await grace.call('POST', `/handovers/${await offer(dropped)}/accept`), 200);
    expect(expectStatus(await grace.call('GET', `/secrets/${kept}`), 200).body.shared_with).toEqual([linus.id]);
    expect([await reveals(linus, kept), await reveals(linus, dropped)]).toEqual(['the value', 404]);
    expect([await reveals(ada, kept), await reveals(ada, dropped)]).toEqual([404, 404]);
  });

  it('is offered by the owner only, to another active user, once at a time', async () => {
    const id = await create(ada);
    await share(id, grace);
    expect(await statusOf(grace, 'POST', `/secrets/${id}/handover`, { to: linus.username })).toBe(403);
    expect(await statusOf(linus, 'POST', `/secrets/${id}/handover`, { to: grace.username })).toBe(404);
    expect(await statusOf(root, 'POST', `/secrets/${id}/handover`, { to: grace.username })).toBe(404);
    for (const to of [ada.username, ada.id, 'nobody', '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e50'])
      expect(await statusOf(ada, 'POST', `/secrets/${id}/handover`, { to }), to).toBe(400);
    await offer(id);
    const again = await ada.call('POST', `/secrets/${id}/handover`, { body: { to: linus.username } });
    expect([again.status, again.body.code]).toEqual([409, 'state_conflict']);
  });

  it('is accepted by nobody else, and seen by nobody else', async () => {
    const id = await create(ada);
    const handover = await offer(id);
    expect(await statusOf(linus, 'POST', `/handovers/${handover}/accept`)).toBe(404);
    expect(await statusOf(root, 'POST', `/handovers/${handover}/accept`)).toBe(404);
    expect(await statusOf(ada, 'POST', `/handovers/${handover}/accept`)).toBe(403);
    const seen = async (person: Person) => (await person.call('GET', '/handovers')).body.handovers;
    expect((await seen(grace))[0].secret).toMatchObject({ id, type: 'password' });
    expect(await seen(linus)).toEqual([]);
    expect(await seen(root)).toEqual([]);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
    expect((await seen(ada))[0].secret).toEqual({ id, name: null, type: null });
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept`)).toBe(409);
  });

  it('can be called off by the owner and declined by the other, and then be offered again', async () => {
    const id = await create(ada);
    const first = await offer(id);
    expect(await statusOf(linus, 'POST', `/handovers/${first}/cancel`)).toBe(404);
    expectStatus(await ada.call('POST', `/handovers/${first}/cancel`), 200);
    expect(await statusOf(grace, 'POST', `/handovers/${first}/accept`)).toBe(409);
    const second = await offer(id);
    expectStatus(await grace.call('POST', `/handovers/${second}/cancel`), 200);
    expect(await reveals(ada, id)).toBe('the value');
  });

  it('is refused for a name that the new owner uses, until they choose another name or have renamed theirs', async () => {
    const name = uniqueName();
    const [id, theirs] = [await create(ada, { name }), await create(grace, { name })];
    const handover = await offer(id);
    const refused = await grace.call('POST', `/handovers/${handover}/accept`);
    expect([refused.status, refused.body.code]).toEqual([409, 'name_taken']);
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept?name=${name}`)).toBe(409);
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept?name=no%20name`)).toBe(400);
    const another = await create(ada, { name: `${name}_OF_ADA` });
    const second = await offer(another);
    expectStatus(await grace.call('POST', `/handovers/${second}/accept?name=${name}_TOO`), 200);
    expect((await grace.call('GET', `/secrets/${another}`)).body.name).toBe(`${name}_TOO`);
    expectStatus(await grace.call('PATCH', `/secrets/${theirs}`, { body: { name: uniqueName() } }), 200);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
  });

  it('is refused where the secret is deleted or its owner disabled meanwhile', async () => {
    const [one, other] = [await create(ada), await create(ada)];
    const [first, second] = [await offer(one), await offer(other)];
    expectStatus(await ada.call('DELETE', `/secrets/${one}`), 204);
    expect(await statusOf(grace, 'POST', `/handovers/${first}/accept`)).toBe(409);
    expectStatus(await root.call('PATCH', `/users/${ada.id}`, { body: { status: 'disabled' } }), 200);
    expect(await statusOf(grace, 'POST', `/handovers/${second}/accept`)).toBe(409);
    expect(await statusOf(grace, 'GET', `/secrets/${other}`)).toBe(404);
  });

  it('is neither offered, seen by name, accepted nor declined by a token that is bound to a session', async () => {
    const [id, theirs] = [await create(ada), await create(grace)];
    const handover = await offer(id);
    const tokenOf = async (who: Person, more: readonly string[] = []): Promise<Person> => {
      const session_id = expectStatus(await who.call('POST', '/sessions', { body: {} }), 201).body.id;
      const permissions = ['secrets:manage', 'secrets:list', ...more];
      const body = { name: 'an agent', agent: 'agent', permissions, session_id, expires_in: 3600 };
      return who.with(expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body.token);
    };
    const [bound, adasBound] = [await tokenOf(grace), await tokenOf(ada)];
    expect(await statusOf(bound, 'POST', `/secrets/${theirs}/handover`, { to: linus.username })).toBe(404);
    for (const verb of ['accept', 'cancel'])
      expect(await statusOf(bound, 'POST', `/handovers/${handover}/${verb}`), verb).toBe(403);
    for (const who of [bound, adasBound])
      expect((await who.call('GET', '/handovers')).body.handovers[0].secret).toEqual({ id, name: null, type: null });
    const free = await tokenOf(grace, ['secrets:own']);
    expect((await free.call('GET', '/handovers')).body.handovers[0].secret).toMatchObject({ id, type: 'password' });
    expect(await statusOf(free, 'POST', `/secrets/${theirs}/handover`, { to: linus.username })).toBe(201);
    expect(await statusOf(free, 'POST', `/handovers/${handover}/accept`)).toBe(200);
  });

  it('needs the permission secrets:manage of a token, and a login that does not wait after a reset', async () => {
    const handover = await offer(await create(ada));
    const tokenOf = async (permission: string): Promise<Person> => {
      const body = { name: 'an agent', agent: 'agent', permissions: [permission], expires_in: 3600 };
      return grace.with(expectStatus(await grace.call('POST', '/auth/tokens', { body }), 201).body.token);
    };
    for (const permission of ['secrets:share', 'secrets:write', 'secrets:own'])
      expect(await statusOf(await tokenOf(permission), 'POST', `/handovers/${handover}/accept`), permission).toBe(403);
    const managing = await tokenOf('secrets:manage');
    app.clock.advance(1000);
    const body = { new_password: 'chosen by an administrator' };
    expectStatus(await root.call('POST', `/users/${grace.id}/password`, { body }), 200);
    const waiting = await logIn(app, grace.username, body.new_password);
    for (const verb of ['accept', 'cancel'])
      expect((await waiting.call('POST', `/handovers/${handover}/${verb}`)).body.code, verb).toBe('waiting_period');
    expect(await statusOf(managing, 'POST', `/handovers/${handover}/accept`)).toBe(200);
  });

  it('tells both, and those who lose access', async () => {
    const id = await create(ada);
    await share(id, linus);
    const handover = await offer(id);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
    const { rows } = await app.database.client.query(
      `select type, user_id from events where user_id = any($1)
        and (type like 'handover.%' or type in ('secret.handed_over', 'secret.unshared'))`,
      [[root, ada, grace, linus].map((person) => person.id)],
    );
    const told = (type: string) => new Set(rows.filter((row) => row.type === type).map((row) => row.user_id));
    expect(told('handover.offered')).toEqual(new Set([ada.id, grace.id]));
    expect(told('handover.accepted')).toEqual(new Set([ada.id, grace.id]));
    expect(told('secret.handed_over')).toEqual(new Set([ada.id, grace.id]));
    expect(told('secret.unshared')).toEqual(new Set([linus.id]));
  });

  it('is offered once for an Idempotency-Key', async () => {
    const id = await create(ada);
    const headers = { 'idempotency-key': 'one' };
    const first = await ada.call('POST', `/secrets/${id}/handover`, { body: { to: grace.username }, headers });
    const repeat = await ada.call('POST', `/secrets/${id}/handover`, { body: { to: grace.username }, headers });
    expect([first.status, repeat.status, repeat.body.id]).toEqual([201, 201, first.body.id]);
  });
});

describe('handing over everything of a disabled user', () => {
  const setStatus = async (status: string): Promise<void> => {
    expectStatus(await root.call('PATCH', `/users/${ada.id}`, { body: { status } }), 200);
  };

  const offerAll = async (): Promise<string> =>
    expectStatus(await root.call('POST', `/users/${ada.id}/handover`, { body: { to: grace.username } }), 201).body.id;

  const later = async (hours: number): Promise<void> => {
    app.clock.advance(hours * hourMs);
    [root, grace, linus] = [await logInAdmin(app), await logIn(app, grace.username), await logIn(app, linus.username)];
  };

  it('opens no secret before the waiting time, and then all of them, also those in sessions and deleted ones', async () => {
    const name = uniqueName();
    const plain = await create(ada, { name });
    await create(grace, { name });
    const session = expectStatus(await ada.call('POST', '/sessions', { body: {} }), 201).body.id;
    const lent = await create(ada, { scope: 'session', session_id: session });
    const deleted = await create(ada);
    expectStatus(await ada.call('DELETE', `/secrets/${deleted}`), 204);
    await setStatus('disabled');
    const handover = await offerAll();
    await later(23);
    const early = await grace.call('POST', `/handovers/${handover}/accept`);
    expect([early.status, await reveals(grace, plain)]).toEqual([409, 404]);
    expect(await statusOf(root, 'POST', `/handovers/${handover}/accept`)).toBe(403);
    await later(1);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
    expect([await reveals(grace, plain), await reveals(grace, lent)]).toEqual(['the value', 'the value']);
    expect((await grace.call('GET', `/secrets/${plain}`)).body.name).toBe(`${name}-2`);
    expectStatus(await grace.call('POST', `/secrets/${deleted}/recover`), 200);
    expect(await reveals(root, plain)).toBe(404);
    const preview = expectStatus(await root.call('GET', `/users/${ada.id}/erasure`), 200).body;
    expect(preview.counts).toMatchObject({ secrets: 0, handovers: 1 });
    expectStatus(await root.call('DELETE', `/users/${ada.id}`), 200);
    expect([await reveals(grace, plain), await reveals(grace, lent)]).toEqual(['the value', 'the value']);
  });

  it('ends what the user had offered to others one by one, so that the new owner can offer it', async () => {
    const id = await create(ada);
    const first = await offer(id, linus.username);
    await setStatus('disabled');
    const handover = await offerAll();
    await later(24);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
    expect(await statusOf(linus, 'POST', `/handovers/${first}/accept`)).toBe(409);
    const body = { to: linus.username };
    const second = expectStatus(await grace.call('POST', `/secrets/${id}/handover`, { body }), 201).body.id;
    expectStatus(await linus.call('POST', `/handovers/${second}/accept`), 200);
    expect([await reveals(linus, id), await reveals(grace, id)]).toEqual(['the value', 404]);
  });

  it('takes no name for one of them', async () => {
    await setStatus('disabled');
    const handover = await offerAll();
    await later(24);
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept?name=ONE`)).toBe(400);
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept`)).toBe(200);
  });

  it('is an administrator’s, for a disabled user only', async () => {
    expect(await statusOf(linus, 'POST', `/users/${ada.id}/handover`, { to: grace.username })).toBe(403);
    const active = await root.call('POST', `/users/${ada.id}/handover`, { body: { to: grace.username } });
    expect([active.status, active.body.code]).toEqual([409, 'state_conflict']);
    await setStatus('disabled');
    expect(await statusOf(root, 'POST', `/users/${ada.id}/handover`, { to: ada.username })).toBe(400);
    await offerAll();
    expect(await statusOf(root, 'POST', `/users/${ada.id}/handover`, { to: linus.username })).toBe(409);
  });

  it('ends when the user is enabled; disabled again, a new one waits the whole time', async () => {
    const id = await create(ada);
    await setStatus('disabled');
    const handover = await offerAll();
    await later(20);
    await setStatus('active');
    await setStatus('disabled');
    await later(10);
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept`)).toBe(409);
    const second = await offerAll();
    expect(await statusOf(grace, 'POST', `/handovers/${second}/accept`)).toBe(409);
    await setStatus('active');
    ada = await logIn(app, ada.username);
    expect(await reveals(ada, id)).toBe('the value');
  });

  it('can be called off by another administrator', async () => {
    await setStatus('disabled');
    const handover = await offerAll();
    expectStatus(await root.call('PATCH', `/users/${linus.id}`, { body: { role: 'admin' } }), 200);
    linus = await logIn(app, linus.username);
    expectStatus(await linus.call('POST', `/handovers/${handover}/cancel`), 200);
    await later(25);
    expect(await statusOf(grace, 'POST', `/handovers/${handover}/accept`)).toBe(409);
  });

  it('goes on as a job where there are many, each secret once', async () => {
    const items = Array.from({ length: 180 }, () => ({ name: uniqueName(), type: 'password', value: 'v' }));
    expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
    await setStatus('disabled');
    const handover = await offerAll();
    await later(25);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
    await untilOwnedByGrace(180);
  });

  it('goes on as a job where they are large, so that accepting them does not take too long', async () => {
    const value = 'v'.repeat(65_536);
    await Promise.all(Array.from({ length: 60 }, () => create(ada, { value })));
    await setStatus('disabled');
    const handover = await offerAll();
    await later(25);
    expectStatus(await grace.call('POST', `/handovers/${handover}/accept`), 200);
    const { rows } = await app.database.client.query(
      `select details->>'job_id' is not null as job, (details->>'secrets')::int between 1 and 59 as some
        from audit_log where action = 'handover.accept' and details->>'handover_id' = $1 and outcome = 'allowed'`,
      [handover],
    );
    expect(rows).toEqual([{ job: true, some: true }]);
    await untilOwnedByGrace(60);
  });

  const untilOwnedByGrace = async (count: number): Promise<void> => {
    const owners = async () =>
      (
        await app.database.client.query(
          'select owner_id, count(*)::int from secrets where owner_id = any($1) group by 1',
          [[ada.id, grace.id]],
        )
      ).rows;
    await vi.waitFor(async () => expect(await owners()).toEqual([{ owner_id: grace.id, count }]), {
      timeout: 120_000,
      interval: 200,
    });
  };
});

it('erasing a user ends what was offered by them and to them, and is told by the preview', async () => {
  const id = await create(ada);
  const theirs = await create(grace);
  await offer(id);
  expectStatus(await grace.call('POST', `/secrets/${theirs}/handover`, { body: { to: linus.username } }), 201);
  const preview = expectStatus(await grace.call('GET', `/users/${grace.id}/erasure`), 200).body;
  expect(preview.counts.handovers).toBe(2);
  expectStatus(await grace.call('DELETE', `/users/${grace.id}`), 200);
  const named = 'select 1 from handovers where $1 in (from_user, to_user, requested_by)';
  expect((await app.database.client.query(named, [grace.id])).rows).toEqual([]);
  expect(await reveals(ada, id)).toBe('the value');
});
