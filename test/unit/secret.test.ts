import { describe, expect, it } from 'vitest';
import { decide, type SecretFacts } from '../../src/access/index.ts';
import { newId, type SessionId, type UserId, type VerifiedSessionId } from '../../src/core/ids.ts';
import { permissions } from '../../src/core/permissions.ts';
import type { SecretRow } from '../../src/db/tables/index.ts';
import {
  activate,
  deactivate,
  isAccessibleBy,
  isExpired,
  maxSharedWith,
  shareWith,
  stateOf,
  unshareWith,
} from '../../src/secrets/secret.ts';

const now = new Date('2026-11-24T12:00:00.000Z');
const owner = newId<UserId>();
const grantee = newId<UserId>();
const stranger = newId<UserId>();
const session = newId<SessionId>() as VerifiedSessionId;
const otherSession = newId<SessionId>() as VerifiedSessionId;

const facts = (change: Partial<SecretFacts> = {}): SecretFacts => ({
  ownerId: owner,
  ownerActive: true,
  ownerPresent: false,
  scope: 'user',
  sessionId: null,
  sharedWith: [],
  isActive: true,
  expiresAt: null,
  deletedAt: null,
  exposure: 'reveal',
  ...change,
});

const inSession = (change: Partial<SecretFacts> = {}): SecretFacts =>
  facts({ scope: 'session', sessionId: session, ownerPresent: true, ...change });

const shared = (change: Partial<SecretFacts> = {}): SecretFacts =>
  facts({ scope: 'shared', sharedWith: [grantee], ...change });

describe('isAccessibleBy', () => {
  it('a secret of scope user is accessible to its owner from any session, and to nobody else', () => {
    for (const where of [null, session, otherSession]) {
      expect(isAccessibleBy(facts(), owner, where, now)).toBe(true);
      expect(isAccessibleBy(facts(), grantee, where, now)).toBe(false);
    }
  });

  it('a secret of a session is accessible to its owner from anywhere, and to others in that session only', () => {
    for (const where of [null, session, otherSession])
      expect(isAccessibleBy(inSession(), owner, where, now)).toBe(true);
    expect(isAccessibleBy(inSession(), stranger, session, now)).toBe(true);
    expect(isAccessibleBy(inSession(), stranger, otherSession, now)).toBe(false);
    expect(isAccessibleBy(inSession(), stranger, null, now)).toBe(false);
  });

  it('a session secret whose owner is not present is accessible to its owner only', () => {
    expect(isAccessibleBy(inSession({ ownerPresent: false }), stranger, session, now)).toBe(false);
    expect(isAccessibleBy(inSession({ ownerPresent: false }), owner, session, now)).toBe(true);
  });

  it('a missing session never matches a missing session', () => {
    const nowhere = inSession({ sessionId: null });
    expect(isAccessibleBy(nowhere, stranger, null, now)).toBe(false);
    expect(isAccessibleBy(facts({ sessionId: session }), stranger, session, now)).toBe(false);
  });

  it('a shared secret is accessible to its owner and the listed users, from any session', () => {
    for (const where of [null, session]) {
      expect(isAccessibleBy(shared(), owner, where, now)).toBe(true);
      expect(isAccessibleBy(shared(), grantee, where, now)).toBe(true);
      expect(isAccessibleBy(shared(), stranger, where, now)).toBe(false);
    }
  });

  it('a list of users on a secret that is not shared gives them no access', () => {
    expect(isAccessibleBy(facts({ sharedWith: [grantee] }), grantee, null, now)).toBe(false);
    expect(isAccessibleBy(inSession({ sharedWith: [grantee] }), grantee, null, now)).toBe(false);
  });

  it.each([
    ['inactive', { isActive: false }],
    ['expired', { expiresAt: now }],
    ['deleted', { deletedAt: now }],
    ['of a disabled owner', { ownerActive: false }],
  ])('a secret that is %s is accessible to nobody, its owner included', (_what, change) => {
    for (const secret of [facts(change), inSession(change), shared(change)])
      for (const who of [owner, grantee]) expect(isAccessibleBy(secret, who, session, now)).toBe(false);
  });

  it('access means use, which the owner can allow without revealing', () => {
    const useOnly = shared({ exposure: 'use' });
    expect(isAccessibleBy(useOnly, grantee, null, now)).toBe(true);
    const asking = { userId: grantee, permissions: new Set(permissions), session: null } as const;
    const decision = decide({ ...asking, boundToSession: false, waiting: false }, 'reveal', useOnly, now);
    expect(decision).toEqual({ allowed: false, reason: 'use_only' });
  });
});

describe('shareWith', () => {
  it('shareWith adds a user and turns scope user into shared', () => {
    expect(shareWith({ scope: 'user', shared_with: [] }, grantee)).toEqual({
      scope: 'shared',
      shared_with: [grantee],
    });
  });

  it('shareWith keeps the users who are there already, in order', () => {
    expect(shareWith({ scope: 'shared', shared_with: [stranger] }, grantee).shared_with).toEqual([stranger, grantee]);
  });

  it('shareWith changes nothing the second time', () => {
    const once = shareWith({ scope: 'user', shared_with: [] }, grantee);
    expect(shareWith(once, grantee)).toEqual(once);
  });

  it('shareWith leaves its argument as it was', () => {
    const before = Object.freeze({ scope: 'shared' as const, shared_with: Object.freeze([stranger]) });
    expect(shareWith(before, grantee)).not.toBe(before);
    expect(before.shared_with).toEqual([stranger]);
  });

  it('shareWith refuses the secret of a session, with advice', () => {
    expect(() => shareWith({ scope: 'session', shared_with: [] }, grantee)).toThrow(/Transfer it to scope user first/);
  });

  it('shareWith accepts users up to the maximum and refuses one more', () => {
    const users = Array.from({ length: maxSharedWith - 1 }, () => newId<UserId>());
    const full = shareWith({ scope: 'shared', shared_with: users }, grantee);
    expect(full.shared_with).toHaveLength(maxSharedWith);
    expect(shareWith(full, grantee)).toEqual(full);
    expect(() => shareWith(full, stranger)).toThrow(/at most 1000/);
  });
});

describe('unshareWith', () => {
  it('unshareWith removes one user and leaves the others', () => {
    expect(unshareWith({ scope: 'shared', shared_with: [stranger, grantee] }, grantee)).toEqual({
      scope: 'shared',
      shared_with: [stranger],
    });
  });

  it('unshareWith turns the secret into scope user when it removes the last user', () => {
    expect(unshareWith({ scope: 'shared', shared_with: [grantee] }, grantee)).toEqual({
      scope: 'user',
      shared_with: [],
    });
  });

  it('unshareWith changes nothing the second time, nor for a user who was never there', () => {
    const once = unshareWith({ scope: 'shared', shared_with: [stranger, grantee] }, grantee);
    expect(unshareWith(once, grantee)).toEqual(once);
    expect(unshareWith({ scope: 'user', shared_with: [] }, grantee)).toEqual({ scope: 'user', shared_with: [] });
  });

  it('unshareWith leaves a secret in its session', () => {
    expect(unshareWith({ scope: 'session', shared_with: [] }, grantee)).toEqual({ scope: 'session', shared_with: [] });
  });
});

describe('activate, deactivate and expiry', () => {
  const row = { deleted_at: null, expires_at: null, is_active: true } as SecretRow;

  it('deactivate and activate switch a secret off and on', () => {
    expect(stateOf({ ...row, ...deactivate() }, now)).toBe('inactive');
    expect(stateOf({ ...row, ...deactivate(), ...activate() }, now)).toBe('live');
  });

  it('a secret expires at expires_at, to the millisecond, and never without one', () => {
    const at = (offset: number) => ({ expiresAt: new Date(now.getTime() + offset) });
    expect(isExpired(at(1), now)).toBe(false);
    expect(isExpired(at(0), now)).toBe(true);
    expect(isExpired(at(-1), now)).toBe(true);
    expect(isExpired({ expiresAt: null }, now)).toBe(false);
  });

  it('of several states stateOf names the one that matters most', () => {
    const over = { ...row, expires_at: now };
    expect(stateOf(over, now)).toBe('expired');
    expect(stateOf({ ...over, is_active: false }, now)).toBe('inactive');
    expect(stateOf({ ...over, is_active: false, deleted_at: now }, now)).toBe('deleted');
  });
});
