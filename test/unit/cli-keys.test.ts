import { describe, expect, it } from 'vitest';
import { adviceOn } from '../../src/cli/keys/advice.ts';
import { waitsOf } from '../../src/cli/keys/waits.ts';
import type { Job, Keys, RootKey } from '../../src/client/index.ts';

const [newer, older] = ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'];

const rootKey = (id: string, more: Partial<RootKey> = {}): RootKey => ({
  id,
  state: 'current',
  added_at: '2026-11-24T09:00:00.000Z',
  owner_keys: 0,
  logins: 0,
  last_token_expires_at: null,
  unused_since: null,
  retired_at: null,
  needed_for: [],
  ...more,
});

const service = (id: string, root_key_ids: string[], seal_generation = 1): Keys['services'][number] => ({
  id: `${id.repeat(8)}-39ab-4674-ad31-f88e521aaa87`,
  host: 'vault',
  pid: 42,
  root_key_ids,
  seal_generation,
  started_at: '2026-11-24T09:00:00.000Z',
  seen_at: '2026-11-24T09:00:00.000Z',
});

const sealKey = (generation: number, state: Keys['seal_keys'][number]['state']) => ({
  id: `0199d6f2-5f0e-7c4e-9d3c-00000000000${generation}`,
  generation,
  state,
  created_at: '2026-11-24T09:00:00.000Z',
  promoted_at: null,
});

const keysOf = (more: Partial<Keys> = {}): Keys => ({
  source: '/etc/keyhold/root.key',
  root_keys: [rootKey(newer, { state: 'primary' })],
  seal_keys: [sealKey(1, 'sealing')],
  services: [service('1', [newer, older])],
  ...more,
});

const adviceFor = (key: RootKey, more: Partial<Keys> = {}): string => {
  const root_keys = [rootKey(newer, { state: 'primary' }), key];
  return adviceOn(keysOf({ root_keys, ...more }), { isResealing: false }).join(' ');
};

const used = { unused_since: '2026-11-24T10:00:00.000Z' };

describe('what keyhold keys status advises', () => {
  it('nothing is advised where nothing is to be done', () => {
    expect(adviceOn(keysOf(), { isResealing: false })).toEqual([]);
  });

  it('a key that nothing needs can be retired, and the backups that still need it are named', () => {
    const text = adviceFor(rootKey(older, { ...used, last_token_expires_at: '2026-11-24T10:20:00.123Z' }));
    expect(text).toContain(`keyhold keys retire ${older}`);
    expect(text).toContain('Backups from before 2026-11-24T10:00:00Z cannot be opened without it');
  });

  it('a key that something needs is not to be retired yet, with each reason once', () => {
    const needed_for = ['3 logins need it until refreshed.', 'Access tokens that it signed may be valid until then.'];
    const signed = { ...used, logins: 3, needed_for };
    const ended = adviceFor(rootKey(older, { ...signed, last_token_expires_at: '2026-11-24T10:20:00.123Z' }));
    expect(ended).toBe(
      `Root key ${older} cannot be retired yet. 3 logins need it until refreshed. Access tokens that it signed may be valid until 2026-11-24T10:20:00Z.`,
    );
    const signs = adviceFor(rootKey(older, signed));
    expect(signs).toContain('It still signs access tokens');
    expect(signs).not.toContain('valid until');
  });

  it('a key that was added and that nothing has used is to be made the primary one, not retired', () => {
    const text = adviceFor(rootKey(older));
    expect(text).toContain('keyhold keys rotate-root');
    expect(text).not.toContain('keyhold keys retire');
    expect(adviceFor(rootKey(older), { source: 'KEYHOLD_ROOT_KEYS' })).toContain('Make it the first one');
  });

  it('a missing key is asked for only where owner keys need it', () => {
    const needed_for = ['It wraps 2 owner keys. Run "keyhold keys rewrap".'];
    expect(adviceFor(rootKey(older, { state: 'missing', owner_keys: 2, needed_for }))).toContain('Restore it');
    expect(adviceFor(rootKey(older, { state: 'missing' }))).not.toContain('Restore it');
  });

  it('a retired key is kept as long as the backups that need it', () => {
    expect(adviceFor(rootKey(older, { ...used, state: 'retired' }))).toContain('keep bbbbbbbbbbbbbbbb as long as');
  });

  it('services with different primary keys are named', () => {
    const services = [service('1', [newer, older]), service('2', [older, newer])];
    const text = adviceOn(keysOf({ services }), { isResealing: false }).join(' ');
    expect(text).toContain('service 11111111 (vault, process 42) uses aaaaaaaaaaaaaaaa');
    expect(text).toContain('service 22222222 (vault, process 42) uses bbbbbbbbbbbbbbbb');
  });

  it('an older seal key is to be retired, unless that is under way', () => {
    const seal_keys = [sealKey(2, 'sealing'), sealKey(1, 'verifying')];
    expect(adviceOn(keysOf({ seal_keys }), { isResealing: false }).join()).toContain(
      `retire ${sealKey(1, 'sealing').id}`,
    );
    expect(adviceOn(keysOf({ seal_keys }), { isResealing: true })).toEqual([]);
  });
});

describe('what a job waits for', () => {
  const job = (kind: string, more: Partial<Job> = {}): Job => ({
    id: '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e21',
    kind,
    state: 'running',
    params: { generation: 2 },
    total: null,
    done: 0,
    failed: 0,
    counts: {},
    reason: null,
    requested_by: null,
    created_at: '2026-11-24T09:00:00.000Z',
    started_at: null,
    updated_at: '2026-11-24T09:00:00.000Z',
    finished_at: null,
    ...more,
  });

  it('a job that nobody has begun waits for a service', () => {
    expect(waitsOf(job('rewrap', { state: 'queued' }), keysOf())).toEqual(['a service to begin']);
  });

  it('a rewrapping waits for the services that have another primary key, and for nothing else', () => {
    const services = [service('1', [newer, older]), service('2', [older, newer])];
    expect(waitsOf(job('rewrap'), keysOf({ services }))).toEqual([
      'service 22222222 (vault, process 42) to make root key aaaaaaaaaaaaaaaa its primary one',
    ]);
    expect(waitsOf(job('rewrap'), keysOf())).toEqual([]);
  });

  it('a rotation of the seal key waits until it is read, then until it seals, then a minute', () => {
    const announced = keysOf({ seal_keys: [sealKey(2, 'announced'), sealKey(1, 'sealing')] });
    expect(waitsOf(job('reseal'), announced)).toEqual(['every service to read the new seal key']);
    const seal_keys = [sealKey(2, 'sealing'), sealKey(1, 'verifying')];
    const services = [service('1', [newer], 2), service('2', [newer], 1)];
    expect(waitsOf(job('reseal'), keysOf({ seal_keys, services }))).toEqual([
      'service 22222222 (vault, process 42) to seal with the new key',
    ]);
    const all = keysOf({ seal_keys, services: [service('1', [newer], 2)] });
    expect(waitsOf(job('reseal'), all).join()).toMatch(/^a minute to pass/);
  });

  it('a re-encryption waits a minute', () => {
    expect(waitsOf(job('reencrypt'), keysOf()).join()).toMatch(/^a minute to pass/);
  });
});
