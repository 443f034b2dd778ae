import { describe, expect, it } from 'vitest';
import { everywhere, link, readsThatShow, type Sought } from '../support/graph-reads.ts';
import type { RequestOptions } from '../support/http.ts';
import {
  expectStatus,
  joinSession,
  keepSecret,
  lasting,
  type Person,
  startSession,
  uniqueName,
} from '../support/people.ts';
import { remember } from '../support/remembered.ts';
import { useTwoServices } from '../support/two-services.ts';

const two = useTwoServices();

/** The same person at the other service, where none of the withdrawals below is made. */
const elsewhere = (who: Pick<Person, 'token'>): Pick<Person, 'call'> => ({
  call: (method, path, options = {}) => two.apps[1].call(method, path, { token: who.token, ...options }),
});

/** What Ben sees, and what takes it from him. */
interface Access {
  readonly reader: Pick<Person, 'token'>;
  readonly sought: Sought;
  readonly reading?: RequestOptions & { readonly mode?: string };
  readonly withdraw: () => Promise<unknown>;
}

/** Ben's own note about a node, which stays his when the node is hidden. */
const noteAbout = async (
  ben: Person,
  id: string,
  name: string | null,
  options: RequestOptions = {},
): Promise<Sought> => {
  const from = await remember(ben);
  await link(ben, [from, 'is about', { id }], options);
  return { id, name, from };
};

const annAndBen = async () => ({ ann: await two.newUser('ann'), ben: await two.newUser('ben') });

const sharedSecret = async () => {
  const { ann, ben } = await annAndBen();
  const secret = await keepSecret(ann);
  expectStatus(await ann.call('POST', `/secrets/${secret.id}/share`, { body: { user_id: ben.id } }), 200);
  const sought = await noteAbout(ben, secret.id, secret.name);
  return { ann, ben, secret, sought, reader: ben };
};

const withSession = async () => {
  const { ann, ben } = await annAndBen();
  const session = await startSession(ann, [ben], { title: uniqueName('the title') });
  const leave = () => ben.call('DELETE', `/sessions/${session.id}/participants/${ben.id}`);
  const remove = () => ann.call('DELETE', `/sessions/${session.id}/participants/${ben.id}`);
  const end = () => ann.call('POST', `/sessions/${session.id}/end`);
  return { ann, ben, reader: ben, session, leave, remove, end };
};

const factOfSession = async () => {
  const world = await withSession();
  const fact = await remember(world.ann, {}, { session: world.session.id });
  return { ...world, sought: await noteAbout(world.ben, fact.id, fact.name) };
};

const sessionNode = async () => {
  const world = await withSession();
  return { ...world, sought: await noteAbout(world.ben, world.session.id, world.session.title) };
};

const otherUser = async () => {
  const world = await withSession();
  return { ...world, sought: await noteAbout(world.ben, world.ann.id, world.ann.username) };
};

const secretOfSession = async () => {
  const world = await withSession();
  const inside = { session: world.session.id, mode: 'session' };
  const secret = await keepSecret(world.ann, { scope: 'session', session_id: world.session.id });
  const sought = await noteAbout(world.ben, secret.id, secret.name, { session: world.session.id });
  return { ...world, secret, sought, reading: inside };
};

const useOfSession = async () => {
  const world = await secretOfSession();
  const inside = { session: world.session.id };
  const revealed = expectStatus(await world.ann.call('GET', `/secrets/${world.secret.id}/value`, inside), 200);
  const id = revealed.body.use_id;
  const body = { type: 'TERMINAL_ACTIVITY', content: 'Deployed it.', secrets_used: [id] };
  expectStatus(await world.ann.call('POST', '/graph/activities', { ...inside, body }), 201);
  return { ...world, sought: await noteAbout(world.ben, id, null, inside) };
};

const ok = async (answer: Promise<{ readonly status: number; readonly text: string }>): Promise<void> => {
  const { status, text } = await answer;
  if (status >= 300) throw new Error(`${status} ${text}`);
};

const withdrawals: Readonly<Record<string, () => Promise<Access>>> = {
  'a secret that is no longer shared with him': async () => {
    const { ann, ben, secret, ...rest } = await sharedSecret();
    return {
      ...rest,
      withdraw: () => ok(ann.call('POST', `/secrets/${secret.id}/unshare`, { body: { user_id: ben.id } })),
    };
  },
  'a shared secret that he gave up': async () => {
    const { ben, secret, ...rest } = await sharedSecret();
    return { ...rest, withdraw: () => ok(ben.call('DELETE', `/secrets/${secret.id}/share/me`)) };
  },
  'a shared secret that is deactivated': async () => {
    const { ann, secret, ...rest } = await sharedSecret();
    return { ...rest, withdraw: () => ok(ann.call('POST', `/secrets/${secret.id}/deactivate`)) };
  },
  'a shared secret that is deleted': async () => {
    const { ann, secret, ...rest } = await sharedSecret();
    return { ...rest, withdraw: () => ok(ann.call('DELETE', `/secrets/${secret.id}`)) };
  },
  'a shared secret whose owner is disabled': async () => {
    const { ann, ...rest } = await sharedSecret();
    return {
      ...rest,
      withdraw: () => ok(two.root.call('PATCH', `/users/${ann.id}`, { body: { status: 'disabled' } })),
    };
  },
  'a secret that is no longer a session’s': async () => {
    const { ann, secret, ...rest } = await secretOfSession();
    return {
      ...rest,
      withdraw: () => ok(ann.call('POST', `/secrets/${secret.id}/transfer`, { body: { scope: 'user' } })),
    };
  },
  'a secret of a session that he left': async () => {
    const { leave, ...rest } = await secretOfSession();
    return { ...rest, withdraw: () => ok(leave()) };
  },
  'a secret of a session that ended': async () => {
    const { end, ...rest } = await secretOfSession();
    return { ...rest, withdraw: () => ok(end()) };
  },
  'a use of a secret in a session from which he was removed': async () => {
    const { remove, ...rest } = await useOfSession();
    return { ...rest, withdraw: () => ok(remove()) };
  },
  'a fact of a session that he left': async () => {
    const { leave, ...rest } = await factOfSession();
    return { ...rest, withdraw: () => ok(leave()) };
  },
  'a fact of a session from which he was removed': async () => {
    const { remove, ...rest } = await factOfSession();
    return { ...rest, withdraw: () => ok(remove()) };
  },
  'a fact of a session that ended after he had left': async () => {
    const { leave, end, ...rest } = await factOfSession();
    return { ...rest, withdraw: async () => [await ok(leave()), await ok(end())] };
  },
  'a session that he left': async () => {
    const { leave, ...rest } = await sessionNode();
    return { ...rest, withdraw: () => ok(leave()) };
  },
  'somebody whose session he left': async () => {
    const { leave, ...rest } = await otherUser();
    return { ...rest, withdraw: () => ok(leave()) };
  },
  'somebody whose session with him ended': async () => {
    const { end, ...rest } = await otherUser();
    return { ...rest, withdraw: () => ok(end()) };
  },
  'somebody who is disabled': async () => {
    const { ann, ...rest } = await otherUser();
    return {
      ...rest,
      withdraw: () => ok(two.root.call('PATCH', `/users/${ann.id}`, { body: { status: 'disabled' } })),
    };
  },
  'an entity of a session that somebody else deleted': async () => {
    const { ann, sought, ...rest } = await factOfSession();
    return { ...rest, sought, withdraw: () => ok(ann.call('DELETE', `/graph/entities/${sought.id}`)) };
  },
  'anything when he is disabled': async () => {
    const { ben, ...rest } = await factOfSession();
    return {
      ...rest,
      withdraw: () => ok(two.root.call('PATCH', `/users/${ben.id}`, { body: { status: 'disabled' } })),
    };
  },
  'anything by a token that is revoked': async () => {
    const { ben, ...rest } = await factOfSession();
    const body = { name: 'a token', permissions: ['graph:read'], expires_in: 3600 };
    const { id, token } = expectStatus(await ben.call('POST', '/auth/tokens', { body }), 201).body;
    return { ...rest, reader: { token }, withdraw: () => ok(ben.call('DELETE', `/auth/tokens/${id}`)) };
  },
};

describe('the very next read', () => {
  it.each(Object.entries(withdrawals))('%s is in no read of Ben’s any more', async (_, make) => {
    const { reader, sought, reading, withdraw } = await make();
    const ben = elsewhere(reader);
    expect(await readsThatShow(ben, sought, reading)).toEqual(everywhere(sought));
    await withdraw();
    expect(await readsThatShow(ben, sought, reading)).toEqual([]);
  });

  it('a note about what is hidden now stays its author’s, and leads there again when access is back', async () => {
    const { ann, ben, secret, sought } = await sharedSecret();
    const share = (verb: string) =>
      ok(ann.call('POST', `/secrets/${secret.id}/${verb}`, { body: { user_id: ben.id } }));
    await share('unshare');
    const { body } = expectStatus(
      await elsewhere(ben).call('GET', `/graph/entities/${sought.from.id}?relations=true`),
      200,
    );
    expect([body.entity.id, body.relations]).toEqual([sought.from.id, []]);
    await share('share');
    expect(await readsThatShow(elsewhere(ben), sought)).toEqual(everywhere(sought));
  });

  it('Ben reads facts of a session again once he has joined it again', async () => {
    const { ann, ben, session, remove, sought } = await factOfSession();
    await ok(remove());
    expect(await readsThatShow(elsewhere(ben), sought)).toEqual([]);
    await ok(ann.call('POST', `/sessions/${session.id}/participants`, { body: { user_id: ben.id } }));
    await joinSession(ben, session.id);
    expect(await readsThatShow(elsewhere(ben), sought)).toEqual(everywhere(sought));
  });
});

describe('a session that ended', () => {
  it('a session that ended is still read in mode all by those who were present at its end, and written by nobody', async () => {
    const { ann, ben, session, end, sought } = await factOfSession();
    await ok(end());
    for (const reading of [{}, { mode: 'all' }])
      expect(await readsThatShow(elsewhere(ben), sought, reading)).toEqual(everywhere(sought));
    expect((await elsewhere(ann).call('GET', `/graph/entities/${sought.id}`)).status).toBe(200);
    const { body } = expectStatus(await elsewhere(ben).call('GET', `/graph/entities/${session.id}`), 200);
    expect(body.entity.attributes.status).toBe('ended');
    const change = await elsewhere(ben).call('PATCH', `/graph/entities/${sought.id}`, { body: { tags: ['new'] } });
    expect(change.status).toBe(409);
    expect((await elsewhere(ben).call('GET', '/graph', { session: session.id })).status).toBe(403);
  });

  it('somebody who left before the end reads no activity of the session, and who stayed does', async () => {
    const { ann, ben, session, leave } = await withSession();
    const body = { type: 'TERMINAL_ACTIVITY', content: 'Deployed it.' };
    await ok(ann.call('POST', '/graph/activities', { session: session.id, body }));
    const activities = (who: Person) => elsewhere(who).call('GET', `/graph/activities?session_id=${session.id}`);
    expect((await activities(ben)).body.activities).toHaveLength(1);
    await ok(leave());
    expect((await activities(ben)).status).toBe(404);
    await ok(ann.call('POST', `/sessions/${session.id}/end`));
    expect((await activities(ben)).status).toBe(404);
    expect((await activities(ann)).body.activities).toHaveLength(1);
  });
});

// Last, since it moves the clock beyond what the logins above last.
it('a shared secret that expired is in no read of Ben’s any more', async () => {
  const { ann, ben } = await annAndBen();
  const expires_at = new Date(two.apps[0].clock.now().getTime() + 3_600_000).toISOString();
  const secret = await keepSecret(ann, { expires_at });
  await ok(ann.call('POST', `/secrets/${secret.id}/share`, { body: { user_id: ben.id } }));
  const sought = await noteAbout(ben, secret.id, secret.name);
  const reader = elsewhere(await lasting(ben));
  expect(await readsThatShow(reader, sought)).toEqual(everywhere(sought));
  two.apps[0].clock.advance(2 * 3_600_000);
  expect(await readsThatShow(reader, sought)).toEqual([]);
});
