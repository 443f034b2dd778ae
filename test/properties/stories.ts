import fc from 'fast-check';

/** One act of a story. People, sessions, secrets, offers and tokens are named by their numbers, taken modulo how many there are. */
export type Act =
  | { readonly do: 'start'; readonly by: number; readonly invite: readonly number[] }
  | { readonly do: 'invite' | 'remove'; readonly by: number; readonly session: number; readonly who: number }
  | { readonly do: 'join' | 'name' | 'leave' | 'end' | 'rename'; readonly by: number; readonly session: number }
  | { readonly do: 'keep'; readonly by: number; readonly scope: 'user' | 'session'; readonly session: number }
  | { readonly do: 'share' | 'unshare'; readonly by: number; readonly secret: number; readonly who: number }
  | {
      readonly do: 'set' | 'activate' | 'deactivate' | 'delete' | 'recover' | 'purge' | 'take out';
      readonly by: number;
      readonly secret: number;
    }
  | { readonly do: 'lend'; readonly by: number; readonly secret: number; readonly session: number }
  | {
      readonly do: 'offer';
      readonly by: number;
      readonly secret: number;
      readonly who: number;
      readonly keep: boolean;
    }
  | { readonly do: 'accept' | 'cancel'; readonly by: number; readonly offer: number }
  | { readonly do: 'token'; readonly by: number; readonly bound: boolean; readonly session: number }
  | { readonly do: 'revoke'; readonly by: number; readonly token: number }
  | { readonly do: 'use token'; readonly token: number; readonly secret: number };

const number = fc.nat({ max: 5 });
const by = fc.nat({ max: 3 });

const acts: readonly fc.Arbitrary<Act>[] = [
  fc.record({ do: fc.constant('start' as const), by, invite: fc.uniqueArray(by, { maxLength: 3 }) }),
  fc.record({ do: fc.constantFrom('invite' as const, 'remove' as const), by, session: number, who: by }),
  fc.record({
    do: fc.constantFrom('join' as const, 'name' as const, 'leave' as const, 'end' as const, 'rename' as const),
    by,
    session: number,
  }),
  fc.record({
    do: fc.constantFrom('join' as const, 'name' as const, 'leave' as const),
    by,
    session: number,
  }),
  fc.record({
    do: fc.constant('keep' as const),
    by,
    scope: fc.constantFrom('user' as const, 'session' as const),
    session: number,
  }),
  fc.record({ do: fc.constantFrom('share' as const, 'unshare' as const), by, secret: number, who: by }),
  fc.record({
    do: fc.constantFrom(
      'set' as const,
      'activate' as const,
      'deactivate' as const,
      'delete' as const,
      'recover' as const,
      'purge' as const,
      'take out' as const,
    ),
    by,
    secret: number,
  }),
  fc.record({ do: fc.constant('lend' as const), by, secret: number, session: number }),
  fc.record({ do: fc.constant('offer' as const), by, secret: number, who: by, keep: fc.boolean() }),
  fc.record({ do: fc.constantFrom('accept' as const, 'cancel' as const), by, offer: number }),
  fc.record({ do: fc.constant('token' as const), by, bound: fc.boolean(), session: number }),
  fc.record({ do: fc.constant('revoke' as const), by, token: number }),
  fc.record({ do: fc.constant('use token' as const), token: number, secret: number }),
];

/** A story: it begins with a session and two secrets, so that most acts are about something. */
export const anyStory: fc.Arbitrary<readonly Act[]> = fc
  .array(fc.oneof(...acts), { minLength: 1, maxLength: 14 })
  .map((rest) => [
    { do: 'start', by: 0, invite: [1, 2] },
    { do: 'keep', by: 0, scope: 'user', session: 0 },
    { do: 'keep', by: 0, scope: 'session', session: 0 },
    ...rest,
  ]);
