import type { RootKeyRow } from '../db/tables/index.ts';
import type { RootKey } from './root-key.ts';

/** What a root key derives for the tokens of logins. */
export interface LoginKey {
  readonly rootKeyId: string;
  /** The seed of the key pair that signs access tokens. */
  readonly jwtSeed: Buffer;
  /** The MAC key of refresh tokens. */
  readonly refreshKey: Buffer;
}

export const loginKeyOf = async (root: RootKey): Promise<LoginKey> => ({
  rootKeyId: root.id,
  jwtSeed: await root.derive('jwt'),
  refreshKey: await root.derive('refresh'),
});

/** Others may keep our published keys for this long (`Cache-Control` of the JWK Set). */
const publishedMs = 5 * 60_000;

/** How often a key that signs is noted as doing so. */
const notedEveryMs = 30_000;

/** An access token lasts 15 minutes. A service that is behind may sign for a minute after the note, with its clock 10 s off. */
const lastTokenMs = 15 * 60_000 + notedEveryMs + 60_000;

/**
 * The key that signs access tokens: the first one that was published for as long as others may keep the published keys, so that
 * nobody who verifies tokens meets an unknown key. Where none has been, the one that was published first.
 */
export const signingKeyOf = (
  keys: readonly [LoginKey, ...LoginKey[]],
  states: readonly RootKeyRow[],
  now: Date,
): LoginKey => {
  const added = new Map(states.map(({ id, added_at }) => [id, added_at.getTime()]));
  const since = ({ rootKeyId }: LoginKey): number => added.get(rootKeyId) ?? now.getTime();
  const earlier = (a: LoginKey, b: LoginKey): LoginKey => (since(b) < since(a) ? b : a);
  return keys.find((key) => now.getTime() - since(key) >= publishedMs) ?? keys.reduce(earlier);
};

/** Whether it was noted lately that the key signs. */
export const isNotedLately = ({ last_signed_at }: RootKeyRow, now: Date): boolean =>
  last_signed_at !== null && now.getTime() - last_signed_at.getTime() < notedEveryMs;

/** When the last access token that a key signed has expired; null for a key that never signed. */
export const lastTokenExpires = ({ last_signed_at }: RootKeyRow): Date | null =>
  last_signed_at === null ? null : new Date(last_signed_at.getTime() + lastTokenMs);
