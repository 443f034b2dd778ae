import { deafHook } from '../app.ts';
import type { World } from './forge.ts';
import { graphShapes } from './graph-shapes.ts';
import {
  ids,
  longText,
  notEnum,
  notFuture,
  notId,
  notInstant,
  notMetadata,
  notName,
  notNumber,
  notPassword,
  notSession,
  notTags,
  notText,
  notTextOrNull,
  notUser,
  notValue,
} from './wrong-values.ts';

export interface Shape {
  readonly method: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly needs: readonly string[];
  readonly wrong: Readonly<Record<string, readonly unknown[]>>;
}

export const item = { name: 'MALFORMED', type: 'api_key', value: 'v' };

const described = {
  description: longText(1024),
  tags: notTags,
  expires_at: [...notInstant, ...notFuture],
  rotate_after: notInstant,
  metadata: notMetadata,
  exposure: notEnum,
};

const who = { user_id: notId, username: [...notText, '', 'x'.repeat(129), 'nobody of this name', 'a\0'] };

/** Every operation that takes a body: one that is right, what it can't do without, and what each field must not be. */
export const shapes = (world: World): readonly Shape[] => [
  ...secretShapes(world),
  ...manySecretShapes(),
  ...sessionShapes(world),
  ...accountShapes(world),
  ...handoverShapes(world),
  ...webhookShapes(world),
  ...graphShapes(world),
];

const secretShapes = (world: World): readonly Shape[] => {
  const secret = `/secrets/${world.secretId}`;
  return [
    {
      method: 'POST',
      path: '/secrets',
      body: item,
      needs: ['name', 'type', 'value'],
      wrong: {
        ...described,
        name: notName,
        type: notEnum,
        value: notValue,
        scope: [...notEnum, 'shared', 'session'],
        session_id: [...notSession, world.sessionId],
        shared_with: ['x', 1, {}, [1], ['x'], [world.userId], ids(1001), [null]],
      },
    },
    {
      method: 'PATCH',
      path: secret,
      body: { type: 'token' },
      needs: ['type'],
      wrong: { ...described, name: notName, type: notEnum },
    },
    { method: 'PUT', path: `${secret}/value`, body: { value: 'v' }, needs: ['value'], wrong: { value: notValue } },
    { method: 'POST', path: `${secret}/share`, body: {}, needs: [], wrong: who },
    { method: 'POST', path: `${secret}/unshare`, body: {}, needs: [], wrong: who },
    {
      method: 'POST',
      path: `${secret}/transfer`,
      body: { scope: 'session', session_id: world.sessionId },
      needs: ['scope', 'session_id'],
      wrong: { scope: [...notEnum, 'shared', 'user'], session_id: notSession },
    },
  ];
};

const manySecretShapes = (): readonly Shape[] => {
  return [
    {
      method: 'POST',
      path: '/secrets/reveal',
      body: {},
      needs: [],
      wrong: {
        ids: [null, 'x', {}, [], [1], ['x'], ids(101), [null]],
        names: [null, 'x', {}, [], [1], [''], ['a b'], ['a\0'], Array(101).fill('a'), [['a']]],
      },
    },
    {
      method: 'POST',
      path: '/secrets/import',
      body: { items: [item], on_conflict: 'fail' },
      needs: ['items', 'on_conflict'],
      wrong: {
        items: [
          null,
          'x',
          {},
          [],
          [1],
          [null],
          [{}],
          [item, item],
          [item, { ...item, name: 'a b' }],
          [{ ...item, more: 1 }],
          [{ ...item, value: '' }],
          [
            { ...item, name: 'B' },
            { ...item, expires_at: 'x' },
          ],
          [[item]],
        ],
        on_conflict: notEnum,
        dry_run: [null, 'x', 1, 'true', []],
      },
    },
  ];
};

const sessionShapes = (world: World): readonly Shape[] => {
  return [
    {
      method: 'POST',
      path: '/sessions',
      body: {},
      needs: [],
      wrong: {
        external_id: notSession,
        title: longText(256),
        participants: ['x', 1, {}, [1], ['x'], ids(1), [null]],
        expires_at: [...notInstant, ...notFuture],
        metadata: notMetadata,
      },
    },
    {
      method: 'PATCH',
      path: `/sessions/${world.sessionId}`,
      body: {},
      needs: [],
      wrong: {
        title: longText(256),
        expires_at: [...notInstant, ...notFuture],
        metadata: notMetadata,
        external_id: ['x'],
        status: ['ended'],
      },
    },
    { method: 'POST', path: `/sessions/${world.sessionId}/participants`, body: {}, needs: [], wrong: who },
  ];
};

const accountShapes = (world: World): readonly Shape[] => {
  return [
    {
      method: 'PATCH',
      path: `/users/${world.ownId}`,
      body: {},
      needs: [],
      wrong: {
        email: [...notTextOrNull, '', 'x', '@', 'a b@c', `${'x'.repeat(253)}@x`, 'a\0@b'],
        display_name: ['', ...longText(128)],
      },
    },
    {
      method: 'POST',
      path: `/users/${world.ownId}/password`,
      body: { current_password: 'not my password', new_password: 'a new password of mine' },
      needs: ['new_password'],
      wrong: { new_password: notPassword, current_password: [1, null, '', 'x'.repeat(513)] },
    },
    {
      method: 'POST',
      path: '/auth/tokens',
      body: { name: 'n', permissions: ['secrets:list'], expires_in: 60 },
      needs: ['name', 'permissions', 'expires_in'],
      wrong: {
        name: [...notText, '', 'x'.repeat(129), '😀'.repeat(129), 'a\0'],
        agent: [...notTextOrNull, '', 'x'.repeat(129), 'a\0'],
        permissions: [
          null,
          'x',
          {},
          [],
          ['x'],
          [1],
          ['secrets:list', 'all'],
          Array(33).fill('secrets:list'),
          ['admin'],
        ],
        session_id: notSession,
        expires_in: notNumber,
      },
    },
    {
      method: 'POST',
      path: '/notices/read',
      body: { up_to: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e31' },
      needs: [],
      wrong: { up_to: notId },
    },
    {
      method: 'POST',
      path: '/auth/login',
      body: { username: 'u', password: 'p' },
      needs: ['username', 'password'],
      wrong: { username: [...notText, '', 'x'.repeat(513), 'a\0'], password: [...notText, '', 'x'.repeat(513)] },
    },
    {
      method: 'POST',
      path: '/auth/refresh',
      body: { refresh_token: 'khr_x' },
      needs: ['refresh_token'],
      wrong: { refresh_token: [...notText, '', 'khr_', 'x'.repeat(513), 'khr_AAAA=', 'a\0'] },
    },
    {
      method: 'POST',
      path: '/users',
      body: { username: 'malformed' },
      needs: ['username'],
      wrong: { username: notUser, role: notEnum },
    },
    ...keyShapes(world),
  ];
};

const handoverShapes = (world: World): readonly Shape[] => {
  const paths = [`/secrets/${world.secretId}/handover`, `/users/${world.userId}/handover`];
  return paths.map((path) => ({
    method: 'POST',
    path,
    body: { to: world.userId },
    needs: ['to'],
    wrong: {
      to: [...notText, '', 'x'.repeat(129), 'nobody of this name', 'a\0', world.ownId],
      keep_sharing: [null, 'true', 1, {}, []],
    },
  }));
};
const notUrl = [
  ...[...notText, '', 'x', 'https://', 'https:/x', 'http://public.example/', 'https://127.0.0.1/', 'https://[::1]/'],
  ...['https://169.254.169.254/', 'https://a b/', 'https://u:p@public.example/', 'https://x/\0', 'ftp://x/', '//x/'],
  `${deafHook}/${'x'.repeat(8192)}`,
];
const notTypes = [null, 'x', {}, ['x'], [1], [null], ['secret.shared', 'x'], Array(65).fill('secret.shared'), ['']];

const webhookShapes = (world: World): readonly Shape[] => [
  {
    method: 'POST',
    path: '/webhooks',
    body: { url: deafHook },
    needs: ['url'],
    wrong: { url: notUrl, event_types: notTypes, service: [null, 1, 'true', [], {}, true] },
  },
  {
    method: 'PATCH',
    path: `/webhooks/${world.webhookId}`,
    body: { state: 'active' },
    needs: ['state'],
    wrong: { url: notUrl, event_types: notTypes, state: notEnum, secret: ['whsec_x'] },
  },
  {
    method: 'POST',
    path: `/webhooks/${world.webhookId}/rotate-secret`,
    body: {},
    needs: [],
    wrong: { keep_previous: [null, 1, 'true', [], {}] },
  },
];

/** Requests about keys, which only an administrator's credential gets past the gate. */
export const keyShapes = (world: World): readonly Shape[] => [
  {
    method: 'POST',
    path: '/admin/keys/reencrypt',
    body: { user_id: world.userId },
    needs: [],
    wrong: { user_id: notId, owner_id: [world.userId] },
  },
  {
    method: 'POST',
    path: '/admin/keys/retire',
    body: { root_key_id: '0123456789abcdef' },
    needs: ['root_key_id'],
    wrong: {
      root_key_id: [...notText, '', '0123456789ABCDEF', '0123456789abcde', `0123456789abcdef\n`, world.userId],
      // Only one of the two keys may be named.
      seal_key_id: [...notId, world.userId],
      end_logins: [null, 'true', 1, {}, []],
      give_up: [
        null,
        'secrets',
        {},
        [null],
        [{}],
        [{ table: 'secrets' }],
        [{ key: 'x' }],
        [{ table: 'no_such_table', key: 'x' }],
        [{ table: 'secrets', key: '' }],
        [{ table: 'secrets', key: 'x'.repeat(601) }],
        [{ table: 'secrets', key: 'x', why: 'y' }],
        [{ table: 'audit_log', key: world.userId }],
        [{ table: 'secret_versions', key: world.userId }],
        Array(101).fill({ table: 'secrets', key: 'x' }),
      ],
    },
  },
];

/** Operations that take no body. */
export const bodyless = (world: World): readonly string[] => [
  ...['activate', 'deactivate', 'recover', 'versions/1/restore'].map((verb) => `/secrets/${world.secretId}/${verb}`),
  `/sessions/${world.sessionId}/join`,
  `/sessions/${world.sessionId}/end`,
  `/users/${world.ownId}/password/cancel`,
  ...['accept', 'cancel'].map((verb) => `/handovers/${world.ownId}/${verb}`),
  `/webhooks/${world.webhookId}/test`,
  `/webhooks/${world.webhookId}/deliveries/${world.webhookId}/redeliver`,
  '/auth/logout',
  ...['reload', 'rotate-root', 'rewrap', 'rotate-seal'].map((verb) => `/admin/keys/${verb}`),
];
