import { describe, expect, it } from 'vitest';
import { sentenceOf } from '../../src/cli/notices/sentence.ts';
import type { Event } from '../../src/client/index.ts';
import { eventTypes } from '../../src/events/index.ts';

const [me, other, third] = ['0001', '0002', '0003'] as const;

const event = (type: Event['type'], fields: Partial<Event> = {}): Event => ({
  id: '0010',
  type,
  at: '2026-11-24T09:00:00.000Z',
  actor: { id: other, username: 'ada' },
  agent: null,
  user: { id: me, username: 'grace' },
  secret: { id: '0020', name: 'KEY' },
  session: { id: '0030', title: 'Deploy' },
  revision: 2,
  details: { due_at: '2026-12-01T08:30:00.000Z', network: '203.0.113.0/24', table: 'users', kind: 'user' },
  ...fields,
});

const sentence = (type: Event['type'], fields?: Partial<Event>): string => sentenceOf(event(type, fields), me);

describe('the sentence about an event', () => {
  it.each(Object.keys(eventTypes) as Event['type'][])(
    'of type %s begins with a capital or a name, and names all',
    (type) => {
      expect(sentence(type)).toMatch(/^[A-Z]|^ada /);
      expect(sentence(type)).not.toMatch(/undefined|null|somebody (?!logged)|\s\s|\.\./);
    },
  );

  it('says "you" of its reader, and otherwise who it was', () => {
    expect(sentence('session.removed')).toBe('ada removed you from the session "Deploy".');
    const user = { id: third, username: 'linus' };
    expect(sentence('session.removed', { user, session: { id: '0030', title: null } })).toBe(
      'ada removed linus from the session 0030.',
    );
    expect(sentence('session.joined', { actor: { id: me, username: 'grace' }, agent: 'bot' })).toBe(
      'You (by the agent bot) joined the session "Deploy".',
    );
    expect(sentence('session.left', { actor: { id: third, username: null } })).toBe(
      'A former user left the session "Deploy".',
    );
  });

  it('tells what the service does by itself from what its operator does', () => {
    expect(sentence('session.ended', { actor: null })).toBe('The service ended the session "Deploy".');
    expect(sentence('account.disabled', { actor: null })).toBe('The operator disabled your account.');
  });

  it('says when a secret expires, and how to accept what is offered', () => {
    expect(sentence('secret.expiring', { actor: null })).toBe('The secret KEY expires on 2026-12-01 at 08:30.');
    const details = { kind: 'secret', secret_id: '0020', handover_id: '0040' };
    expect(sentence('handover.offered', { details })).toBe(
      'ada offered you the secret 0020. To accept it: keyhold handover accept 0040',
    );
  });
});
