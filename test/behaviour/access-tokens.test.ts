import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { createAccessTokens } from '../../src/auth/access-tokens.ts';
import type { LoginId, UserId } from '../../src/core/ids.ts';
import { jwtSeed, refreshKey } from '../../src/crypto/derive.ts';
import type { LoginKey } from '../../src/keys/index.ts';
import { settableClock } from '../support/clock.ts';
import {
  encode,
  forge,
  forgeEncoded,
  type Members,
  macSigner,
  otherSpellings,
  signer,
  spellingsOfNone,
} from '../support/forged-tokens.ts';

const issuer = 'https://keyhold.test';
const refusal = { code: 'unauthenticated', message: 'The access token is not valid. Log in again.' };
const someone = { userId: randomUUID() as UserId, loginId: randomUUID() as LoginId };

const newRootKey = (): LoginKey => {
  const key = randomBytes(32);
  return { rootKeyId: key.toString('hex', 0, 8), jwtSeed: jwtSeed(key), refreshKey: refreshKey(key) };
};

/** The keys of a service whose first root key signs. */
const holding = (signing: LoginKey, ...others: LoginKey[]) => {
  const held = { signing, loginKeys: [signing, ...others] as const };
  return () => held;
};

/** The signing key as the design derives it, made apart from the code under test. */
const privateKeyOf = (rootKey: LoginKey): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), rootKey.jwtSeed]),
    format: 'der',
    type: 'pkcs8',
  });

const decoded = (token: string, part: number): Members =>
  JSON.parse(Buffer.from(token.split('.')[part] ?? '', 'base64url').toString());

/** Our own tokens, a good one taken apart, and the means to sign another with the true key. */
const world = async () => {
  const clock = settableClock(new Date('2027-03-01T10:00:00.400Z'));
  const rootKey = newRootKey();
  const tokens = createAccessTokens({ loginKeys: holding(rootKey), issuer, clock });
  const { token } = await tokens.sign(someone);
  const [header, payload] = [decoded(token, 0), decoded(token, 1)];
  const privateKey = privateKeyOf(rootKey);
  const sign = signer('EdDSA', privateKey);
  const signed = (headerChange: Members, payloadChange: Members = {}) =>
    forge({ ...header, ...headerChange }, { ...payload, ...payloadChange }, sign);
  return { clock, rootKey, tokens, token, header, payload, privateKey, sign, signed };
};

type World = Awaited<ReturnType<typeof world>>;

const expectRefused = async ({ tokens }: World, forged: string) => {
  await expect(tokens.verify(forged), forged).rejects.toMatchObject(refusal);
};
const expectAccepted = async ({ tokens }: World, token: string) => {
  await expect(tokens.verify(token)).resolves.toMatchObject(someone);
};

describe('an access token', () => {
  it('an access token names its user, its login and its end', async () => {
    const { tokens, clock, header, payload } = await world();
    const { token, expiresInSeconds } = await tokens.sign(someone);
    expect(expiresInSeconds).toBe(900);
    expect(await tokens.verify(token)).toEqual({ ...someone, expiresAt: new Date('2027-03-01T10:15:00Z') });
    expect(header).toEqual({ alg: 'EdDSA', typ: 'at+jwt', kid: tokens.jwks().keys[0]?.kid });
    const issuedAt = Math.floor(clock.now().getTime() / 1000);
    expect(payload).toEqual({
      iss: issuer,
      aud: 'keyhold',
      sub: someone.userId,
      login_id: someone.loginId,
      iat: issuedAt,
      exp: issuedAt + 900,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it('no two access tokens are equal', async () => {
    const { tokens } = await world();
    expect((await tokens.sign(someone)).token).not.toBe((await tokens.sign(someone)).token);
  });

  it('anyone can verify an access token with the published keys, which are public keys only', async () => {
    const { tokens, token, clock } = await world();
    const { keys } = tokens.jwks();
    const { x, kid, ...rest } = keys[0] ?? {};
    expect(rest).toEqual({ kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' });
    expect(kid).toBe(await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x: x ?? '' }));
    const options = { currentDate: clock.now(), issuer, audience: 'keyhold', typ: 'at+jwt', algorithms: ['EdDSA'] };
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys }), options);
    expect(payload.sub).toBe(someone.userId);
  });

  it('an access token ends after 15 minutes to the millisecond, even if it was accepted before', async () => {
    const seen = await world();
    await expectAccepted(seen, seen.token);
    seen.clock.set(new Date('2027-03-01T10:14:59.999Z'));
    await expectAccepted(seen, seen.token);
    seen.clock.set(new Date('2027-03-01T10:15:00.000Z'));
    await expectRefused(seen, seen.token);
  });

  it('an access token from a replica whose clock is 9 s ahead is accepted, and one from further ahead is refused', async () => {
    const ours = await world();
    const at = Math.floor(ours.clock.now().getTime() / 1000);
    await expectAccepted(ours, ours.signed({}, { iat: at + 9 }));
    await expectRefused(ours, ours.signed({}, { iat: at + 11 }));
    await expectRefused(ours, ours.signed({}, { nbf: at + 11 }));
  });
});

describe('access tokens under several root keys', () => {
  it('the first root key signs access tokens, and those that any configured root key signed are accepted', async () => {
    const clock = settableClock();
    const [old, next] = [newRootKey(), newRootKey()] as const;
    const before = createAccessTokens({ loginKeys: holding(old, next), issuer, clock });
    const after = createAccessTokens({ loginKeys: holding(next, old), issuer, clock });
    const [first, second] = [await before.sign(someone), await after.sign(someone)];
    for (const tokens of [before, after]) {
      expect(await tokens.verify(first.token)).toMatchObject(someone);
      expect(await tokens.verify(second.token)).toMatchObject(someone);
    }
    expect(decoded(first.token, 0)['kid']).toBe(before.jwks().keys[0]?.kid);
    expect(decoded(second.token, 0)['kid']).toBe(before.jwks().keys[1]?.kid);
  });

  it('an access token is refused if its root key is not configured', async () => {
    const ours = await world();
    const stranger = newRootKey();
    const foreign = createAccessTokens({ loginKeys: holding(stranger), issuer, clock: ours.clock });
    const { token } = await foreign.sign(someone);
    await expectRefused(ours, token);
    await expectRefused(ours, forge(ours.header, ours.payload, signer('EdDSA', privateKeyOf(stranger))));
    const both = createAccessTokens({ loginKeys: holding(ours.rootKey, stranger), issuer, clock: ours.clock });
    expect(await both.verify(token)).toMatchObject(someone);
    await expectAccepted(ours, ours.token);
  });
});

describe('a forged access token', () => {
  it.each<[string, Members, Members]>([
    ['names another issuer', {}, { iss: 'https://keyhold.test/' }],
    ['lists issuers', {}, { iss: [issuer] }],
    ['is meant for another audience', {}, { aud: 'else' }],
    ['lists audiences', {}, { aud: ['keyhold', 'else'] }],
    ['names no login', {}, { login_id: undefined }],
    ['names a login that is no id', {}, { login_id: 'x' }],
    ['names a user that is no id', {}, { sub: 'admin' }],
    ['never ends', {}, { exp: undefined }],
    ['ended', {}, { exp: 1 }],
    ['is of another type', { typ: 'JWT' }, {}],
    ['is of no type', { typ: undefined }, {}],
    ['names no key', { kid: undefined }, {}],
    ['names another key', { kid: 'x' }, {}],
    ['names another algorithm', { alg: 'Ed25519' }, {}],
    ['names where to get a key', { jku: 'https://evil.test' }, {}],
    ['is critical about something', { crit: ['x'], x: 1 }, {}],
    ['leaves its claims unencoded', { b64: false, crit: ['b64'] }, {}],
  ])('an access token is refused, although the right key signed it, when it %s', async (_what, header, payload) => {
    const ours = await world();
    await expectRefused(ours, ours.signed(header, payload));
    await expectAccepted(ours, ours.signed({}, {}));
  });

  it('an access token that brings its own key is refused', async () => {
    const ours = await world();
    const intruder = privateKeyOf(newRootKey());
    const jwk = createPublicKey(intruder).export({ format: 'jwk' });
    await expectRefused(ours, forge({ ...ours.header, jwk }, ours.payload, signer('EdDSA', intruder)));
    await expectRefused(ours, ours.signed({ jwk }));
    await expectAccepted(ours, ours.signed({}));
  });

  it('an access token with other claims, another header or no signature is refused', async () => {
    const ours = await world();
    await expectAccepted(ours, ours.token);
    const [header, payload, signature] = ours.token.split('.') as [string, string, string];
    const other = encode({ ...ours.payload, sub: randomUUID() });
    await expectRefused(ours, `${header}.${other}.${signature}`);
    await expectRefused(ours, `${encode({ ...ours.header, x: 1 })}.${payload}.${signature}`);
    await expectRefused(ours, `${header}.${payload}.`);
    await expectRefused(ours, `${header}.${payload}`);
    await expectRefused(ours, `${header}.${payload}.${'A'.repeat(86)}`);
    const flipped = signature.startsWith('A') ? 'B' : 'A';
    await expectRefused(ours, `${header}.${payload}.${flipped}${signature.slice(1)}`);
    await expectAccepted(ours, ours.token);
  });

  it('an access token with the algorithm none is refused in every spelling of it', async () => {
    const ours = await world();
    for (const alg of spellingsOfNone) {
      await expectRefused(
        ours,
        forge({ ...ours.header, alg }, ours.payload, () => ''),
      );
      await expectRefused(ours, ours.signed({ alg }));
    }
    await expectAccepted(ours, ours.token);
  });

  it('an access token is refused if its signature uses the public key as a shared secret', async () => {
    const ours = await world();
    const publicKey = createPublicKey(ours.privateKey);
    const jwk = ours.tokens.jwks().keys[0];
    const secrets = [
      publicKey.export({ format: 'pem', type: 'spki' }),
      publicKey.export({ format: 'der', type: 'spki' }),
      Buffer.from(jwk?.x ?? '', 'base64url'),
      jwk?.x ?? '',
      JSON.stringify(jwk),
      '',
    ];
    for (const secret of secrets) {
      await expectRefused(ours, forge({ ...ours.header, alg: 'HS256' }, ours.payload, macSigner(secret)));
    }
    await expectAccepted(ours, ours.token);
  });

  it('an access token in another spelling than the canonical one is refused, although its signature covers that spelling', async () => {
    const ours = await world();
    const unfilled = (members: Members) => {
      const padded = ['', '1'].map((x) => encode({ ...members, x })).find((part) => part.length % 4 !== 0);
      return padded ?? '';
    };
    const [header, payload] = [unfilled(ours.header), unfilled(ours.payload)];
    const canonical = forgeEncoded(header, payload, ours.sign);
    await expectAccepted(ours, canonical);
    for (const spelling of otherSpellings(header)) {
      await expectRefused(ours, forgeEncoded(spelling, payload, ours.sign));
    }
    for (const spelling of otherSpellings(payload)) {
      await expectRefused(ours, forgeEncoded(header, spelling, ours.sign));
    }
    for (const spelling of otherSpellings(canonical.split('.')[2] ?? '')) {
      await expectRefused(ours, `${header}.${payload}.${spelling}`);
    }
  });
});
