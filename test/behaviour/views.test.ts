import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { expectStatus, logIn, logInAdmin, type Person, password, people, startSession } from '../support/people.ts';
import { storeAs } from '../support/stored-rows.ts';

/*
 * What every kind of reader sees, field by field. The fields of every answer come from openapi.json and are compared with
 * the lists below: a new field fails here until somebody has said who may see it.
 */

type Schema = Record<string, any>;
const openapi = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8'));

const resolved = (schema: Schema): Schema =>
  typeof schema['$ref'] === 'string'
    ? resolved(openapi.components.schemas[schema['$ref'].split('/').at(-1) ?? ''])
    : schema;

/** The paths of a schema's fields, such as `secrets[].id`. */
const pathsOf = (given: Schema, at = ''): string[] => {
  const schema = resolved(given);
  if (schema['anyOf']) return [...new Set<string>(schema['anyOf'].flatMap((one: Schema) => pathsOf(one, at)))];
  if (schema['type'] === 'array') return pathsOf(schema['items'], `${at}[]`);
  const fields = Object.entries<Schema>(schema['properties'] ?? {});
  if (fields.length === 0) return [at];
  return fields.flatMap(([name, of]) => pathsOf(of, at === '' ? name : `${at}.${name}`));
};

/** The fields of each answer of JSON, by its route. */
const fieldsByRoute: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries<Schema>(openapi.paths).flatMap(([path, methods]) =>
    Object.entries<Schema>(methods).flatMap(([method, { responses }]) =>
      Object.entries<Schema>(responses).flatMap(([status, { content }]) => {
        const schema = status.startsWith('2') ? content?.['application/json']?.schema : undefined;
        return schema ? [[`${method.toUpperCase()} ${path}`, pathsOf(schema).sort()]] : [];
      }),
    ),
  ),
);

const under = (prefix: string, fields: readonly string[]): string[] => fields.map((field) => `${prefix}${field}`);

const secretFields = [
  'id',
  'owner_id',
  'name',
  'type',
  'scope',
  'session_id',
  'shared_with[]',
  'description',
  'tags[]',
  'expires_at',
  'rotate_after',
  'is_active',
  'exposure',
  'metadata',
  'version',
  'revision',
  'state',
  'access',
  'created_at',
  'updated_at',
  'value_set_at',
  'deleted_at',
];
const cardFields = ['id', 'username', 'display_name'];
const ownUserFields = [
  ...cardFields,
  'email',
  'role',
  'status',
  'issuer',
  'secrets_from',
  'metadata',
  'created_at',
  'updated_at',
];
const sessionFields = [
  'id',
  'external_id',
  'owner_id',
  'title',
  'status',
  'expires_at',
  'ended_at',
  'idle_after',
  'last_active_at',
  'erase_after',
  'cleaned_up_at',
  'metadata',
  ...under('participants[].', ['user_id', 'username', 'role', 'state', 'invited_at', 'joined_at']),
  'created_at',
  'updated_at',
];
/** What an invited user sees in place of a session, apart from its id, title and status. */
const invitationFields = ['invited_at', ...under('invited_by.', ['id', 'username'])];
const tokenFields = ['id', 'name', 'permissions[]', 'agent', 'session_id', 'created_at', 'expires_at', 'last_used_at'];
const grantedFields = ['access_token', 'token_type', 'expires_in', 'refresh_token', ...under('user.', ownUserFields)];
const erasedFields = under('counts.', [
  'secrets',
  'versions',
  'shares',
  'sessions',
  'participations',
  'handovers',
  'logins',
  'tokens',
  'webhooks',
  'memories',
]);
const webhookFields = [
  'id',
  'service',
  'url',
  'event_types[]',
  'state',
  'off_reason',
  'previous_secret_until',
  'created_at',
  'updated_at',
];
const deliveryFields = [
  'id',
  'event_id',
  'event_type',
  'state',
  'attempts',
  'next_attempt_at',
  'last_status',
  'last_error',
  'created_at',
  'delivered_at',
];
const jobFields = [
  'id',
  'kind',
  'state',
  'params',
  'total',
  'done',
  'failed',
  'counts',
  'reason',
  'requested_by',
  'created_at',
  'started_at',
  'updated_at',
  'finished_at',
];
const handoverFields = [
  'id',
  'kind',
  'state',
  ...under('from.', ['id', 'username']),
  ...under('to.', ['id', 'username']),
  ...under('requested_by.', ['id', 'username']),
  'secret',
  ...under('secret.', ['id', 'name', 'type']),
  'keep_sharing',
  'ready_at',
  'created_at',
  'decided_at',
];
const keysFields = [
  'source',
  ...under('root_keys[].', [
    'id',
    'state',
    'added_at',
    'owner_keys',
    'logins',
    'last_token_expires_at',
    'unused_since',
    'retired_at',
    'needed_for[]',
  ]),
  ...under('seal_keys[].', ['id', 'generation', 'state', 'created_at', 'promoted_at']),
  ...under('services[].', ['id', 'host', 'pid', 'root_key_ids[]', 'seal_generation', 'started_at', 'seen_at']),
];
const eventFields = [
  'id',
  'type',
  'at',
  ...under('actor.', ['id', 'username']),
  'agent',
  ...under('user.', ['id', 'username']),
  ...under('secret.', ['id', 'name']),
  ...under('session.', ['id', 'title']),
  'revision',
  'details',
];
/** Of the memory graph. Who sees an entity or a relation at all is the matter of graph tests of their own. */
const originFields = ['author_id', 'agent', 'session_id'];
const timeFields = ['valid_at', 'invalid_at', 'created_at'];
const supportFields = ['source', 'confidence'];
const observationFields = ['id', 'content', ...supportFields, ...originFields, ...timeFields];
const nodeFields = [
  'id',
  'type',
  'name',
  'derived',
  'attributes',
  'aliases[]',
  'tags[]',
  'version',
  ...originFields,
  'created_at',
  'updated_at',
];
/** `metadata` is what the reader noted of a derived node themselves. */
const entityFields = [...nodeFields, ...under('observations[].', observationFields), 'metadata'];
const endFields = ['id', 'type', 'name'];
const relationFields = [
  'id',
  'type',
  ...under('from.', endFields),
  ...under('to.', endFields),
  'derived',
  'attributes',
  ...supportFields,
  ...originFields,
  ...timeFields,
];
const activityFields = [...under('entity.', entityFields), ...under('uses[].', nodeFields)];
const importedFields = ['entities', 'observations', 'relations'].flatMap((of) => [`${of}.created`, `${of}.existing`]);

const problemFields = ['type', 'title', 'status', 'detail', 'code', 'request_id', 'errors[].field', 'errors[].detail'];

const classified: Readonly<Record<string, readonly string[]>> = {
  // To everybody, about the service.
  'GET /healthz': ['status'],
  'GET /readyz': ['status', 'checks'],
  'GET /.well-known/jwks.json': ['keys[]'],
  'GET /api/v1/secrets/types': ['types[]', 'next_cursor'],
  // To users, about themselves.
  'POST /api/v1/auth/login': grantedFields,
  'POST /api/v1/auth/refresh': grantedFields,
  'GET /api/v1/auth/logins': [
    ...under('logins[].', ['id', 'created_at', 'last_used_at', 'expires_at', 'ip', 'user_agent', 'current']),
    'next_cursor',
  ],
  'GET /api/v1/auth/me': [...under('user.', ownUserFields), 'agent', 'session_id', 'permissions[]', 'waiting_until'],
  'POST /api/v1/auth/tokens': [...tokenFields, 'token'],
  'GET /api/v1/auth/tokens': [...under('tokens[].', tokenFields), 'next_cursor'],
  'GET /api/v1/secrets/stats': [
    ...['total', 'own', 'from_others', 'by_scope', 'by_type', 'by_state'],
    ...['expiring', 'rotation_due', 'unused'].flatMap((list) => [
      `${list}.count`,
      ...under(`${list}.first[].`, ['id', 'name', 'at']),
    ]),
    'shared_with.count',
    ...under('shared_with.first[].', ['user_id', 'username', 'secrets']),
  ],
  'POST /api/v1/secrets/import': [
    'dry_run',
    'created',
    'updated',
    'skipped',
    'renamed',
    ...under('items[].', ['index', 'id', 'name', 'outcome']),
  ],
  // Names of secrets and titles of sessions only while the user has access; notices.test.ts says when.
  'GET /api/v1/notices': [
    ...under('notices[].', [...eventFields, 'actor', 'user', 'secret', 'session', 'unread']),
    'next_cursor',
  ],
  // To the owner of the webhook; to administrators, those of the service. The secret is shown when it is made.
  'POST /api/v1/webhooks': [...webhookFields, 'secret'],
  'GET /api/v1/webhooks': [...under('webhooks[].', webhookFields), 'next_cursor'],
  'GET /api/v1/webhooks/{id}': webhookFields,
  'PATCH /api/v1/webhooks/{id}': webhookFields,
  'POST /api/v1/webhooks/{id}/rotate-secret': [...webhookFields, 'secret'],
  'POST /api/v1/webhooks/{id}/test': deliveryFields,
  'GET /api/v1/webhooks/{id}/deliveries': [...under('deliveries[].', deliveryFields), 'next_cursor'],
  'POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver': deliveryFields,
  // To the user and to administrators whole; to others as a card.
  'GET /api/v1/users': [...under('users[].', ownUserFields), 'next_cursor'],
  'GET /api/v1/users/{id}': ownUserFields,
  // To administrators.
  'GET /api/v1/graph/types': [
    'entity_types[]',
    'knowledge_entity_types[]',
    'derived_entity_types[]',
    'relation_types[]',
    'derived_relation_types[]',
  ],
  'POST /api/v1/graph/users': entityFields,
  'POST /api/v1/graph/sessions': entityFields,
  'POST /api/v1/graph/secrets': entityFields,
  'GET /api/v1/graph/users/{id}/sessions': [...under('entities[].', nodeFields), 'next_cursor'],
  'GET /api/v1/graph/users/{id}/secrets': [...under('entities[].', nodeFields), 'next_cursor'],
  'GET /api/v1/graph': [
    ...under('entities[].', [...entityFields, 'part']),
    ...under('relations[].', relationFields),
    'next_cursor',
  ],
  'POST /api/v1/graph/entities': [...under('entities[].entity.', entityFields), 'entities[].created'],
  'GET /api/v1/graph/entities': entityFields,
  'GET /api/v1/graph/entities/{id}': [
    ...under('entity.', entityFields),
    ...under('relations[].', relationFields),
    'relations_truncated',
  ],
  'PATCH /api/v1/graph/entities/{id}': entityFields,
  'POST /api/v1/graph/entities/{id}/merge': entityFields,
  'GET /api/v1/graph/entities/{id}/neighbourhood': [
    ...under('entities[].', [...nodeFields, 'hops']),
    ...under('relations[].', relationFields),
    'truncated',
  ],
  'POST /api/v1/graph/observations': [
    ...under('observations[].', ['entity_id', 'created']),
    ...under('observations[].observation.', observationFields),
  ],
  'DELETE /api/v1/graph/observations': ['deleted'],
  'PATCH /api/v1/graph/observations/{id}': observationFields,
  'POST /api/v1/graph/relations': [...under('relations[].relation.', relationFields), 'relations[].created'],
  'DELETE /api/v1/graph/relations': ['deleted'],
  'PATCH /api/v1/graph/relations/{id}': relationFields,
  'GET /api/v1/graph/search': [
    ...under('results[].entity.', nodeFields),
    'results[].score',
    ...under('results[].matches[].', ['in', 'text', 'observation_id']),
    'truncated',
  ],
  'GET /api/v1/graph/path': [
    'path',
    ...under('path[].from.', endFields),
    ...under('path[].to.', endFields),
    'path[].direction',
    ...under('path[].relation.', relationFields),
    'truncated',
  ],
  'POST /api/v1/graph/activities': activityFields,
  'GET /api/v1/graph/activities': [...under('activities[].', activityFields), 'next_cursor'],
  // A document of what the reader sees, without fields of its own here.
  'GET /api/v1/graph/export': [''],
  'POST /api/v1/graph/import': [...importedFields, 'relations.dropped', 'session_id'],
  'DELETE /api/v1/graph/me': ['entities', 'observations', 'relations', 'names', 'metadata', 'uses', 'anonymised'],
  'GET /api/v1/admin/jobs': [...under('jobs[].', jobFields), 'next_cursor'],
  'GET /api/v1/admin/jobs/{id}': jobFields,
  'DELETE /api/v1/admin/jobs/{id}': jobFields,
  'GET /api/v1/admin/keys': keysFields,
  'POST /api/v1/admin/keys/reload': keysFields,
  'POST /api/v1/admin/keys/rotate-root': ['state', 'root_key_id', 'waiting_for[]', ...under('job.', jobFields)],
  'POST /api/v1/admin/keys/retire': ['job', ...under('job.', jobFields)],
  'POST /api/v1/admin/keys/rewrap': jobFields,
  'POST /api/v1/admin/keys/reencrypt': jobFields,
  'POST /api/v1/admin/keys/rotate-seal': jobFields,
  // To administrators, or about oneself.
  'POST /api/v1/users': ownUserFields,
  'PATCH /api/v1/users/{id}': ownUserFields,
  'DELETE /api/v1/users/{id}': ['user_id', 'complete', 'job_id', ...erasedFields],
  // Names and titles to the user alone; erasing-users.test.ts says what administrators see of them.
  'GET /api/v1/users/{id}/erasure': [
    'user_id',
    'username',
    ...erasedFields,
    'shared_secrets_total',
    ...under('shared_secrets[].', ['id', 'name', 'shared_with[].user_id', 'shared_with[].username']),
    ...under('running_sessions[].', ['id', 'title']),
    ...under('running_sessions[].participants[].', ['user_id', 'username', 'secrets']),
    ...under('blocking[].', ['code', 'detail']),
  ],
  'POST /api/v1/users/{id}/password': ownUserFields,
  'POST /api/v1/users/{id}/password/cancel': ownUserFields,
  // To the giver, the receiver and the one who asked for it; everything of a user to administrators too.
  'GET /api/v1/handovers': [...under('handovers[].', handoverFields), 'next_cursor'],
  'POST /api/v1/handovers/{id}/accept': handoverFields,
  'POST /api/v1/handovers/{id}/cancel': handoverFields,
  'POST /api/v1/secrets/{id}/handover': handoverFields,
  // To administrators.
  'POST /api/v1/users/{id}/handover': handoverFields,
  // To the owner and to those who are present.
  'GET /api/v1/sessions': [...under('sessions[].', [...sessionFields, ...invitationFields]), 'next_cursor'],
  'GET /api/v1/sessions/{id}': [...sessionFields, ...invitationFields],
  'GET /api/v1/sessions/{id}/cleanup': [
    'session_id',
    'status',
    'erase_after',
    'cleaned_up_at',
    'grace_seconds',
    ...under('secrets[].', ['id', 'name', 'owner_id', 'mine', 'outcome']),
  ],
  // To the owner of the session.
  'POST /api/v1/sessions': sessionFields,
  'PATCH /api/v1/sessions/{id}': sessionFields,
  'POST /api/v1/sessions/{id}/participants': sessionFields,
  // To those who have joined it.
  'POST /api/v1/sessions/{id}/join': sessionFields,
  'POST /api/v1/sessions/{id}/end': sessionFields,
  // To the owner of the secret, to participants and to grantees.
  'GET /api/v1/secrets': [...under('secrets[].', secretFields), 'next_cursor', 'damaged[]'],
  'GET /api/v1/secrets/{id}': secretFields,
  'GET /api/v1/secrets/{id}/value': ['id', 'name', 'version', 'value', 'use_id'],
  'POST /api/v1/secrets/reveal': [
    ...under('secrets[].', [
      'asked',
      'id',
      'name',
      'version',
      'value',
      'use_id',
      'candidates[].id',
      'candidates[].owner_id',
    ]),
    ...under('secrets[].problem.', problemFields),
  ],
  // To the owner of the secret.
  'POST /api/v1/secrets': secretFields,
  'PATCH /api/v1/secrets/{id}': secretFields,
  'PUT /api/v1/secrets/{id}/value': secretFields,
  'POST /api/v1/secrets/{id}/share': secretFields,
  'POST /api/v1/secrets/{id}/unshare': secretFields,
  'POST /api/v1/secrets/{id}/activate': secretFields,
  'POST /api/v1/secrets/{id}/deactivate': secretFields,
  'POST /api/v1/secrets/{id}/recover': secretFields,
  'POST /api/v1/secrets/{id}/transfer': secretFields,
  'POST /api/v1/secrets/{id}/versions/{v}/restore': secretFields,
  'GET /api/v1/secrets/{id}/access': [
    ...under('access[].', ['user_id', 'username', 'because', 'actions[]']),
    'next_cursor',
  ],
  'GET /api/v1/secrets/{id}/versions': [
    ...under('versions[].', ['version', 'created_by', 'created_at', 'destroyed_at', 'current']),
    'next_cursor',
  ],
};

describe('the fields of every answer', () => {
  it('the routes of the OpenAPI document that answer with JSON are those that are classified here', () => {
    expect(Object.keys(fieldsByRoute).sort()).toEqual(Object.keys(classified).sort());
  });

  it.each(Object.keys(classified))('every field of the answer of %s is classified here', (route) => {
    expect(fieldsByRoute[route]).toEqual([...(classified[route] ?? [])].sort());
  });
});

describe('what each reader sees', () => {
  let app: TestApp;
  let admin: Person;
  let auditor: Person;
  let owner: Person;
  let grantee: Person;
  let second: Person;
  let participant: Person;
  let stranger: Person;
  let session: string;
  let sharedId: string;
  let insideId: string;

  /** Everything that the owner says of a secret. */
  const said = {
    type: 'api_key',
    description: 'what it is for',
    tags: ['one', 'two'],
    expires_at: '2999-01-02T03:04:05.678Z',
    rotate_after: '2998-01-02T03:04:05.678Z',
    exposure: 'reveal',
    metadata: { whose: 'theirs' },
  };

  beforeAll(async () => {
    app = await startApp({ clock: settableClock(new Date(Date.now() + 3_600_000)) });
    admin = await logInAdmin(app);
    const body = { username: 'auditor', password };
    const made = expectStatus(await admin.call('POST', '/users', { body }), 201).body;
    await storeAs(app, 'users', made.id, { role: 'auditor' });
    auditor = await logIn(app, 'auditor');
    const members = await people(app, admin, 'owner', 'grantee', 'second', 'participant', 'stranger');
    ({ owner, grantee, second, participant, stranger } = members);
    session = (await startSession(owner, [participant], { external_id: 'chat-1', title: 'A chat' })).id;
    const create = async (more: object) =>
      expectStatus(await owner.call('POST', '/secrets', { body: { ...said, value: 'v', ...more } }), 201).body.id;
    sharedId = await create({ name: 'SHARED', scope: 'shared', shared_with: [grantee.id, second.id] });
    insideId = await create({ name: 'INSIDE', scope: 'session', session_id: session });
  });
  afterAll(() => app.close());

  const withToken = async (who: Person, more: object = {}): Promise<Person> => {
    const permissions = ['secrets:list', 'secrets:reveal'];
    const body = { name: 'a token', permissions, expires_in: 3600, ...more };
    return who.with(expectStatus(await who.call('POST', '/auth/tokens', { body }), 201).body.token);
  };

  interface Reader {
    readonly kind: string;
    readonly secret: 'shared' | 'inside';
    readonly access: 'owner' | 'shared' | 'session';
    readonly sharedWith: () => readonly string[];
    readonly who: () => Promise<Person> | Person;
    readonly names?: true;
  }

  const readers: readonly Reader[] = [
    {
      kind: 'its owner',
      secret: 'shared',
      access: 'owner',
      sharedWith: () => [grantee.id, second.id],
      who: () => owner,
    },
    { kind: 'a grantee', secret: 'shared', access: 'shared', sharedWith: () => [grantee.id], who: () => grantee },
    { kind: 'another grantee', secret: 'shared', access: 'shared', sharedWith: () => [second.id], who: () => second },
    {
      kind: 'a grantee’s token',
      secret: 'shared',
      access: 'shared',
      sharedWith: () => [grantee.id],
      who: () => withToken(grantee),
    },
    { kind: 'its owner', secret: 'inside', access: 'owner', sharedWith: () => [], who: () => owner },
    {
      kind: 'its owner inside',
      secret: 'inside',
      access: 'owner',
      sharedWith: () => [],
      who: () => owner,
      names: true,
    },
    {
      kind: 'a participant',
      secret: 'inside',
      access: 'session',
      sharedWith: () => [],
      who: () => participant,
      names: true,
    },
    {
      kind: 'a participant’s bound token',
      secret: 'inside',
      access: 'session',
      sharedWith: () => [],
      who: () => withToken(participant, { session_id: session }),
    },
  ];

  it.each(readers)('$kind of a secret that is $secret sees it whole but for what is not theirs', async (reader) => {
    const who = await reader.who();
    const id = reader.secret === 'shared' ? sharedId : insideId;
    const options = reader.names ? { session } : {};
    const expected = {
      ...said,
      id,
      owner_id: owner.id,
      name: reader.secret === 'shared' ? 'SHARED' : 'INSIDE',
      scope: reader.secret === 'shared' ? 'shared' : 'session',
      session_id: reader.secret === 'shared' ? null : session,
      shared_with: reader.sharedWith(),
      is_active: true,
      version: 1,
      revision: 1,
      state: 'live',
      access: reader.access,
      created_at: app.clock.now().toISOString(),
      updated_at: app.clock.now().toISOString(),
      value_set_at: app.clock.now().toISOString(),
      deleted_at: null,
    };
    expect(Object.keys(expected).sort()).toEqual(secretFields.map((field) => field.replace('[]', '')).sort());
    expect(expectStatus(await who.call('GET', `/secrets/${id}`, options), 200).body).toEqual(expected);
    const list = expectStatus(await who.call('GET', `/secrets?q=${expected.name}`, options), 200).body;
    expect(list).toEqual({ secrets: [expected], next_cursor: null, damaged: [] });
    const value = expectStatus(await who.call('GET', `/secrets/${id}/value`, options), 200).body;
    expect(value).toEqual({ id, name: expected.name, version: 1, value: 'v', use_id: expect.any(String) });
    const batch = expectStatus(
      await who.call('POST', '/secrets/reveal', { ...options, body: { ids: [id] } }),
      200,
    ).body;
    expect(batch).toEqual({ secrets: [{ asked: id, ...value, use_id: expect.any(String) }] });
  });

  it('only the owner of a secret sees who can reach it, and its versions', async () => {
    const access = expectStatus(await owner.call('GET', `/secrets/${sharedId}/access`), 200).body;
    const actions = ['list', 'use', 'reveal'];
    expect(access).toEqual({
      access: [
        { user_id: owner.id, username: 'owner', because: 'owner', actions },
        { user_id: grantee.id, username: 'grantee', because: 'shared', actions },
        { user_id: second.id, username: 'second', because: 'shared', actions },
      ],
      next_cursor: null,
    });
    const inside = expectStatus(await owner.call('GET', `/secrets/${insideId}/access`), 200).body;
    expect(inside.access.map((one: any) => [one.username, one.because])).toEqual([
      ['owner', 'owner'],
      ['participant', 'session'],
    ]);
    const versions = expectStatus(await owner.call('GET', `/secrets/${sharedId}/versions`), 200).body;
    const created_at = app.clock.now().toISOString();
    expect(versions).toEqual({
      versions: [{ version: 1, created_by: owner.id, created_at, destroyed_at: null, current: true }],
      next_cursor: null,
    });
    for (const [who, id, options] of [
      [grantee, sharedId, {}],
      [participant, insideId, { session }],
    ] as const)
      for (const view of ['access', 'versions']) {
        const refused = expectStatus(await who.call('GET', `/secrets/${id}/${view}`, options), 403);
        expect(refused.body.code).toBe('owner_only');
        expect(refused.text).not.toContain(second.id);
      }
  });

  it('the candidates of an ambiguous name are shown by id and owner, and by nothing else', async () => {
    const ids: { id: string; owner_id: string }[] = [];
    for (const one of [owner, stranger]) {
      const body = { ...said, name: 'TWICE', value: 'v', scope: 'shared', shared_with: [second.id, grantee.id] };
      const { id } = expectStatus(await one.call('POST', '/secrets', { body }), 201).body;
      ids.push({ id, owner_id: one.id });
    }
    const { secrets } = expectStatus(
      await second.call('POST', '/secrets/reveal', { body: { names: ['TWICE'] } }),
      200,
    ).body;
    expect(secrets).toEqual([
      { asked: 'TWICE', problem: expect.objectContaining({ code: 'state_conflict' }), candidates: expect.anything() },
    ]);
    expect(secrets[0].candidates.toSorted((a: any, b: any) => (a.id < b.id ? -1 : 1))).toEqual(
      ids.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    );
  });

  it('the answer to every change of a secret is what its owner sees afterwards', async () => {
    const change = async (method: string, path: string, body?: object) => {
      const answer = await owner.call(method, path, body ? { body } : {});
      expect(answer.status, answer.text).toBeLessThan(300);
      expect(answer.body, `${method} ${path}`).toEqual((await owner.call('GET', `/secrets/${answer.body.id}`)).body);
      return answer.body.id;
    };
    const at = `/secrets/${await change('POST', '/secrets', { name: 'CHANGED', type: 'other', value: 'v' })}`;
    await change('PATCH', at, { description: 'said' });
    await change('PUT', `${at}/value`, { value: 'w' });
    await change('POST', `${at}/share`, { user_id: grantee.id });
    await change('POST', `${at}/share`, { user_id: second.id });
    await change('POST', `${at}/unshare`, { user_id: grantee.id });
    await change('POST', `${at}/deactivate`);
    await change('POST', `${at}/activate`);
    await change('POST', `${at}/transfer`, { scope: 'session', session_id: session });
    await change('POST', `${at}/transfer`, { scope: 'user' });
    expectStatus(await owner.call('DELETE', at), 204);
    await change('POST', `${at}/recover`);
    await change('POST', `${at}/versions/1/restore`);
  });

  it('the owner of a session and its participants see the same of it, and nobody else sees anything', async () => {
    const joined_at = app.clock.now().toISOString();
    const present = { state: 'present', joined_at };
    const expected = {
      id: session,
      external_id: 'chat-1',
      owner_id: owner.id,
      title: 'A chat',
      status: 'active',
      expires_at: null,
      ended_at: null,
      idle_after: null,
      last_active_at: null,
      erase_after: null,
      cleaned_up_at: null,
      metadata: {},
      participants: [
        { user_id: owner.id, username: 'owner', role: 'owner', ...present, invited_at: null },
        { user_id: participant.id, username: 'participant', role: 'collaborator', ...present, invited_at: joined_at },
      ],
      created_at: joined_at,
      updated_at: joined_at,
    };
    for (const who of [owner, participant]) {
      const byId = (one: any) => ({
        ...one,
        participants: one.participants.toSorted((a: any, b: any) => (a.username < b.username ? -1 : 1)),
      });
      expect(byId(expectStatus(await who.call('GET', `/sessions/${session}`), 200).body)).toEqual(expected);
      const list = expectStatus(await who.call('GET', '/sessions'), 200).body;
      expect({ ...list, sessions: list.sessions.map(byId) }).toEqual({ sessions: [expected], next_cursor: null });
    }
    for (const who of [stranger, admin, auditor]) {
      expectStatus(await who.call('GET', `/sessions/${session}`), 403);
      expect((await who.call('GET', '/sessions')).body).toEqual({ sessions: [], next_cursor: null });
    }
  });

  it('the preview of a session’s end shows its reader the secrets that they can reach in it', async () => {
    const body = { name: 'THEIRS', type: 'other', value: 'v', scope: 'session', session_id: session };
    const theirs = expectStatus(await participant.call('POST', '/secrets', { body }), 201).body.id;
    const item = (id: string, name: string, of: Person, reader: Person) => ({
      id,
      name,
      owner_id: of.id,
      mine: of === reader,
      outcome: 'erased',
    });
    for (const who of [owner, participant]) {
      const shown = expectStatus(await who.call('GET', `/sessions/${session}/cleanup`), 200).body;
      expect({ ...shown, secrets: shown.secrets.toSorted((a: any, b: any) => (a.name < b.name ? -1 : 1)) }).toEqual({
        session_id: session,
        status: 'active',
        erase_after: null,
        cleaned_up_at: null,
        grace_seconds: 86_400,
        secrets: [item(insideId, 'INSIDE', owner, who), item(theirs, 'THEIRS', participant, who)],
      });
    }
    expectStatus(await participant.call('DELETE', `/secrets/${theirs}?purge=true`), 204);
  });

  it('a user is shown whole to themselves and to administrators, and as a card to everybody else', async () => {
    const person = { email: 'stranger@example.org', display_name: 'A Stranger' };
    expectStatus(await stranger.call('PATCH', `/users/${stranger.id}`, { body: person }), 200);
    const card = { id: stranger.id, username: 'stranger', display_name: 'A Stranger' };
    const whole = {
      ...card,
      email: 'stranger@example.org',
      role: 'member',
      status: 'active',
      issuer: null,
      secrets_from: null,
      metadata: {},
      created_at: app.clock.now().toISOString(),
      updated_at: app.clock.now().toISOString(),
    };
    expect([Object.keys(card).sort(), Object.keys(whole).sort()]).toEqual([cardFields.sort(), ownUserFields.sort()]);
    const shown = async (who: Person) => {
      const one = expectStatus(await who.call('GET', `/users/${stranger.id}`), 200).body;
      const listed = expectStatus(await who.call('GET', '/users?q=stranger'), 200).body.users;
      return [one, ...listed];
    };
    expect(await shown(admin)).toEqual([whole, whole]);
    for (const who of [owner, grantee, auditor]) expect(await shown(who)).toEqual([card, card]);
    expect(await shown(stranger)).toEqual([whole, card]);
    const me = expectStatus(await stranger.call('GET', '/auth/me'), 200).body;
    expect(me.user).toEqual(whole);
    const login = { body: { username: 'stranger', password } };
    const granted = expectStatus(await app.call('POST', '/auth/login', login), 200).body;
    expect(granted.user).toEqual(whole);
    const refresh = { body: { refresh_token: granted.refresh_token } };
    expect(expectStatus(await app.call('POST', '/auth/refresh', refresh), 200).body.user).toEqual(whole);
  });

  it('users see their own logins and tokens only, and a token’s text once', async () => {
    const body = { name: 'mine', permissions: ['secrets:list'], agent: 'an agent', expires_in: 60 };
    const { token, ...view } = expectStatus(await stranger.call('POST', '/auth/tokens', { body }), 201).body;
    expect(token).toMatch(/^kh_/);
    expect((await stranger.call('GET', '/auth/tokens')).body).toEqual({ tokens: [view], next_cursor: null });
    expect(Object.keys(view).sort()).toEqual(tokenFields.map((field) => field.replace('[]', '')).sort());
    for (const who of [owner, admin, auditor]) {
      expect((await who.call('GET', '/auth/tokens')).text).not.toContain(view.id);
      const { logins } = (await who.call('GET', '/auth/logins')).body;
      expect(logins).toHaveLength(1);
      expect(logins[0]).toMatchObject({ current: true, ip: '127.0.0.1' });
    }
  });

  it('readers’ counts cover what they can list, and owners’ counts everything they own', async () => {
    const stats = async (who: Person, options = {}) =>
      expectStatus(await who.call('GET', '/secrets/stats', options), 200).body;
    const empty = { count: 0, first: [] };
    const nothing = { expiring: empty, rotation_due: empty, unused: empty, shared_with: empty };
    const none = { total: 0, own: 0, from_others: 0, by_scope: {}, by_type: {}, by_state: {}, ...nothing };
    for (const who of [admin, auditor]) expect(await stats(who)).toEqual(none);
    expect(await stats(participant)).toEqual(none);
    expect(await stats(participant, { session })).toEqual({
      total: 1,
      own: 0,
      from_others: 1,
      by_scope: { session: 1 },
      by_type: { api_key: 1 },
      by_state: { live: 1 },
      ...nothing,
    });
    expect(await stats(grantee)).toMatchObject({ own: 0, by_scope: { shared: 3 } });
  });
});
