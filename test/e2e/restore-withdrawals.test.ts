import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyhold, onEmbedded } from '../support/backups.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { send } from '../support/http.ts';
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
import { startService } from '../support/process.ts';
import { makeTempDir, type TempDir } from '../support/temp-dir.ts';

type Env = Record<string, string>;

let service: EmbeddedService;
let directory: TempDir;
let backupFile: string;
let exportFile: string;
let earlierExport: string;

const names = ['ada', 'grace', 'alan', 'erased', 'disabled', 'demoted', 'changed', 'reset', 'back', 'gone'] as const;
type Name = (typeof names)[number];
let admin: Person;
let who: Record<Name, Person>;
const ids: Record<string, string> = {};
let token: string;
let expiry: string;

const settings = (): Env => {
  const { KEYHOLD_DATA_DIR = '', KEYHOLD_CONFIG_DIR = '' } = service.env;
  return { KEYHOLD_DATA_DIR, KEYHOLD_CONFIG_DIR };
};

let count = 0;
const elsewhere = (): Env => {
  count += 1;
  return { ...settings(), KEYHOLD_DATA_DIR: join(directory.path, `data-${count}`) };
};

const done = async (env: Env, ...args: string[]): Promise<string> => {
  const { code, out, err } = await keyhold(env, ...args);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
};

const change = async (person: Person, method: string, path: string, body?: object, status = 200) =>
  expectStatus(await person.call(method, path, body === undefined ? {} : { body }), status).body;

/** A secret of Ada's that Grace can read. */
const shared = async (label: string): Promise<void> => {
  const body = { name: label.toUpperCase(), scope: 'shared', shared_with: [who.grace.id] };
  ids[label] = (await keepSecret(who.ada, body)).id;
};

/** Secrets of which something is taken away, by what it is. */
const secretChanges: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  unshared: (path) => change(who.ada, 'POST', `${path}/unshare`, { user_id: who.grace.id }),
  left: (path) => change(who.grace, 'DELETE', `${path}/share/me`, undefined, 204),
  deactivated: (path) => change(who.ada, 'POST', `${path}/deactivate`),
  deleted: (path) => change(who.ada, 'DELETE', path, undefined, 204),
  purged: (path) => change(who.ada, 'DELETE', `${path}?purge=true`, undefined, 204),
  use_only: (path) => change(who.ada, 'PATCH', path, { exposure: 'use' }),
  expiring: (path) => change(who.ada, 'PATCH', path, { expires_at: expiry }),
  transferred: (path) => change(who.ada, 'POST', `${path}/transfer`, { scope: 'user' }),
  handed_over: async (path) => {
    const { id } = await change(who.ada, 'POST', `${path}/handover`, { to: 'alan' }, 201);
    await change(who.alan, 'POST', `/handovers/${id}/accept`);
  },
};

/** Taken away and given back, which leaves nothing to be taken away. */
const undone: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
  reactivated: async (path) => {
    await change(who.ada, 'POST', `${path}/deactivate`);
    await change(who.ada, 'POST', `${path}/activate`);
  },
  recovered: async (path) => {
    await change(who.ada, 'DELETE', path, undefined, 204);
    await change(who.ada, 'POST', `${path}/recover`);
  },
  reshared: async (path) => {
    await change(who.ada, 'POST', `${path}/unshare`, { user_id: who.grace.id });
    await change(who.ada, 'POST', `${path}/share`, { user_id: who.grace.id });
  },
  revealing: async (path) => {
    await change(who.ada, 'PATCH', path, { exposure: 'use' });
    await change(who.ada, 'PATCH', path, { exposure: 'reveal' });
  },
};

const takeAway = async (): Promise<void> => {
  for (const [label, work] of Object.entries({ ...secretChanges, ...undone })) await work(`/secrets/${ids[label]}`);
  await change(who.ada, 'POST', `/sessions/${ids['ended']}/end`);
  await change(who.ada, 'PATCH', `/sessions/${ids['shortened']}`, { expires_at: expiry });
  await change(who.ada, 'DELETE', `/sessions/${ids['left_session']}/participants/${who.grace.id}`, undefined, 204);
  await change(who.ada, 'POST', `/handovers/${ids['offer']}/cancel`);
  await change(admin, 'POST', `/handovers/${ids['offer_of_user']}/cancel`);
  await change(who.alan, 'DELETE', `/auth/tokens/${ids['token']}`, undefined, 204);
  await change(who.alan, 'POST', '/auth/refresh', { refresh_token: who.alan.refreshToken });
  await change(who.grace, 'POST', '/auth/logout', undefined, 204);
  await change(admin, 'PATCH', `/users/${who.disabled.id}`, { status: 'disabled' });
  await change(admin, 'PATCH', `/users/${who.back.id}`, { status: 'disabled' });
  await change(admin, 'PATCH', `/users/${who.back.id}`, { status: 'active' });
  await change(admin, 'PATCH', `/users/${who.demoted.id}`, { role: 'member' });
  await change(admin, 'DELETE', `/users/${who.erased.id}`, undefined, 200);
  const next = { current_password: password, new_password: 'another password of mine' };
  await change(who.changed, 'POST', `/users/${who.changed.id}/password`, next);
  await change(admin, 'POST', `/users/${who.reset.id}/password`, { new_password: 'chosen by an administrator' });
};

beforeAll(async () => {
  directory = await makeTempDir();
  service = await startEmbeddedService();
  expiry = new Date(Date.now() + 7 * 86_400_000).toISOString();
  admin = await logInAdmin(service);
  who = await people(service, admin, ...names);
  expectStatus(await admin.call('PATCH', `/users/${who.demoted.id}`, { body: { role: 'admin' } }), 200);
  for (const label of Object.keys({ ...secretChanges, ...undone })) await shared(label);
  for (const label of ['ended', 'shortened', 'left_session']) {
    ids[label] = (await startSession(who.ada, [who.grace], { external_id: label })).id;
  }
  ids['erased_secret'] = (await keepSecret(who.erased, { scope: 'shared', shared_with: [who.grace.id] })).id;
  const offered = (await keepSecret(who.ada)).id;
  ids['offer'] = (await change(who.ada, 'POST', `/secrets/${offered}/handover`, { to: 'alan' }, 201)).id;
  await change(admin, 'PATCH', `/users/${who.gone.id}`, { status: 'disabled' });
  ids['offer_of_user'] = (await change(admin, 'POST', `/users/${who.gone.id}/handover`, { to: 'alan' }, 201)).id;
  const body = { name: 'alans', permissions: ['secrets:list'], expires_in: 86_400 };
  const made = expectStatus(await who.alan.call('POST', '/auth/tokens', { body }), 201).body;
  token = made.token;
  ids['token'] = made.id;
  earlierExport = join(directory.path, 'earlier.jsonl');
  await done(settings(), 'audit', 'export', earlierExport);
  backupFile = join(directory.path, 'backup');
  await done(settings(), 'backup', backupFile);
  await takeAway();
  exportFile = join(directory.path, 'audit.jsonl');
  await done(settings(), 'audit', 'export', exportFile);
}, 240_000);

afterAll(async () => {
  await service?.[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

type App = { call: (method: string, path: string, options?: object) => ReturnType<typeof send> };

const serving = async (env: Env, work: (app: App) => Promise<void>): Promise<void> => {
  const running = await startService({ env: { KEYHOLD_RATE_LIMIT: '100000', ...env } });
  try {
    await work({ call: (method, path, options = {}) => send(running.url, method, `/api/v1${path}`, options) });
  } finally {
    await running.stop();
  }
};

/** What each of those whose access was taken away gets: 200 where it is open. */
const accessOf = async (app: App): Promise<Record<string, number>> => {
  const grace = await logIn(app as never, 'grace');
  const status = async (person: Person, path: string, options = {}) => (await person.call('GET', path, options)).status;
  const logInStatus = async (username: Name): Promise<number> =>
    (await app.call('POST', '/auth/login', { body: { username, password } })).status;
  const access: Record<string, number> = {};
  for (const label of Object.keys({ ...secretChanges, ...undone }))
    access[label] = await status(grace, `/secrets/${ids[label]}/value`);
  for (const label of ['ended', 'left_session']) access[label] = await status(grace, '/secrets', { session: label });
  access['erased_secret'] = await status(grace, `/secrets/${ids['erased_secret']}/value`);
  const { handovers } = expectStatus(await (await logIn(app as never, 'alan')).call('GET', '/handovers'), 200).body;
  access['offers to alan'] = handovers.filter((one: any) => one.state === 'pending').length;
  access['token'] = (await app.call('GET', '/secrets', { token })).status;
  access['login of grace'] = (await app.call('GET', '/auth/me', { token: who.grace.token })).status;
  access['login of back'] = (await app.call('GET', '/auth/me', { token: who.back.token })).status;
  access['users by demoted'] = (
    await app.call('POST', '/users', { token: who.demoted.token, body: { username: 'x y', password: '' } })
  ).status;
  for (const name of ['erased', 'disabled', 'changed', 'reset', 'back'] as const)
    access[name] = await logInStatus(name);
  return access;
};

const open: Record<string, number> = {
  ...Object.fromEntries(Object.keys({ ...secretChanges, ...undone }).map((label) => [label, 200])),
  ended: 200,
  left_session: 200,
  erased_secret: 200,
  'offers to alan': 2,
  token: 200,
  'login of grace': 200,
  'login of back': 200,
  'users by demoted': 400,
  erased: 200,
  disabled: 200,
  changed: 200,
  reset: 200,
  back: 200,
};

const closed: Record<string, number> = {
  ...open,
  unshared: 404,
  left: 404,
  deactivated: 404,
  deleted: 404,
  purged: 404,
  use_only: 403,
  expiring: 200,
  transferred: 404,
  ended: 403,
  left_session: 403,
  erased_secret: 404,
  handed_over: 404,
  'offers to alan': 0,
  token: 401,
  'login of grace': 401,
  'login of back': 401,
  'users by demoted': 403,
  erased: 401,
  disabled: 401,
  changed: 401,
  reset: 401,
};

const expectClosed = async (env: Env): Promise<void> => {
  await serving(env, async (app) => {
    expect(await accessOf(app)).toEqual(closed);
    const ada = await logIn(app as never, 'ada');
    expect((await ada.call('GET', `/secrets/${ids['expiring']}`)).body.expires_at).toBe(expiry);
    expect((await ada.call('GET', `/sessions/${ids['shortened']}`)).body.expires_at).toBe(expiry);
    // The refresh token that was exchanged after the backup counts as exchanged.
    const again = await app.call('POST', '/auth/refresh', { body: { refresh_token: who.alan.refreshToken } });
    expect(again.status).toBe(401);
    await onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', async (client) => {
      const { rows } = await client.query(
        `select distinct details->>'what' as what from audit_log where action = 'backup.revoke' and reason = 'operator'`,
      );
      expect(rows.map(({ what }) => what).sort()).toEqual(expectedKinds);
    });
  });
  expect((await keyhold(env, 'restore', '--release')).code).toBe(0);
  expect(await keyhold(env, 'doctor', '--full')).toMatchObject({ code: 0 });
};

const expectedKinds = [
  'deactivated',
  'deleted',
  'disabled',
  'erased',
  'for use only',
  'hand-over called off',
  'handed over',
  'left the session',
  'login ended',
  'login refreshed',
  'logins and tokens ended',
  'offer called off',
  'password changed',
  'purged',
  'role lowered',
  'secret expires',
  'session ended',
  'session expires',
  'token revoked',
  'transferred',
  'unshared',
];

describe('what was taken away after a backup', () => {
  it('a later export lists everything that a restore opens again, and closes it in the restored database', async () => {
    const env = elsewhere();
    const listed = JSON.parse(await done(env, 'restore', backupFile, '--since-export', exportFile, '--json'));
    const found = listed.taken_away.map(({ what, id }: any) => `${what} ${id}`);
    expect([...new Set(listed.taken_away.map(({ what }: any) => what))].sort()).toEqual(expectedKinds);
    for (const label of Object.keys(secretChanges)) expect(found.join('\n'), label).toContain(ids[label] ?? '?');
    for (const label of Object.keys(undone)) expect(found.join('\n'), label).not.toContain(ids[label] ?? '?');
    expect(listed.taken_away.every(({ state }: any) => state === 'listed')).toBe(true);
    await serving(env, async (app) => expect(await accessOf(app)).toEqual(open));
    await done(env, 'restore', '--since-export', exportFile, '--apply-revocations');
    await expectClosed(env);
  });

  it('a restore with a later export closes everything in the transaction that restores', async () => {
    const env = elsewhere();
    const out = await done(env, 'restore', backupFile, '--since-export', exportFile, '--apply-revocations');
    expect(out).toContain('taken away again');
    await expectClosed(env);
  });

  it('a restore with --revoke-all ends every login, token and share', async () => {
    const env = elsewhere();
    await done(env, 'restore', backupFile, '--revoke-all');
    await serving(env, async (app) => {
      for (const person of [admin, ...Object.values(who)])
        expect((await app.call('GET', '/auth/me', { token: person.token })).status).toBe(401);
      expect((await app.call('GET', '/secrets', { token })).status).toBe(401);
      const grace = await logIn(app as never, 'grace');
      const alan = await logIn(app as never, 'alan');
      expect((await alan.call('GET', '/handovers')).body.handovers.map((one: any) => one.state)).toEqual([
        'cancelled',
        'cancelled',
      ]);
      for (const label of Object.keys(secretChanges))
        expect((await grace.call('GET', `/secrets/${ids[label]}/value`)).status).toBe(404);
      const ada = await logIn(app as never, 'ada');
      expect((await ada.call('GET', `/secrets/${ids['unshared']}/value`)).status).toBe(200);
      await onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', async (client) => {
        const { rows } = await client.query(`select details from audit_log where action = 'backup.revoke_all'`);
        expect(rows).toHaveLength(1);
        expect(rows[0].details).toMatchObject({ tokens: 1, shares: 14 });
      });
    });
  });
});

describe('an export that cannot be used', () => {
  /** Restoring with this export is refused with this reason, and leaves nothing in the way of restoring without it. */
  const expectRefused = async (file: string, reason: string): Promise<void> => {
    const env = elsewhere();
    const { code, err } = await keyhold(env, 'restore', backupFile, '--since-export', file, '--apply-revocations');
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(reason) });
    await done(env, 'restore', backupFile);
  };

  const edited = async (edit: (lines: string[]) => string[]): Promise<string> => {
    count += 1;
    const file = join(directory.path, `edited-${count}.jsonl`);
    await writeFile(file, edit((await readFile(exportFile, 'utf8')).split('\n')).join('\n'));
    return file;
  };

  it('an export that is older than the backup is refused', async () => {
    await expectRefused(earlierExport, 'it lacks record');
  });

  it('an export with a line missing, changed, moved or cut off is refused', async () => {
    const at = (lines: string[]): number => lines.findIndex((line) => line.includes('"token.revoke"'));
    const wrong: [(lines: string[]) => string[], string][] = [
      [(lines) => lines.filter((_, index) => index !== at(lines)), 'records are missing'],
      [(lines) => lines.map((line) => line.replace('"token.revoke"', '"token.create"')), 'it was changed'],
      [(lines) => lines.slice(0, -2), 'its end is missing'],
      [(lines) => [lines[0] ?? '', lines[2] ?? '', lines[1] ?? '', ...lines.slice(3)], 'not in its place'],
      [() => ['{"keyhold_audit_export":2}'], 'not an export of this version'],
    ];
    for (const [edit, reason] of wrong) await expectRefused(await edited(edit), reason);
  });

  it('a record that was changed in the database is exported as it stands, and named by the export and the restore', async () => {
    const env = elsewhere();
    const [laterBackup, file] = [join(directory.path, 'later-backup'), join(directory.path, 'broken.jsonl')];
    await done(env, 'restore', backupFile);
    await serving(env, async (app) => {
      await done(env, 'backup', laterBackup);
      await change(await logIn(app as never, 'ada'), 'POST', `/secrets/${ids['deactivated']}/deactivate`);
      const id = await onEmbedded(env['KEYHOLD_DATA_DIR'] ?? '', async (client) => {
        await client.query('alter table audit_log disable trigger all');
        const { rows } = await client.query(
          `update audit_log set outcome = 'refused' where action = 'secret.deactivate' returning id`,
        );
        return rows[0].id;
      });
      expect(await keyhold(env, 'audit', 'export', file)).toMatchObject({ code: 1, err: expect.stringContaining(id) });
      const restored = await keyhold(elsewhere(), 'restore', laterBackup, '--since-export', file);
      expect(restored).toMatchObject({ code: 1, err: expect.stringContaining(id) });
    });
  });

  it('a database that was not restored is not touched by an export or --revoke-all', async () => {
    for (const args of [['--since-export', exportFile, '--apply-revocations'], ['--revoke-all']]) {
      const { code, err } = await keyhold(settings(), 'restore', ...args);
      expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('was not restored') });
    }
    expect((await service.call('GET', '/auth/me', { token: who.ada.token })).status).toBe(200);
  });
});
