import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'dotenv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { some } from '../support/counts.ts';
import { type AtCommandLine, startWithCommandLines } from '../support/keyhold-cli.ts';
import { expectStatus, keepSecret, type Person } from '../support/people.ts';

let world: Awaited<ReturnType<typeof startWithCommandLines<'ada' | 'grace' | 'edith' | 'radia'>>>;
let ada: AtCommandLine;

beforeAll(async () => {
  world = await startWithCommandLines('ada', 'grace', 'edith', 'radia');
  ada = world.ada;
});

afterAll(() => world.close());

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

/** Every secret of a user that matches the query, with its value. */
const keptBy = async (person: Person, query: string): Promise<any[]> => {
  const { secrets } = expectStatus(await person.call('GET', `/secrets?limit=200&owner=me${query}`), 200).body;
  if (secrets.length === 0) return [];
  const ids = secrets.map((secret: { id: string }) => secret.id);
  const revealed = expectStatus(await person.call('POST', '/secrets/reveal', { body: { ids } }), 200).body.secrets;
  const values = new Map(revealed.map((one: { id: string; value: string }) => [one.id, one.value]));
  return secrets.map((secret: { id: string }) => ({ ...secret, value: values.get(secret.id) }));
};

const valuesOf = (secrets: readonly any[]) => Object.fromEntries(secrets.map(({ name, value }) => [name, value]));

const file = async (name: string, text: string): Promise<string> => {
  const path = join(world.directory, name);
  await writeFile(path, text);
  return path;
};

const json = async (args: readonly string[], who = ada) => {
  const ended = await who.run([...args, '--json']);
  return { ...ended, result: ended.out === '' ? null : JSON.parse(ended.out) };
};

describe('importing .env files', () => {
  it('import reads every unusual .env file as dotenv does', async () => {
    const files = (await readdir(fixture('env'))).filter((name) => name.endsWith('.env'));
    expect(files.length).toBeGreaterThanOrEqual(20);
    // What dotenv read when the files were collected, so that no change of it or of ours goes unnoticed.
    const collected = JSON.parse(await readFile(fixture('env/expected.json'), 'utf8'));
    for (const name of some(files.sort(), 0)) {
      const path = fixture(`env/${name}`);
      expect({ name, read: parse(await readFile(path)) }).toEqual({ name, read: collected[name] });
      const expected: [string, string][] = Object.entries(collected[name]);
      const tag = basename(name, '.env');
      const { code, err, result } = await json(['import', path, '--tag', tag, '--on-conflict', 'rename']);
      expect({ name, code, err }).toEqual({ name, code: 0, err: '' });
      const kept = new Map((await keptBy(ada.person, `&tag=${tag}`)).map((one) => [one.name, one.value]));
      const read = result.items.map((one: { source: string; name: string }) => [one.source, kept.get(one.name)]);
      expect({ name, read }).toEqual({ name, read: expected.filter(([, value]) => value !== '') });
      const left = result.left_out.map((one: { source: string }) => one.source);
      expect(left).toEqual(expected.filter(([, value]) => value === '').map(([source]) => source));
    }
  });

  it('import --dry-run writes nothing and shows what would happen', async () => {
    const { grace } = world;
    const path = await file('dry.env', 'ONE=1\nTWO=2\n');
    const dry = await json(['import', path, '--dry-run'], grace);
    expect(dry.result).toMatchObject({ dry_run: true, created: 2 });
    expect(await keptBy(grace.person, '')).toEqual([]);
    expect((await json(['import', path], grace)).result).toMatchObject({ dry_run: false, created: 2 });
    expect(valuesOf(await keptBy(grace.person, ''))).toEqual({ ONE: '1', TWO: '2' });
  });

  it('import treats an existing name as --on-conflict says', async () => {
    const { grace } = world;
    await keepSecret(grace.person, { name: 'TAKEN', value: 'old' });
    const path = await file('conflict.env', 'FRESH=new\nTAKEN=new\n');
    const failed = await grace.run(['import', path]);
    expect(failed).toMatchObject({ code: 6, out: '' });
    expect(failed.err).toContain('TAKEN');
    expect(valuesOf(await keptBy(grace.person, ''))).not.toHaveProperty('FRESH');
    expect((await json(['import', path, '--on-conflict', 'rename'], grace)).result).toMatchObject({ renamed: 1 });
    expect(valuesOf(await keptBy(grace.person, ''))).toMatchObject({ TAKEN: 'old', 'TAKEN-2': 'new', FRESH: 'new' });
    expect((await json(['import', path, '--on-conflict', 'skip'], grace)).result).toMatchObject({ skipped: 2 });
    expect((await json(['import', path, '--on-conflict', 'update'], grace)).result).toMatchObject({ updated: 2 });
    expect(valuesOf(await keptBy(grace.person, ''))).toMatchObject({ TAKEN: 'new' });
  });

  it('import --session puts the secrets into that session', async () => {
    const session = expectStatus(
      await ada.person.call('POST', '/sessions', { body: { external_id: 'env-1' } }),
      201,
    ).body;
    const path = await file('session.env', 'IN_SESSION=yes\n');
    expect(await ada.run(['import', path, '--session', 'env-1'])).toMatchObject({ code: 0 });
    const [secret] = await keptBy(ada.person, `&session_id=${session.id}`);
    expect(secret).toMatchObject({ name: 'IN_SESSION', scope: 'session', value: 'yes' });
  });

  it('import refuses an unreadable file with a message that holds no value', async () => {
    const path = join(world.directory, 'latin1.env');
    await writeFile(path, Buffer.from('KEY=hunter2\xe9\n', 'latin1'));
    const { code, err } = await ada.run(['import', path]);
    expect(code).toBe(2);
    expect(err).toContain('not valid UTF-8');
    expect(err).not.toContain('hunter2');
    const broken = await ada.run(['import', await file('broken.json', '{"KEY": "hunter2"')]);
    expect(broken.code).toBe(2);
    expect(broken.err).not.toContain('hunter2');
  });
});

describe('importing JSON and YAML', () => {
  it('import keeps the text of JSON and YAML values and changes invalid names', async () => {
    const { edith } = world;
    const yaml =
      'pin: 007\nversion: 1.10\nflag: yes\ntext: "a: b"\nblock: |\n  one\n  two\nmein Schlüssel: x1\nnothing:\n';
    const { result } = await json(['import', await file('a.yaml', yaml)], edith);
    expect(result).toMatchObject({ created: 6 });
    expect(result.left_out).toMatchObject([{ source: 'nothing' }]);
    const kept = await keptBy(edith.person, '');
    expect(valuesOf(kept)).toEqual({
      pin: '007',
      version: '1.10',
      flag: 'yes',
      text: 'a: b',
      block: 'one\ntwo\n',
      mein_Schlussel: 'x1',
    });
    expect(kept.find((one) => one.name === 'mein_Schlussel').metadata).toEqual({ original_name: 'mein Schlüssel' });
    const numbers = await file('b.json', '{"BIG": 12345678901234567890, "EXP": 1e3, "T": true, "S": "s"}');
    expect((await json(['import', numbers], edith)).result).toMatchObject({ created: 4 });
    expect(valuesOf(await keptBy(edith.person, ''))).toMatchObject({
      BIG: '12345678901234567890',
      EXP: '1e3',
      T: 'true',
      S: 's',
    });
    expect(await edith.run(['import', await file('c.json', '{"DEEP": {"a": 1}}')])).toMatchObject({ code: 2 });
  });

  it('import reads back what export wrote, with types and metadata, from a file that only its owner can read', async () => {
    const { radia } = world;
    const whole = { type: 'certificate', description: 'd', tags: ['t1', 't2'], metadata: { a: [1, 'x'] } };
    await keepSecret(radia.person, { name: 'CERT', value: 'line\r\n"quoted" $x \\n\0', ...whole });
    const path = join(world.directory, 'export.json');
    const exported = await radia.run(['export', path]);
    expect(exported).toMatchObject({ code: 0, out: '' });
    expect(exported.err).toContain('plain text');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await radia.run(['export', path])).toMatchObject({ code: 6 });
    expect(await radia.run(['export', path, '--force'])).toMatchObject({ code: 0 });
    expect(await radia.run(['import', path, '--on-conflict', 'rename'])).toMatchObject({ code: 0 });
    const [copy, original] = await keptBy(radia.person, '');
    expect(copy).toMatchObject({ ...whole, name: 'CERT-2', value: original.value });
  });

  it('export refuses a value that a .env file cannot hold, and --names-only exports names without values', async () => {
    const { radia } = world;
    await keepSecret(radia.person, { name: 'NO_ENV', value: '\r \\n' });
    const path = join(world.directory, 'export.env');
    const refused = await radia.run(['export', path, '--only', 'NO_ENV']);
    expect(refused.code).toBe(2);
    expect(refused.err).toContain('--format json');
    await expect(stat(path)).rejects.toThrow();
    const names = await radia.run(['export', '-', '--names-only', '--only', 'NO_ENV']);
    expect(names).toMatchObject({ code: 0, out: 'NO_ENV=\n' });
  });
});

describe('importing an old file store', () => {
  const store = fixture('store');
  const expected = async () => JSON.parse(await readFile(join(store, 'expected.json'), 'utf8'));
  const everything = async (person: Person) => {
    const sessions = expectStatus(await person.call('GET', '/sessions?limit=200'), 200).body.sessions;
    return { sessions, secrets: await keptBy(person, '') };
  };
  let newcomers: Awaited<ReturnType<typeof startWithCommandLines<'hedy' | 'joan'>>>;
  beforeAll(async () => {
    newcomers = await startWithCommandLines('hedy', 'joan');
  });
  afterAll(() => newcomers.close());

  it('import refuses an old store with a wrong key before it writes anything', async () => {
    const { hedy } = newcomers;
    const { code, err, out } = await hedy.run(['import', store, '--key', join(store, 'wrong.key')]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('Nothing was imported');
    expect(await everything(hedy.person)).toEqual({ sessions: [], secrets: [] });
  });

  it('import refuses an old store with a conflicting name before it starts a session', async () => {
    const { joan } = newcomers;
    await keepSecret(joan.person, { name: 'DB_URL', value: 'mine' });
    expect(await joan.run(['import', store])).toMatchObject({ code: 6 });
    const { sessions, secrets } = await everything(joan.person);
    expect(sessions).toEqual([]);
    expect(secrets).toHaveLength(1);
  });

  it('import imports a whole old store, with each chat’s secrets in its session', async () => {
    const { hedy } = newcomers;
    const dry = await json(['import', store, '--dry-run'], hedy);
    expect(dry.result).toMatchObject({ created: 8, sessions_started: 0 });
    expect(await everything(hedy.person)).toEqual({ sessions: [], secrets: [] });
    const { code, result } = await json(['import', store], hedy);
    expect(code).toBe(0);
    expect(result).toMatchObject({ created: 8, sessions_started: 2 });
    expect(result.left_out).toMatchObject([{ source: 'LONG_GONE (a8)', reason: expect.stringContaining('expired') }]);

    const { sessions, secrets } = await everything(hedy.person);
    expect(sessions.map((one: any) => one.metadata.imported_chat_id).sort()).toEqual(['Ein Chat / Nr. 2', 'chat-1']);
    const idOf = new Map(sessions.map((one: any) => [one.metadata.imported_chat_id, one.id]));
    expect(sessions.find((one: any) => one.external_id === 'chat-1')?.id).toBe(idOf.get('chat-1'));
    for (const old of (await expected()).filter((one: any) => one.id !== 'a8')) {
      const kept = secrets.find((one) => one.metadata.imported_from.id === old.id);
      expect(kept).toMatchObject({
        value: old.value,
        scope: old.scope === 'chat' ? 'session' : 'user',
        session_id: old.scope === 'chat' ? idOf.get(old.chat_id) : null,
        description: old.description ?? null,
        tags: old.tags ?? [],
        type: old.type === 'smtp_password' ? 'other' : old.type,
        metadata: old.metadata ?? {},
      });
      expect(kept.metadata.original_name ?? kept.name).toBe(old.name);
      if (old.expires_at) expect(kept.expires_at).toBe('2099-12-31T23:59:59.123Z');
    }
    const again = await json(['import', store, '--on-conflict', 'skip'], hedy);
    expect(again.result).toMatchObject({ skipped: 8, sessions_started: 0 });
  });

  it('import keeps expired secrets without an expiry when told to', async () => {
    const { hedy } = newcomers;
    const { result } = await json(['import', store, '--on-conflict', 'skip', '--keep-expired-without-expiry'], hedy);
    expect(result).toMatchObject({ created: 1, skipped: 8, left_out: [] });
    const kept = (await keptBy(hedy.person, '')).find((one) => one.name === 'LONG_GONE');
    expect(kept).toMatchObject({ expires_at: null, value: 'expired long ago' });
    expect(kept.metadata.expired_at).toBe('2020-01-01T00:00:00.000Z');
  });
});
