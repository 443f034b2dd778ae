import { request } from 'node:http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deafHook, startApp, type TestApp } from '../support/app.ts';
import { isFull, sampled } from '../support/counts.ts';
import { forge, macSigner } from '../support/forged-tokens.ts';
import type { Answer, RequestOptions } from '../support/http.ts';
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
import { between, importLine, observe, relate, remember } from '../support/remembered.ts';
import { newRootKeyFile, type RootKeyFile } from '../support/root-key-file.ts';

/*
 * The gate of a route lets a caller in, and only then, before the change is written, their access is withdrawn. Each test
 * makes this moment long: it locks a row that every change has to look at again, and waits until the withdrawal and then
 * all changes queue for it. PostgreSQL serves them in this order, so the withdrawal is committed first.
 */

const issuer = {
  issuer: 'https://platform.example',
  audience: 'keyhold',
  secret: 'a shared secret of 32 bytes or more',
};
const permissions = [
  'secrets:list',
  'secrets:reveal',
  'secrets:use',
  'secrets:write',
  'secrets:share',
  'secrets:manage',
  'secrets:own',
  'sessions:read',
  'sessions:write',
  'events:read',
  'webhooks:manage',
  'graph:read',
  'graph:write',
  'admin',
];

let app: TestApp;
let keyFile: RootKeyFile;
let root: Person;
let friend: Person;
let newcomer: Person;
/** Sees who waits; the one in `database` holds a lock, and sees activity as it was when it began. */
let observer: pg.Client;

beforeAll(async () => {
  const external = {
    issuer: issuer.issuer,
    audience: issuer.audience,
    hs256_secret: issuer.secret,
    may_create_users: true,
  };
  keyFile = newRootKeyFile();
  app = await startApp({
    env: { KEYHOLD_JWT_ISSUERS: JSON.stringify([external]), KEYHOLD_DATABASE_CONNECTIONS: '75' },
    rootKeys: keyFile.source,
  });
  root = await logInAdmin(app);
  friend = await newUser('friend');
  newcomer = await newUser('newcomer');
  observer = new pg.Client(app.database.settings('superuser'));
  await observer.connect();
});
afterAll(async () => {
  await observer.end();
  await app.close();
  keyFile.remove();
});

const newUser = async (name: string, role = 'member'): Promise<Person> => {
  const username = uniqueName(name);
  expectStatus(await root.call('POST', '/users', { body: { username, password, role } }), 201);
  return await logIn(app, username);
};

/** Somebody who is an administrator, so that they may make every kind of change. */
interface Caller {
  /** By the credential that will be withdrawn, or by one whose user or session will be. */
  readonly person: Person;
  /** By another credential, which stays. */
  readonly owner: Person;
  readonly options: RequestOptions;
}

/** A row that the test locks, named as `table id`. A withdrawal may change this row and those that it names, no other. */
interface Withdrawal {
  readonly what: string;
  readonly refusal: string;
  readonly kind: 'token' | 'login' | 'external';
  enter(): Promise<Caller>;
  lockedRow(caller: Caller): Promise<{ readonly table: string; readonly where: string; readonly key: string }>;
  /** The other rows that the withdrawal changes, named before it. */
  alsoChanges?(caller: Caller): Promise<readonly string[]>;
  /** The request that takes the access away. Null where time alone does. */
  withdraw(caller: Caller): Promise<Answer<any>> | null;
  /** Lets the time pass that takes it away. */
  pass?(): void;
}

const loginIdOf = ({ token }: Person): string =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).login_id;

const byLogin = async (): Promise<Caller> => {
  const owner = await newUser('login', 'admin');
  return { owner, person: await logIn(app, owner.username), options: {} };
};

let tokenId = '';
let tokenEnds = 0;
const byToken = (expires_in: number) => async (): Promise<Caller> => {
  // On a slow machine, the database's clock, which decides too, is further than the test's by more than a token lasts.
  app.clock.set(new Date(Math.max(app.clock.now().getTime(), Date.now())));
  const owner = await newUser('token', 'admin');
  const body = { name: 'an agent', permissions, expires_in };
  const made = expectStatus(await owner.call('POST', '/auth/tokens', { body }), 201).body;
  tokenId = made.id;
  tokenEnds = new Date(made.expires_at).getTime();
  return { owner, person: owner.with(made.token), options: {} };
};

const byIssuer = async (): Promise<Caller> => {
  const subject = uniqueName('external');
  const exp = Math.floor(Date.now() / 1000) + 600;
  const claims = { iss: issuer.issuer, aud: issuer.audience, exp, sub: subject, preferred_username: subject };
  const token = forge({ alg: 'HS256' }, claims, macSigner(issuer.secret));
  const { id } = expectStatus(await app.call('GET', '/auth/me', { token }), 200).body.user;
  expectStatus(await root.call('PATCH', `/users/${id}`, { body: { role: 'admin' } }), 200);
  const person: Person = { ...root.with(token), id, username: subject };
  return { owner: person, person, options: {} };
};

let sessionOfFriend = '';
const inSession = async (): Promise<Caller> => {
  const caller = await byLogin();
  sessionOfFriend = (await startSession(friend, [caller.owner])).id;
  return { ...caller, options: { session: sessionOfFriend } };
};

const userRow = async ({ owner }: Caller) => ({
  table: 'users',
  where: `id = '${owner.id}'`,
  key: `users ${owner.id}`,
});
const disable = ({ owner }: Caller) => root.call('PATCH', `/users/${owner.id}`, { body: { status: 'disabled' } });

/** Disabling a user ends every login and token. */
const liveCredentials = async ({ owner }: Caller): Promise<readonly string[]> => {
  const live = `select 'logins ' || id as key from logins where user_id = $1 and ended_at is null
    union all select 'tokens ' || id from tokens where user_id = $1 and revoked_at is null`;
  return (await observer.query(live, [owner.id])).rows.map(({ key }) => key);
};

const withdrawals: readonly Withdrawal[] = [
  {
    what: 'the token is revoked',
    refusal: '401 unauthenticated',
    kind: 'token',
    enter: byToken(3600),
    lockedRow: async () => ({ table: 'tokens', where: `id = '${tokenId}'`, key: `tokens ${tokenId}` }),
    withdraw: ({ owner }) => owner.call('DELETE', `/auth/tokens/${tokenId}`),
  },
  {
    what: 'the token expires',
    refusal: '401 unauthenticated',
    kind: 'token',
    enter: byToken(60),
    lockedRow: async () => ({ table: 'tokens', where: `id = '${tokenId}'`, key: `tokens ${tokenId}` }),
    withdraw: () => null,
    pass: () => app.clock.set(new Date(tokenEnds)),
  },
  {
    what: 'the login is ended',
    refusal: '401 unauthenticated',
    kind: 'login',
    enter: byLogin,
    lockedRow: async ({ person }) => ({
      table: 'logins',
      where: `id = '${loginIdOf(person)}'`,
      key: `logins ${loginIdOf(person)}`,
    }),
    withdraw: ({ owner, person }) => owner.call('DELETE', `/auth/logins/${loginIdOf(person)}`),
  },
  {
    what: 'the login expires',
    refusal: '401 unauthenticated',
    kind: 'login',
    enter: byLogin,
    lockedRow: async ({ person }) => ({
      table: 'logins',
      where: `id = '${loginIdOf(person)}'`,
      key: `logins ${loginIdOf(person)}`,
    }),
    withdraw: () => null,
    // Past the end of the access token and of the login itself.
    pass: () => app.clock.advance(31 * 86_400_000),
  },
  {
    what: 'the user is disabled',
    refusal: '401 unauthenticated',
    kind: 'login',
    enter: byLogin,
    lockedRow: userRow,
    alsoChanges: liveCredentials,
    withdraw: disable,
  },
  {
    what: 'the user of the token is disabled',
    refusal: '401 unauthenticated',
    kind: 'token',
    enter: byToken(3600),
    lockedRow: userRow,
    alsoChanges: liveCredentials,
    withdraw: disable,
  },
  {
    what: 'the external user is disabled',
    refusal: '401 unauthenticated',
    kind: 'external',
    enter: byIssuer,
    lockedRow: userRow,
    alsoChanges: liveCredentials,
    withdraw: disable,
  },
  {
    what: 'the user loses the role',
    refusal: '403 permission_missing',
    kind: 'login',
    enter: byLogin,
    lockedRow: userRow,
    withdraw: ({ owner }) => root.call('PATCH', `/users/${owner.id}`, { body: { role: 'member' } }),
  },
  {
    what: 'the user of the token loses the role',
    refusal: '403 permission_missing',
    kind: 'token',
    enter: byToken(3600),
    lockedRow: userRow,
    withdraw: ({ owner }) => root.call('PATCH', `/users/${owner.id}`, { body: { role: 'member' } }),
  },
  {
    what: 'the session that the request names is ended',
    refusal: '403 session_not_joined',
    kind: 'login',
    enter: inSession,
    lockedRow: async () => ({
      table: 'sessions',
      where: `id = '${sessionOfFriend}'`,
      key: `sessions ${sessionOfFriend}`,
    }),
    withdraw: () => friend.call('POST', `/sessions/${sessionOfFriend}/end`),
  },
  {
    what: 'the caller is taken out of the session that the request names',
    refusal: '403 session_not_joined',
    kind: 'login',
    enter: inSession,
    lockedRow: async ({ owner }) => ({
      table: 'session_participants',
      where: `session_id = '${sessionOfFriend}' and user_id = '${owner.id}'`,
      key: `session_participants ${sessionOfFriend} ${owner.id}`,
    }),
    withdraw: ({ owner }) => friend.call('DELETE', `/sessions/${sessionOfFriend}/participants/${owner.id}`),
  },
];

interface Change {
  readonly what: string;
  /** Such as `POST /secrets/{}/share`. */
  readonly route: string;
  readonly send: () => Promise<Answer<any>>;
  /** Changes of one turn follow one another in the service, so that one of them at a time waits in the database. */
  readonly turn?: string;
}

/** How many of these changes wait in the database together. */
const waitingTogether = (changes: readonly Change[]): number => {
  const turns = changes.flatMap(({ turn }) => (turn === undefined ? [] : [turn]));
  return changes.length - turns.length + new Set(turns).size;
};

/** Every kind of change, each about something of its own that was made by the credential that stays. */
const prepareChanges = async ({ person, owner, options }: Caller, kind: Withdrawal['kind']): Promise<Change[]> => {
  const secret = async (more: Record<string, unknown> = {}) => (await keepSecret(owner, more)).id;
  const shared = () => secret({ scope: 'shared', shared_with: [friend.id] });
  const then = async (id: string, method: string, path: string, body?: object): Promise<string> => {
    const answer = await owner.call(method, `/secrets/${id}${path}`, body ? { body } : {});
    if (answer.status >= 300) throw new Error(answer.text);
    return id;
  };
  const session = async () => (await startSession(owner, [friend])).id;
  const invitedTo = async () => {
    const body = { participants: [owner.id] };
    return expectStatus(await friend.call('POST', '/sessions', { body }), 201).body.id;
  };
  const other = async () => (await newUser('other')).id;
  const webhook = async () =>
    expectStatus(await owner.call('POST', '/webhooks', { body: { url: deafHook } }), 201).body.id;
  const redelivery = async () => {
    const at = `/webhooks/${await webhook()}`;
    return `${at}/deliveries/${expectStatus(await owner.call('POST', `${at}/test`), 200).body.id}/redeliver`;
  };
  const change = (what: string, method: string, path: string, body?: object): Change => ({
    what,
    route: `${method} ${path.replace(/\?.*$/, '').replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{}')}`,
    send: () => person.call(method, path, { ...options, ...(body ? { body } : {}) }),
  });
  const own = await session();
  const item = (more: object = {}) => ({ name: uniqueName('NEW'), type: 'other', value: 'v', ...more });
  const toOwner = (await keepSecret(friend, { scope: 'shared', shared_with: [owner.id] })).id;
  const resetId = await other();
  const reset = { body: { new_password: 'chosen by somebody' } };
  expectStatus(await root.call('POST', `/users/${resetId}/password`, reset), 200);
  const addedKey = keyFile.add();
  await app.app.keys.reload();
  const offeredTo = async (who: Person): Promise<string> => {
    const giver = who === owner ? friend : owner;
    const { id } = await keepSecret(giver);
    return expectStatus(await giver.call('POST', `/secrets/${id}/handover`, { body: { to: who.id } }), 201).body.id;
  };
  const disabledOther = async () => {
    const id = await other();
    expectStatus(await root.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } }), 200);
    return id;
  };
  const on = (id: string) => `/secrets/${id}`;
  const changes = [
    change('create a secret', 'POST', '/secrets', item()),
    change('create a shared secret', 'POST', '/secrets', item({ scope: 'shared', shared_with: [newcomer.id] })),
    change('create a secret in a session', 'POST', '/secrets', item({ scope: 'session', session_id: own })),
    change('import secrets', 'POST', '/secrets/import', { items: [item(), item()], on_conflict: 'fail' }),
    change('change a secret', 'PATCH', on(await secret()), { description: 'changed' }),
    change('set a value', 'PUT', `${on(await secret())}/value`, { value: 'changed' }),
    change(
      'restore a version',
      'POST',
      `${on(await then(await secret(), 'PUT', '/value', { value: 'w' }))}/versions/1/restore`,
    ),
    change('share a secret', 'POST', `${on(await secret())}/share`, { user_id: newcomer.id }),
    change('unshare a secret', 'POST', `${on(await shared())}/unshare`, { user_id: friend.id }),
    change('leave a share', 'DELETE', `${on(toOwner)}/share/me`),
    change('activate a secret', 'POST', `${on(await then(await secret(), 'POST', '/deactivate'))}/activate`),
    change('deactivate a secret', 'POST', `${on(await secret())}/deactivate`),
    change('transfer a secret to its owner', 'POST', `${on(await shared())}/transfer`, { scope: 'user' }),
    change('transfer a secret into a session', 'POST', `${on(await secret())}/transfer`, {
      scope: 'session',
      session_id: own,
    }),
    change('offer a secret', 'POST', `${on(await secret())}/handover`, { to: friend.id }),
    change('accept a secret', 'POST', `/handovers/${await offeredTo(owner)}/accept`),
    change('call an offer off', 'POST', `/handovers/${await offeredTo(friend)}/cancel`),
    change('offer everything of a user', 'POST', `/users/${await disabledOther()}/handover`, { to: friend.id }),
    change('delete a secret', 'DELETE', on(await secret())),
    change('purge a secret', 'DELETE', `${on(await secret())}?purge=true`),
    change('recover a secret', 'POST', `${on(await then(await secret(), 'DELETE', ''))}/recover`),
    change('start a session', 'POST', '/sessions', { title: 'New' }),
    change('change a session', 'PATCH', `/sessions/${await session()}`, { title: 'Changed' }),
    change('add a participant', 'POST', `/sessions/${await session()}/participants`, { user_id: newcomer.id }),
    change('remove a participant', 'DELETE', `/sessions/${await session()}/participants/${friend.id}`),
    change('join a session', 'POST', `/sessions/${await invitedTo()}/join`),
    change('end a session', 'POST', `/sessions/${await session()}/end`),
    change('create a user', 'POST', '/users', { username: uniqueName('made') }),
    change('disable a user', 'PATCH', `/users/${await other()}`, { status: 'disabled' }),
    change('change a role', 'PATCH', `/users/${await other()}`, { role: 'admin' }),
    change('reset a password', 'POST', `/users/${await other()}/password`, reset.body),
    change('cancel a reset', 'POST', `/users/${resetId}/password/cancel`),
    change('erase a user', 'DELETE', `/users/${await other()}`),
    change('mark notices as read', 'POST', '/notices/read', {}),
    change('make a webhook', 'POST', '/webhooks', { url: deafHook }),
    change('change a webhook', 'PATCH', `/webhooks/${await webhook()}`, { state: 'off' }),
    change('delete a webhook', 'DELETE', `/webhooks/${await webhook()}`),
    change('replace the secret of a webhook', 'POST', `/webhooks/${await webhook()}/rotate-secret`, {}),
    change('test a webhook', 'POST', `/webhooks/${await webhook()}/test`),
    change('redeliver', 'POST', await redelivery()),
    change('cancel a job', 'DELETE', `/admin/jobs/${await storeJob(app)}`),
    ...(await graphChanges({ owner, inSession: options.session !== undefined, change, secret, session })),
    // Before a rotation, which would make the added key the primary one.
    change('retire a root key', 'POST', '/admin/keys/retire', { root_key_id: addedKey }),
    change('reload the root keys', 'POST', '/admin/keys/reload'),
    change('rotate the root key', 'POST', '/admin/keys/rotate-root'),
    change('rewrap owner keys', 'POST', '/admin/keys/rewrap'),
    change('re-encrypt values', 'POST', '/admin/keys/reencrypt', { user_id: await other() }),
    change('rotate the seal key', 'POST', '/admin/keys/rotate-seal'),
  ];
  if (kind === 'token') return changes;
  const madeToken = async () => {
    const body = { name: 'another', permissions: ['secrets:list'], expires_in: 60 };
    return expectStatus(await owner.call('POST', '/auth/tokens', { body }), 201).body.id;
  };
  const forLogins = [
    change('make a token', 'POST', '/auth/tokens', { name: 'new', permissions: ['secrets:list'], expires_in: 60 }),
    change('revoke a token', 'DELETE', `/auth/tokens/${await madeToken()}`),
    change('change one’s own name', 'PATCH', `/users/${owner.id}`, { display_name: 'Changed' }),
  ];
  if (kind === 'external') return [...changes, ...forLogins];
  const another = loginIdOf(await logIn(app, owner.username));
  return [
    ...changes,
    ...forLogins,
    change('end a login', 'DELETE', `/auth/logins/${another}`),
    // Last: it ends the others' credentials where it succeeds.
    change('change one’s own password', 'POST', `/users/${owner.id}/password`, {
      current_password: password,
      new_password: 'another password',
    }),
  ];
};

interface ForGraph {
  readonly owner: Person;
  /** Whether the requests name a session. */
  readonly inSession: boolean;
  readonly change: (what: string, method: string, path: string, body?: object) => Change;
  readonly secret: () => Promise<string>;
  readonly session: () => Promise<string>;
}

const graphChanges = async ({ owner, inSession, change, secret, session }: ForGraph): Promise<Change[]> => {
  const entity = async () => (await remember(owner)).id;
  const observed = await observe(owner);
  const related = await relate(owner);
  const known = { entity: { id: observed.entity.id }, contents: ['what is known of it'] };
  const ended = { invalid_at: '2999-01-01T00:00:00Z' };
  const at = '/graph';
  const inTurn = (turn: string, changes: readonly Change[]) => changes.map((one) => ({ ...one, turn }));
  // In the caller's own memory, whatever the session of the request.
  const own = { session_id: null };
  return [
    ...inTurn('own', [
      change('note something of oneself', 'POST', `${at}/users`, { username: owner.username, metadata: { a: 1 } }),
      change('note something of a session', 'POST', `${at}/sessions`, {
        session_id: await session(),
        metadata: { a: 1 },
      }),
      change('note something of a secret', 'POST', `${at}/secrets`, { secret_id: await secret(), metadata: { a: 1 } }),
      change('remember an entity', 'POST', `${at}/entities`, {
        entities: [{ type: 'TASK', name: uniqueName('new'), ...own }],
      }),
      change('add an observation', 'POST', `${at}/observations`, {
        observations: [{ entity: { id: await entity() }, contents: ['new'], ...own }],
      }),
      change('relate entities', 'POST', `${at}/relations`, {
        relations: [{ ...between({ from: await remember(owner), to: await remember(owner) }), ...own }],
      }),
    ]),
    ...inTurn(inSession ? 'session' : 'own', [
      change('change an entity', 'PATCH', `${at}/entities/${await entity()}`, { tags: ['changed'] }),
      change('merge entities', 'POST', `${at}/entities/${await entity()}/merge`, { into: await entity() }),
      change('forget an entity', 'DELETE', `${at}/entities/${await entity()}`),
      change('end an observation', 'PATCH', `${at}/observations/${(await observe(owner)).id}`, ended),
      change('forget an observation', 'DELETE', `${at}/observations`, { observations: [known] }),
      change('end a relation', 'PATCH', `${at}/relations/${(await relate(owner)).id}`, ended),
      change('forget a relation', 'DELETE', `${at}/relations`, { relations: [between(related)] }),
    ]),
    change('remember what was done', 'POST', `${at}/activities`, {
      type: 'FILE_ACTIVITY',
      content: 'Wrote a file.',
      session_id: await session(),
    }),
    change('import facts', 'POST', `${at}/import?format=jsonl&session_id=`, importLine()),
    // Last of these, since it forgets what the others are about.
    change('forget everything of oneself', 'DELETE', `${at}/me`),
  ];
};

const tables: Readonly<Record<string, string>> = {
  secrets: 'id::text',
  secret_versions: "secret_id || ' ' || version",
  sessions: 'id::text',
  session_participants: "session_id || ' ' || user_id",
  users: 'id::text',
  tokens: 'id::text',
  logins: 'id::text',
  owner_keys: 'id::text',
  jobs: 'id::text',
  service_keys: "id || ' ' || root_key_id",
  root_keys: "id || ' ' || state",
  memory_entities: 'id::text',
  memory_observations: 'id::text',
  memory_relations: 'id::text',
  memory_metadata: "entity_id || ' ' || scope_id",
};

/** What a service notes by itself: when a credential was last used, and when a root key last signed. */
const notes = ['last_used_at', 'last_signed_at'];

/** Every row that a change could write, by table and key. */
const everyRow = async (): Promise<Map<string, string>> => {
  const rows = new Map<string, string>();
  for (const [table, key] of Object.entries(tables)) {
    const found = await observer.query(
      // A note of a root key is sealed with the rest of the row.
      `select ${key} as key, (to_jsonb(t) - $1::text[])::text as row from ${table} t`,
      [table === 'root_keys' ? [...notes, 'seal'] : notes],
    );
    for (const one of found.rows) rows.set(`${table} ${one.key}`, one.row);
  }
  return rows;
};

const changedKeys = (before: Map<string, string>, after: Map<string, string>): string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));

const waiting = async (): Promise<number> =>
  (
    await observer.query(
      "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    )
  ).rows[0].n;

const newestRecord = async (): Promise<string> =>
  (await observer.query("select coalesce(max(id::text), '') as id from audit_log")).rows[0].id;

const refusalsSince = async (newest: string, caller: Caller): Promise<string[]> =>
  (
    await observer.query(
      "select action from audit_log where id::text > $1 and actor_id = $2 and outcome = 'refused' order by id",
      [newest, caller.owner.id],
    )
  ).rows.map(({ action }) => action);

const outcomeOf = ({ status, body }: Answer<any>): string => (status < 300 ? 'done' : `${status} ${body.code}`);

interface Result {
  readonly outcomes: Readonly<Record<string, string>>;
  readonly changed: readonly string[];
  readonly records: readonly string[];
  /** The keys of the rows that the withdrawal itself changes. */
  readonly withdrawn: readonly string[];
}

/** Holds all changes between gate and write, and withdraws. Resolves to null where the machine was too slow for it. */
const holdAndWithdraw = async (withdrawal: Withdrawal): Promise<Result | null> => {
  const { client } = app.database;
  const caller = await withdrawal.enter();
  const all = await prepareChanges(caller, withdrawal.kind);
  // A plain creation looks at the time before it waits for the lock; it is tried with a late body below.
  const possible = withdrawal.pass ? all.filter(({ what }) => what !== 'create a secret') : all;
  // In `npm test`, a quarter of them: the fewer wait together, the slower the machine may be.
  const changes = possible.filter(({ what }) => sampled(`${withdrawal.what} ${what}`, 4));
  // A credential that was never used is noted as used, by a write that would wait for the lock within the gate.
  await caller.person.call('GET', '/auth/me', caller.options);
  const { table, where, key } = await withdrawal.lockedRow(caller);
  const alsoChanged = (await withdrawal.alsoChanges?.(caller)) ?? [];
  const [before, newest, start] = [await everyRow(), await newestRecord(), app.clock.now()];
  await client.query('begin');
  await client.query(`select 1 from ${table} where ${where} for update`);
  let withdrawn: Promise<Answer<any>> | null = null;
  let sent: Promise<Answer<any>>[] = [];
  try {
    withdrawn = withdrawal.withdraw(caller);
    if (withdrawn !== null) await expect.poll(waiting, { timeout: 1500, interval: 5 }).toBe(1);
    sent = changes.map(({ send }) => send());
    // Nobody waits for a lock longer than two seconds.
    await expect
      .poll(waiting, { timeout: 1500, interval: 5 })
      .toBe(waitingTogether(changes) + (withdrawn === null ? 0 : 1));
    withdrawal.pass?.();
  } catch {
    // Whatever did not come in time shows in the answers.
  } finally {
    await client.query('rollback');
  }
  const taken = await withdrawn;
  const answers = await Promise.all(sent);
  if (withdrawal.pass) app.clock.set(start);
  const records = await refusalsSince(newest, caller);
  const tooSlow =
    sent.length === 0 ||
    [taken, ...answers].some((answer) => answer?.status === 503) ||
    records.some((action) => ['token.refused', 'login.refused', 'session.refused'].includes(action));
  if (tooSlow) return null;
  if (taken && taken.status >= 300) throw new Error(taken.text);
  return {
    outcomes: Object.fromEntries(changes.map(({ what }, at) => [what, outcomeOf(answers[at] as Answer<any>)])),
    changed: changedKeys(before, await everyRow()),
    records,
    withdrawn: withdrawal.pass ? [] : [key, ...alsoChanged],
  };
};

/** Each try is short. On a machine that is busy for a while, some of them come to nothing. */
const maxTries = 20;

describe('a change whose caller loses their access between gate and write', () => {
  it.each(withdrawals)('nothing is changed when $what in between', async (withdrawal) => {
    let result: Result | null = null;
    for (let tries = 0; result === null && tries < maxTries; tries += 1) result = await holdAndWithdraw(withdrawal);
    if (result === null) throw new Error('no change could be held between gate and write');
    const names = Object.keys(result.outcomes);
    expect(names.length).toBeGreaterThan(isFull ? 50 : 8);
    expect(result.outcomes).toEqual(Object.fromEntries(names.map((what) => [what, withdrawal.refusal])));
    expect(result.changed.toSorted()).toEqual(result.withdrawn.toSorted());
    expect(result.records).toEqual(names.map(() => 'request.refused'));
  });

  /** Sends the headers, and the body once the gate has let them in and `meanwhile` is done. */
  const createLate = async (who: Person, meanwhile: () => unknown): Promise<number> => {
    const sent = request(`${app.url}/api/v1/secrets`, {
      method: 'POST',
      headers: { authorization: `Bearer ${who.token}`, 'content-type': 'application/json' },
    });
    const answered = new Promise<number>((resolve, reject) => {
      sent.once('error', reject).once('response', (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
    });
    sent.flushHeaders();
    // The gate notes that the token was used.
    const used = async () =>
      (await observer.query('select last_used_at from tokens where id = $1', [tokenId])).rows[0].last_used_at;
    await expect.poll(used, { timeout: 60_000 }).not.toBeNull();
    await meanwhile();
    sent.end(JSON.stringify({ name: uniqueName('LATE'), type: 'other', value: 'v' }));
    return await answered;
  };
  const secretsOf = async ({ id }: Person): Promise<number> =>
    (await observer.query('select count(*)::int as n from secrets where owner_id = $1', [id])).rows[0].n;

  it.each<[string, number, number, (owner: Person) => unknown]>([
    ['nothing happens', 201, 1, () => undefined],
    ['the token expires', 401, 0, () => app.clock.set(new Date(tokenEnds))],
    ['the token is revoked', 401, 0, (owner) => owner.call('DELETE', `/auth/tokens/${tokenId}`)],
    ['the user is disabled', 401, 0, ({ id }) => root.call('PATCH', `/users/${id}`, { body: { status: 'disabled' } })],
    ['the role is lost', 403, 0, ({ id }) => root.call('PATCH', `/users/${id}`, { body: { role: 'member' } })],
  ])(
    'a creation whose body comes late is decided when it comes: %s before that, so it is answered %i',
    async (_what, status, more, meanwhile) => {
      const { owner, person } = await byToken(60)();
      // From the second secret on, the owner's key is known and one statement creates a secret.
      await keepSecret(owner);
      expect(await createLate(person, () => meanwhile(owner))).toBe(status);
      expect(await secretsOf(owner)).toBe(1 + more);
    },
  );

  it('every route that changes something is among these changes', async () => {
    const { paths } = (await (await fetch(`${app.url}/api/openapi.json`)).json()) as { paths: Record<string, object> };
    // A reveal changes nothing; the others are about the credential itself.
    const others = /^GET |\/secrets\/reveal$|\/auth\/(login|refresh|logout)$/;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) =>
        `${method.toUpperCase()} ${path.replace('/api/v1', '')}`.replaceAll(/\{[a-z_]+\}/g, '{}'),
      ),
    );
    const tried = (await prepareChanges(await byLogin(), 'login')).map(({ route }) => route.replace('/1/', '/{}/'));
    expect([...new Set(tried)].sort()).toEqual(routes.filter((route) => !others.test(route)).sort());
  });

  it.each([
    ['a login', 'login', byLogin],
    ['a token', 'token', byToken(3600)],
    ['an external login', 'external', byIssuer],
    ['a login in a session', 'login', inSession],
  ] as const)('every one of these changes succeeds by %s that is not withdrawn', async (_by, kind, enter) => {
    const caller = await enter();
    const outcomes: Record<string, string> = {};
    for (const { what, send } of await prepareChanges(caller, kind)) outcomes[what] = outcomeOf(await send());
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(outcomes).map((what) => [what, 'done'])));
  });
});
