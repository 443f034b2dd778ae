import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTakenAway } from '../../src/backup/taken-away.ts';
import { count, seed } from '../support/counts.ts';

type AuditRecord = Parameters<ReturnType<typeof createTakenAway>['add']>[0];

let made = 0;

const record = (action: string, details: object = {}, more: Partial<AuditRecord> = {}): AuditRecord => {
  made += 1;
  return {
    id: String(made).padStart(6, '0'),
    recorded_at: new Date(made * 1000),
    request_id: '',
    actor_id: null,
    agent: null,
    session_id: null,
    token_id: null,
    action,
    target_type: null,
    target_id: 'target',
    outcome: 'allowed',
    reason: null,
    ip: null,
    user_agent: null,
    details: details as AuditRecord['details'],
    nonce: Buffer.alloc(0),
    seal: Buffer.alloc(0),
    ...more,
  };
};

const takenBy = (...records: AuditRecord[]): string[] => {
  const gathered = createTakenAway();
  for (const one of records) gathered.add(one);
  return gathered.all().map(({ what }) => what);
};

describe('what records say was taken away', () => {
  it.each<[string, AuditRecord[], string[]]>([
    ['a refused change takes nothing away', [record('token.revoke', {}, { outcome: 'refused' })], []],
    [
      'a refresh token that was used twice ended its login',
      [record('login.refresh', {}, { outcome: 'refused', reason: 'reused' })],
      ['login ended'],
    ],
    [
      'a share after an unshare by revision, in whatever order the clocks have them',
      [record('secret.share', { revision: 9, user_id: 'u' }), record('secret.unshare', { revision: 8, user_id: 'u' })],
      [],
    ],
    [
      'an unshare after a share by revision',
      [record('secret.unshare', { revision: 9, user_id: 'u' }), record('secret.share', { revision: 8, user_id: 'u' })],
      ['unshared'],
    ],
    [
      'a share with somebody else gives nothing back',
      [record('secret.unshare', { revision: 8, user_id: 'u' }), record('secret.share', { revision: 9, user_id: 'v' })],
      ['unshared'],
    ],
    [
      'a join at the moment of leaving gives nothing back, since either may have come first',
      [
        record('session.participant_remove', { user_id: 'u' }, { recorded_at: new Date(7) }),
        record('session.join', { user_id: 'u' }, { recorded_at: new Date(7) }),
      ],
      ['left the session'],
    ],
    [
      'a join after leaving gives it back',
      [record('session.participant_remove', { user_id: 'u' }), record('session.join', { user_id: 'u' })],
      [],
    ],
    [
      'an invitation after leaving gives nothing back',
      [record('session.participant_remove', { user_id: 'u' }), record('session.participant_add', { user_id: 'u' })],
      ['left the session'],
    ],
    [
      'an owner who handed a session over has left it',
      [record('session.hand_over', { from: 'u', to: 'v' })],
      ['left the session'],
    ],
    [
      'a user who was enabled again has lost logins and tokens only',
      [
        record('user.disable', { revision: 2, fields: ['status'], status: 'disabled' }),
        record('user.enable', { revision: 3, fields: ['status'], status: 'active' }),
      ],
      ['logins and tokens ended'],
    ],
    [
      'an expiry or exposure that the record only names is taken for the worst',
      [record('secret.update', { revision: 2, fields: ['expires_at', 'exposure', 'name'] })],
      ['secret expires', 'for use only'],
    ],
    [
      'an expiry that was removed takes nothing away',
      [
        record('secret.update', { revision: 2, fields: ['expires_at'], expires_at: '2027-01-01T00:00:00.000Z' }),
        record('secret.update', { revision: 3, fields: ['expires_at'], expires_at: null }),
      ],
      [],
    ],
    [
      'a transfer of a secret that nobody else could reach takes nothing away',
      [record('secret.transfer', { from: 'user' })],
      [],
    ],
    [
      'an offer that was called off, and one of everything of a user',
      [
        record('handover.cancel', { handover_id: 'h', kind: 'secret' }),
        record('handover.cancel', { handover_id: 'h', kind: 'user' }),
      ],
      ['offer called off', 'hand-over called off'],
    ],
    ['a secret with a new owner', [record('secret.hand_over', { revision: 2, from: 'u', to: 'v' })], ['handed over']],
    ['what a restore took away again', [record('backup.revoke', { what: 'deleted' })], ['deleted']],
    [
      'a refresh that a restore followed ends the login',
      [record('backup.revoke', { what: 'login refreshed' })],
      ['login ended'],
    ],
    ['everything that a restore ended', [record('backup.revoke_all', {}, { target_id: null })], ['everything ended']],
    [
      'logins that were ended with their root key end every login, and no token or share',
      [record('key.logins_end', { root_key_id: '5b1f0c9a7e3d2468', logins: 2 }, { target_id: null })],
      ['every login ended'],
    ],
    ['an action of a later version', [record('secret.unknown')], []],
  ])('%s', (_what, records, expected) => {
    expect(takenBy(...records).sort()).toEqual([...expected].sort());
  });

  it('the order in which records are read changes nothing', () => {
    const actions = ['secret.unshare', 'secret.share', 'secret.deactivate', 'secret.activate', 'secret.delete'];
    const arbitrary = fc.array(fc.constantFrom(...actions), { maxLength: 12 });
    fc.assert(
      fc.property(arbitrary, fc.infiniteStream(fc.nat()), (chosen, order) => {
        const records = chosen.map((action, at) => record(action, { revision: at, user_id: 'u' }));
        const shuffled = records
          .map((one) => ({ one, at: order.next().value }))
          .sort((a, b) => a.at - b.at)
          .map(({ one }) => one);
        expect(takenBy(...shuffled)).toEqual(takenBy(...records));
        const last = chosen.findLast((action) => action === 'secret.share' || action === 'secret.unshare');
        expect(takenBy(...records).includes('unshared')).toBe(last === 'secret.unshare');
      }),
      { seed, numRuns: count(2000) },
    );
  });

  it('refreshes are counted for each login', () => {
    const gathered = createTakenAway();
    for (const target_id of ['a', 'b', 'a', 'a']) gathered.add(record('login.refresh', {}, { target_id }));
    expect(gathered.all().map(({ id, count: times }) => [id, times])).toEqual([
      ['b', 1],
      ['a', 3],
    ]);
  });
});
