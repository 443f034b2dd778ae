import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExternalTokens } from '../../src/auth/external/tokens.ts';
import { readJwtForm } from '../../src/auth/jwt-form.ts';
import type { IssuerConfig } from '../../src/config/issuers.ts';
import { Redacted } from '../../src/core/redacted.ts';
import { settableClock } from '../support/clock.ts';
import { json, newIssuer, publicJwk, startIssuerHost } from '../support/external-issuer.ts';
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

const refusal = { code: 'unauthenticated', message: 'The access token is not valid. Log in again.' };
const unavailable = { code: 'unavailable', retryAfterSeconds: 2 };
const minutes = 60_000;
const start = new Date('2027-03-01T10:00:00Z');
const startSeconds = start.getTime() / 1000;

const rsa = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey;
const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const p256 = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const rsaKey = rsa(2048);

let host: Awaited<ReturnType<typeof startIssuerHost>>;
beforeAll(async () => {
  host = await startIssuerHost();
});
afterAll(() => host.stop());

type Issuer = ReturnType<typeof newIssuer>;

const secretIssuer = (secret: string | Buffer, change: Partial<IssuerConfig> = {}): Issuer =>
  newIssuer(host, [], {
    keys: { kind: 'hs256', secret: new Redacted(Buffer.from(secret)) },
    algorithms: ['HS256'],
    ...change,
  });

const verifying = (...issuers: Issuer[]) => {
  const clock = settableClock(start);
  const external = createExternalTokens({ issuers: issuers.map(({ config }) => config), clock });
  const expectAccepted = (token: string) => expect(external.verify(token)).resolves.toMatchObject({ subject: 'u1' });
  const expectRefused = (token: string) => expect(external.verify(token), token).rejects.toMatchObject(refusal);
  const expectUnavailable = (token: string) => expect(external.verify(token)).rejects.toMatchObject(unavailable);
  return { clock, external, expectAccepted, expectRefused, expectUnavailable };
};

const claimsOf = ({ config }: Issuer, change: Members = {}): Members => ({
  iss: config.issuer,
  sub: 'u1',
  aud: config.audience,
  iat: startSeconds,
  exp: startSeconds + 3600,
  ...change,
});

/** One issuer with one key `k1`, and the means to sign with it. */
const world = (alg = 'EdDSA', key = ed25519(), change: Partial<IssuerConfig> = {}) => {
  const issuer = newIssuer(host, [publicJwk(key, { kid: 'k1' })], change);
  const sign = signer(alg, key);
  const token = (claims: Members = {}, header: Members = {}) =>
    forge({ alg, kid: 'k1', ...header }, claimsOf(issuer, claims), sign);
  return { ...verifying(issuer), issuer, key, sign, token };
};

describe('a token of an external issuer', () => {
  it('an external token names its user', async () => {
    const { external, token, issuer } = world();
    const claims = { preferred_username: 'ann', email: 'a@b.test', name: 'Ann', sid: 'chat-1', act: { sub: 'bot' } };
    expect(await external.verify(token(claims))).toEqual({
      issuer: issuer.config,
      subject: 'u1',
      username: 'ann',
      email: 'a@b.test',
      displayName: 'Ann',
      sessionName: 'chat-1',
      agent: 'bot',
      issuedAt: new Date('2027-03-01T10:00:00Z'),
      expiresAt: new Date('2027-03-01T11:00:00Z'),
    });
  });

  it('an external token needs nothing but issuer, subject, audience and end', async () => {
    const { external, token } = world();
    const nobody = { username: null, email: null, displayName: null, sessionName: null, agent: null };
    expect(await external.verify(token({ iat: undefined }))).toMatchObject(nobody);
    expect(await external.verify(token({ email: null, name: null, preferred_username: '' }))).toMatchObject(nobody);
  });

  it('username and session are read from the claims that are configured for the issuer', async () => {
    const { external, token } = world('EdDSA', ed25519(), { usernameClaim: 'https://x/name', sessionClaim: 'chat' });
    const claims = { 'https://x/name': 'ann', preferred_username: 'bob', chat: 'c1', sid: 7 };
    expect(await external.verify(token(claims))).toMatchObject({ username: 'ann', sessionName: 'c1' });
  });

  it('no session is read where the issuer uses that claim for something else', async () => {
    const { external, token } = world('EdDSA', ed25519(), { sessionClaim: null });
    expect(await external.verify(token({ sid: 'sso-session' }))).toMatchObject({ sessionName: null });
  });

  it.each<[string, Members]>([
    ['session that is no string', { sid: 7 }],
    ['session that is null', { sid: null }],
    ['list of sessions', { sid: ['chat-1'] }],
    ['session without a name', { sid: '' }],
    ['session with NUL', { sid: 'a\0' }],
    ['username that is no string', { preferred_username: { a: 1 } }],
    ['email that is no string', { email: 7 }],
    ['name with half a character', { name: '\ud83d' }],
    ['agent that is no object', { act: 'bot' }],
    ['agent that is null', { act: null }],
    ['agent without a name', { act: {} }],
    ['agent whose name is no string', { act: { sub: 7 } }],
  ])('an external token is refused with a %s', async (_what, claims) => {
    const { token, expectAccepted, expectRefused } = world();
    await expectRefused(token(claims));
    await expectAccepted(token({ sid: 's', preferred_username: 'ann', email: 'e', name: 'n', act: { sub: 'bot' } }));
  });

  it.each<[string, () => KeyObject]>([
    ['RS256', () => rsaKey],
    ['RS384', () => rsaKey],
    ['RS512', () => rsaKey],
    ['PS256', () => rsaKey],
    ['PS384', () => rsaKey],
    ['PS512', () => rsaKey],
    ['ES256', p256],
    ['ES384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
    ['ES512', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey],
    ['EdDSA', ed25519],
  ])('an external token may be signed with %s', async (alg, newKey) => {
    const { token, expectAccepted, expectRefused } = world(alg, newKey(), { algorithms: [alg] });
    await expectAccepted(token());
    await expectRefused(`${token().split('.', 2).join('.')}.${token({ sub: 'u2' }).split('.')[2]}`);
  });

  it('an external token may be signed with a shared secret', async () => {
    const issuer = secretIssuer('a secret of at least 32 bytes, in UTF-8: é');
    const { expectAccepted, expectRefused } = verifying(issuer);
    const sign = macSigner('a secret of at least 32 bytes, in UTF-8: é');
    await expectAccepted(forge({ alg: 'HS256' }, claimsOf(issuer), sign));
    await expectRefused(forge({ alg: 'HS256' }, claimsOf(issuer), macSigner('another secret')));
    await expectRefused(forge({ alg: 'HS512' }, claimsOf(issuer), sign));
  });

  it('an external token is recognised by its issuer', async () => {
    const { external, token } = world();
    const isExternal = (text: string) => {
      const form = readJwtForm(text);
      return form !== null && external.isExternal(form);
    };
    expect(isExternal(token())).toBe(true);
    expect(isExternal(token({ iss: 'https://keyhold.test' }))).toBe(false);
  });
});

describe('the times of an external token', () => {
  it('an external token ends at its exp without leeway, even if it was accepted before', async () => {
    const { clock, token, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    clock.set(new Date('2027-03-01T10:59:59.999Z'));
    await expectAccepted(token());
    clock.set(new Date('2027-03-01T11:00:00.000Z'));
    await expectRefused(token());
    await expectAccepted(token({ exp: startSeconds + 7200 }));
  });

  it.each(['nbf', 'iat'])('the claim %s of an external token may be 5 s ahead and no more', async (claim) => {
    const { clock, token, expectAccepted, expectRefused } = world();
    await expectAccepted(token({ [claim]: startSeconds + 5 }));
    await expectRefused(token({ [claim]: startSeconds + 6 }));
    clock.advance(1000);
    await expectAccepted(token({ [claim]: startSeconds + 6 }));
  });
});

describe('an external token that is meant for another service', () => {
  it.each<[string, Members]>([
    ['another audience', { aud: 'else' }],
    ['an audience in another case', { aud: 'Keyhold' }],
    ['audiences without ours', { aud: ['else', 'keyhold2'] }],
    ['no audience', { aud: undefined }],
    ['an empty list of audiences', { aud: [] }],
    ['an unknown issuer', { iss: 'https://unknown.test' }],
    ['no issuer', { iss: undefined }],
    ['no end', { exp: undefined }],
  ])('an external token is refused with %s', async (_what, claims) => {
    const { token, expectAccepted, expectRefused } = world();
    await expectRefused(token(claims));
    await expectAccepted(token({ aud: ['else', 'keyhold'] }));
  });

  it('an external token is refused if its issuer differs from the configured one in spelling only', async () => {
    const { token, issuer, expectAccepted, expectRefused } = world();
    const { issuer: name } = issuer.config;
    for (const iss of [`${name}/`, name.toUpperCase(), ` ${name}`, [name], { 0: name }])
      await expectRefused(token({ iss }));
    await expectAccepted(token({ iss: name }));
  });
});

describe('a forged external token', () => {
  it('an external token with the algorithm none is refused in every spelling of it, signed or not', async () => {
    const { token, issuer, expectAccepted, expectRefused } = world();
    for (const alg of spellingsOfNone) {
      await expectRefused(forge({ alg, kid: 'k1' }, claimsOf(issuer), () => ''));
      await expectRefused(token({}, { alg }));
    }
    await expectAccepted(token());
  });

  it.each<[string, () => KeyObject]>([
    ['RS256', () => rsaKey],
    ['EdDSA', ed25519],
    ['ES256', p256],
  ])(
    'an external token is refused if its signature uses the public key for %s as a shared secret',
    async (alg, newKey) => {
      const { token, key, issuer, expectAccepted, expectRefused } = world(alg, newKey());
      const publicKey = createPublicKey(key.export({ format: 'pem', type: 'pkcs8' }) as string);
      const jwk = publicJwk(key, { kid: 'k1' });
      const secrets = [
        publicKey.export({ format: 'pem', type: 'spki' }),
        publicKey.export({ format: 'pem', type: 'spki' }).toString().trim(),
        publicKey.export({ format: 'der', type: 'spki' }),
        JSON.stringify(jwk),
        JSON.stringify({ keys: [jwk] }),
        Buffer.from(String(jwk['x'] ?? jwk['n']), 'base64url'),
        '',
      ];
      for (const secret of secrets) {
        await expectRefused(forge({ alg: 'HS256', kid: 'k1' }, claimsOf(issuer), macSigner(secret)));
      }
      await expectAccepted(token());
    },
  );

  it('an external token with RS256 is refused at an issuer with a shared secret, and one with HS256 at an issuer that publishes keys of type oct', async () => {
    const secret = 'a secret of at least 32 bytes, known to both';
    const issuer = secretIssuer(secret);
    const bySecret = verifying(issuer);
    await bySecret.expectRefused(forge({ alg: 'RS256' }, claimsOf(issuer), signer('RS256', rsaKey)));
    await bySecret.expectAccepted(forge({ alg: 'HS256' }, claimsOf(issuer), macSigner(secret)));

    const { token, issuer: publisher, key, expectAccepted, expectRefused } = world();
    const oct = { kty: 'oct', k: encode(secret), kid: 'k2' };
    publisher.publish([publicJwk(key, { kid: 'k1' }), oct, { ...oct, kid: 'k3', alg: 'HS256', use: 'sig' }]);
    for (const kid of ['k2', 'k3']) {
      await expectRefused(forge({ alg: 'HS256', kid }, claimsOf(publisher), macSigner(secret)));
    }
    await expectAccepted(token());
  });

  it('an external token is refused with an algorithm that is not configured for its issuer, although the key could verify it', async () => {
    const issuer = newIssuer(host, [publicJwk(rsaKey, { kid: 'k1' })], { algorithms: ['RS256'] });
    const { expectAccepted, expectRefused } = verifying(issuer);
    const signedWith = (alg: string) => forge({ alg, kid: 'k1' }, claimsOf(issuer), signer(alg, rsaKey));
    await expectRefused(signedWith('PS256'));
    await expectRefused(signedWith('RS512'));
    await expectRefused(forge({ alg: 'rs256', kid: 'k1' }, claimsOf(issuer), signer('RS256', rsaKey)));
    await expectAccepted(signedWith('RS256'));
  });

  it.each<[string, unknown]>([
    ['jku', 'https://evil.test/jwks'],
    ['x5u', 'https://evil.test/cert'],
    ['x5c', ['MIIB']],
    ['jwk', {}],
    ['crit', ['exp']],
    ['crit', []],
    ['b64', false],
    ['b64', true],
  ])(
    'an external token with the header %s = %j is refused, signed by the right key or by its own',
    async (name, value) => {
      const { token, issuer, expectAccepted, expectRefused } = world();
      const intruder = ed25519();
      await expectRefused(token({}, { [name]: value }));
      await expectRefused(token({}, { [name]: value, crit: [name] }));
      const header = { alg: 'EdDSA', kid: 'k1', [name]: name === 'jwk' ? publicJwk(intruder) : value };
      await expectRefused(forge(header, claimsOf(issuer), signer('EdDSA', intruder)));
      await expectAccepted(token({}, { typ: 'JWT' }));
    },
  );

  it('no address in an external token is ever fetched', async () => {
    const { token, expectRefused } = world();
    for (const header of ['jku', 'x5u']) await expectRefused(token({}, { [header]: `${host.origin}/trap` }));
    expect(host.requestsTo('/trap')).toBe(0);
  });

  it('an external token with other claims or no signature is refused, even after the genuine one was accepted', async () => {
    const { token, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    const [header, payload, signature] = token().split('.') as [string, string, string];
    const other = token({ sub: 'u2' }).split('.')[1];
    await expectRefused(`${header}.${other}.${signature}`);
    await expectRefused(`${header}.${payload}.`);
    await expectRefused(`${header}.${payload}`);
    await expectRefused(`${header}.${payload}.${'A'.repeat(86)}`);
    await expectAccepted(token());
  });

  it('an external token in another spelling than the canonical one is refused, although its signature covers that spelling', async () => {
    const { sign, issuer, expectAccepted, expectRefused } = world();
    const unfilled = (members: Members) =>
      ['', '1'].map((x) => encode({ ...members, x })).find((part) => part.length % 4 !== 0) ?? '';
    const [header, payload] = [unfilled({ alg: 'EdDSA', kid: 'k1' }), unfilled(claimsOf(issuer))];
    const canonical = forgeEncoded(header, payload, sign);
    await expectAccepted(canonical);
    for (const spelling of otherSpellings(header)) await expectRefused(forgeEncoded(spelling, payload, sign));
    for (const spelling of otherSpellings(payload)) await expectRefused(forgeEncoded(header, spelling, sign));
    for (const spelling of otherSpellings(canonical.split('.')[2] ?? ''))
      await expectRefused(`${header}.${payload}.${spelling}`);
  });
});

describe('published keys that verify nothing', () => {
  /** A token is refused under this item of the JWK Set, and accepted under a usable key in its place. */
  const expectUseless = async (alg: string, key: KeyObject, item: Members, usableKey = key, usable: Members = {}) => {
    const issuer = newIssuer(host, [item]);
    const refusing = verifying(issuer);
    await refusing.expectRefused(forge({ alg, kid: 'k1' }, claimsOf(issuer), signer(alg, key)));
    issuer.publish([publicJwk(usableKey, { kid: 'k1', ...usable })]);
    const { expectAccepted } = verifying(issuer);
    await expectAccepted(forge({ alg, kid: 'k1' }, claimsOf(issuer), signer(alg, usableKey)));
  };

  it('an RSA key of 1024 bits verifies nothing', async () => {
    const weak = rsa(1024);
    await expectUseless('RS256', weak, publicJwk(weak, { kid: 'k1' }), rsaKey);
  });

  it('an RSA key of 2047 bits verifies nothing, and one of 2048 bits does', async () => {
    const weak = rsa(2047);
    await expectUseless('RS256', weak, publicJwk(weak, { kid: 'k1' }), rsaKey);
  });

  it('an RSA key of 1024 bits verifies nothing, although leading zeros make it look longer', async () => {
    const weak = rsa(1024);
    const n = Buffer.from(String(publicJwk(weak)['n']), 'base64url');
    const longer = Buffer.concat([Buffer.alloc(128), n]).toString('base64url');
    await expectUseless('RS256', weak, publicJwk(weak, { kid: 'k1', n: longer }), rsaKey);
  });

  it.each([3, 65_539])('an RSA key with the exponent %i verifies nothing', async (exponent) => {
    const weak = rsa(2048, exponent);
    await expectUseless('RS256', weak, publicJwk(weak, { kid: 'k1' }), rsaKey);
  });

  it.each<[string, Members, Members]>([
    ['are for encryption', { use: 'enc' }, { use: 'sig' }],
    ['have a use that is not known', { use: 'tls' }, {}],
    ['may do other things than verify', { key_ops: ['sign'] }, { key_ops: ['verify'] }],
    ['may do nothing', { key_ops: [] }, {}],
    ['are for another algorithm', { alg: 'ES256' }, { alg: 'EdDSA' }],
    ['name their algorithm in another case', { alg: 'eddsa' }, {}],
    ['name no string as their algorithm', { alg: ['EdDSA'] }, {}],
    ['are empty', { x: '' }, {}],
    ['are all zeros', { x: Buffer.alloc(32).toString('base64url') }, {}],
    ['are too short', { x: 'AQAB' }, {}],
    ['lack their content', { x: undefined }, {}],
    ['are of no type', { kty: undefined }, {}],
    ['are of another type', { kty: 'RSA' }, {}],
    ['are on no known curve', { crv: 'constructor' }, {}],
    ['are private', { d: 'AQAB' }, {}],
    ['name no string as their id', { kid: 1 }, {}],
    ['bear another id', { kid: 'k2' }, {}],
    ['bear no id', { kid: undefined }, {}],
  ])('published keys verify nothing if they %s', async (_what, item, usable) => {
    const key = ed25519();
    await expectUseless('EdDSA', key, publicJwk(key, { kid: 'k1', ...item }), key, usable);
  });

  it('a key verifies nothing if its point is not on the curve', async () => {
    const key = p256();
    const { x, y } = publicJwk(key);
    await expectUseless('ES256', key, publicJwk(key, { kid: 'k1', x: y, y: x }), key);
  });

  it.each([0, 1])(
    'an Ed25519 key of small order (y = %i), under which anyone could sign, verifies nothing',
    async (y) => {
      const { token, issuer, key } = world();
      const x = Buffer.alloc(32).fill(y, 0, 1).toString('base64url');
      issuer.publish([publicJwk(key, { kid: 'k1', x })]);
      const { expectRefused } = verifying(issuer);
      // S = 0 and R = the neutral point satisfy RFC 8032's equation for every message, or one in four (order 4).
      const neutral = () => Buffer.alloc(64).fill(1, 0, 1).toString('base64url');
      for (let n = 0; n < 40; n += 1) {
        await expectRefused(forge({ alg: 'EdDSA', kid: 'k1' }, claimsOf(issuer, { n }), neutral));
      }
      issuer.publish([publicJwk(key, { kid: 'k1' })]);
      await verifying(issuer).expectAccepted(token());
    },
  );

  it('an unusable key does not count as a second one where a token names no kid', async () => {
    const { token, issuer, key } = world('RS256', rsaKey);
    const weak = [
      publicJwk(rsa(1024)),
      publicJwk(rsa(2048, 3)),
      publicJwk(rsaKey, { use: 'enc' }),
      { kty: 'oct', k: 'AA' },
    ];
    issuer.publish([...weak, publicJwk(key)]);
    await verifying(issuer).expectAccepted(token({}, { kid: undefined }));
    issuer.publish([...weak, publicJwk(key), publicJwk(rsa(2048))]);
    await verifying(issuer).expectRefused(token({}, { kid: undefined }));
  });

  it('an empty set of keys verifies nothing, nor do items that are not keys', async () => {
    const { issuer, key, token } = world();
    for (const keys of [[], [null, 7, 'x', [], {}]]) {
      issuer.publish(keys);
      await verifying(issuer).expectRefused(token());
      issuer.publish([...keys, publicJwk(key, { kid: 'k1' })]);
      await verifying(issuer).expectAccepted(token());
    }
  });

  it('an empty shared secret verifies nothing', async () => {
    const [empty, sound] = [secretIssuer(''), secretIssuer('s'.repeat(32))];
    const { expectAccepted, expectRefused } = verifying(empty, sound);
    await expectRefused(forge({ alg: 'HS256' }, claimsOf(empty), macSigner('')));
    await expectAccepted(forge({ alg: 'HS256' }, claimsOf(sound), macSigner('s'.repeat(32))));
  });
});

describe('the key of an external token', () => {
  it('an external token without kid is accepted if only one key fits its algorithm', async () => {
    const { token, issuer, key, expectAccepted } = world();
    await expectAccepted(token({}, { kid: undefined }));
    issuer.publish([publicJwk(key), publicJwk(rsaKey, { kid: 'k2' })]);
    await verifying(issuer).expectAccepted(token({}, { kid: undefined }));
  });

  it('an external token without kid is refused if several keys fit, whichever of them signed it', async () => {
    const { token, issuer, key } = world();
    issuer.publish([publicJwk(key, { kid: 'k1' }), publicJwk(ed25519(), { kid: 'k2' })]);
    const { expectAccepted, expectRefused } = verifying(issuer);
    await expectRefused(token({}, { kid: undefined }));
    await expectAccepted(token());
  });

  it('an external token is refused if its kid names two keys', async () => {
    const { token, issuer, key } = world();
    issuer.publish([publicJwk(key, { kid: 'k1' }), publicJwk(ed25519(), { kid: 'k1' })]);
    const { clock, expectAccepted, expectRefused } = verifying(issuer);
    await expectRefused(token());
    issuer.publish([publicJwk(key, { kid: 'k1' }), publicJwk(rsaKey, { kid: 'k1' })]);
    clock.advance(10_000);
    await expectAccepted(token());
  });

  it('the keys of two issuers with the same kid are never confused, even once both were used', async () => {
    const [a, b] = [world(), world()];
    const { expectAccepted, expectRefused } = verifying(a.issuer, b.issuer);
    const refuseBoth = async () => {
      await expectRefused(b.token({ iss: a.issuer.config.issuer }));
      await expectRefused(a.token({ iss: b.issuer.config.issuer }));
    };
    await refuseBoth();
    await expectAccepted(a.token());
    await expectAccepted(b.token());
    await refuseBoth();
  });

  it('an issuer’s token is refused with the audience of another issuer', async () => {
    const [a, b] = [world('EdDSA', ed25519(), { audience: 'for-a' }), world('EdDSA', ed25519(), { audience: 'for-b' })];
    const { expectAccepted, expectRefused } = verifying(a.issuer, b.issuer);
    await expectRefused(a.token({ aud: 'for-b' }));
    await expectAccepted(a.token({ aud: 'for-a' }));
  });

  it('an external token is refused with the kid and signature of another issuer’s key', async () => {
    const [a, b] = [world(), world()];
    b.issuer.publish([publicJwk(b.key, { kid: 'of-b' })]);
    const { expectAccepted, expectRefused } = verifying(a.issuer, b.issuer);
    await expectAccepted(b.token({}, { kid: 'of-b' }));
    await expectRefused(b.token({ iss: a.issuer.config.issuer }, { kid: 'of-b' }));
    await expectRefused(a.token({}, { kid: 'of-b' }));
    await expectAccepted(a.token());
  });
});

describe('when an issuer changes its keys', () => {
  it('an external token of a new key is accepted at once', async () => {
    const { token, issuer, key, expectAccepted } = world();
    await expectAccepted(token());
    const next = ed25519();
    issuer.publish([publicJwk(key, { kid: 'k1' }), publicJwk(next, { kid: 'k2' })]);
    await expectAccepted(forge({ alg: 'EdDSA', kid: 'k2' }, claimsOf(issuer), signer('EdDSA', next)));
    await expectAccepted(token());
  });

  it('an external token without kid is accepted at once if a new key replaced the only one, and the old key is refused from then on', async () => {
    const { token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token({}, { kid: undefined }));
    const next = ed25519();
    issuer.publish([publicJwk(next, { kid: 'k2' })]);
    await expectAccepted(forge({ alg: 'EdDSA' }, claimsOf(issuer), signer('EdDSA', next)));
    await expectRefused(token({}, { kid: undefined }));
  });

  it('an external token of a removed key is refused after 5 minutes at the latest, even if it was accepted before', async () => {
    const { clock, token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    const next = ed25519();
    issuer.publish([publicJwk(next, { kid: 'k2' })]);
    clock.advance(5 * minutes - 1);
    await expectAccepted(token());
    clock.advance(1);
    await expectRefused(token());
    await expectAccepted(forge({ alg: 'EdDSA', kid: 'k2' }, claimsOf(issuer), signer('EdDSA', next)));
  });

  it('an external token of a removed key is refused as soon as the new keys were fetched for another reason', async () => {
    const { token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    const next = ed25519();
    issuer.publish([publicJwk(next, { kid: 'k2' })]);
    await expectAccepted(forge({ alg: 'EdDSA', kid: 'k2' }, claimsOf(issuer), signer('EdDSA', next)));
    await expectRefused(token());
  });

  it('an external token that was accepted is refused once another key has its kid', async () => {
    const { clock, token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    const next = ed25519();
    issuer.publish([publicJwk(next, { kid: 'k1' })]);
    clock.advance(5 * minutes);
    await expectRefused(token());
    await expectAccepted(forge({ alg: 'EdDSA', kid: 'k1' }, claimsOf(issuer), signer('EdDSA', next)));
  });

  it('a removed key is not accepted again when the clock is set back', async () => {
    const { clock, token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    issuer.publish([publicJwk(ed25519(), { kid: 'k2' })]);
    clock.advance(5 * minutes);
    await expectRefused(token());
    clock.set(start);
    await expectRefused(token());
    issuer.publish([publicJwk(ed25519(), { kid: 'k3' })]);
    clock.advance(-1);
    const requests = issuer.requests();
    await expectRefused(token());
    expect(issuer.requests()).toBeGreaterThan(requests);
  });
});

describe('how often keys are fetched', () => {
  it('keys are fetched once for many tokens that come together or within 5 minutes', async () => {
    const { clock, token, issuer, expectAccepted } = world();
    await Promise.all(Array.from({ length: 20 }, (_, at) => expectAccepted(token({ n: at }))));
    clock.advance(5 * minutes - 1);
    await expectAccepted(token());
    expect(issuer.requests()).toBe(1);
    clock.advance(1);
    await expectAccepted(token());
    expect(issuer.requests()).toBe(2);
  });

  it('keys are fetched once in 10 seconds for tokens with made-up key ids, and valid tokens are accepted meanwhile', async () => {
    const { clock, token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    const garbage = Array.from({ length: 30 }, (_, at) => token({}, { kid: `invented-${at}` }));
    await Promise.all(garbage.map(expectRefused));
    for (const forged of garbage) await expectRefused(forged);
    await expectAccepted(token());
    expect(issuer.requests()).toBe(2);
    clock.advance(10_000);
    for (const forged of garbage) await expectRefused(forged);
    expect(issuer.requests()).toBe(3);
  });

  it('keys are never fetched for tokens that cannot be valid', async () => {
    const { token, issuer, expectAccepted, expectRefused } = world();
    const bad = [{ aud: 'else' }, { exp: 1 }, { nbf: startSeconds + 60 }].map((claims) => token(claims));
    for (const forged of [...bad, token({}, { alg: 'none' }), token({}, { jku: 'x' })]) await expectRefused(forged);
    expect(issuer.requests()).toBe(0);
    await expectAccepted(token());
  });

  it('keys are fetched once for tokens that a known key did not sign', async () => {
    const { token, issuer, expectAccepted, expectRefused } = world();
    await expectAccepted(token());
    const intruder = signer('EdDSA', ed25519());
    await expectRefused(forge({ alg: 'EdDSA', kid: 'k1' }, claimsOf(issuer), intruder));
    expect(issuer.requests()).toBe(1);
  });
});

describe('when an issuer cannot be reached', () => {
  it('known keys of an issuer that cannot be reached are used for 5 minutes, and then its users are told to try again', async () => {
    const { clock, token, issuer, key, expectAccepted, expectRefused, expectUnavailable } = world();
    await expectAccepted(token());
    issuer.answer((response) => response.destroy());
    clock.advance(5 * minutes - 1);
    await expectAccepted(token());
    clock.advance(1);
    await expectUnavailable(token());
    await expectRefused(token({ aud: 'else' }));
    issuer.publish([publicJwk(key, { kid: 'k1' })]);
    await expectUnavailable(token());
    clock.advance(2000);
    await expectAccepted(token());
  });

  it('a token of an unknown key is answered 503 while its issuer cannot be reached, and known keys are used on', async () => {
    const { clock, token, issuer, key, expectAccepted, expectUnavailable } = world();
    await expectAccepted(token());
    issuer.answer((response) => response.writeHead(500).end());
    const next = ed25519();
    const later = forge({ alg: 'EdDSA', kid: 'k2' }, claimsOf(issuer), signer('EdDSA', next));
    await expectUnavailable(later);
    await expectAccepted(token());
    issuer.publish([publicJwk(key, { kid: 'k1' }), publicJwk(next, { kid: 'k2' })]);
    clock.advance(2000);
    await expectAccepted(later);
  });

  it('an issuer that could not be reached is not asked again for 2 seconds', async () => {
    const { token, issuer, expectUnavailable } = world();
    issuer.answer((response) => response.writeHead(500).end());
    await Promise.all([expectUnavailable(token()), expectUnavailable(token())]);
    await expectUnavailable(token());
    expect(issuer.requests()).toBe(1);
  });

  it('users of an issuer are told to try again if nothing listens there or its answer never ends', {
    timeout: 10_000,
  }, async () => {
    const silent = world();
    silent.issuer.answer((response) => response.writeHead(200).write('{"keys":'));
    const absent = world('EdDSA', ed25519(), { keys: { kind: 'jwks', url: 'http://127.0.0.1:1/jwks' } });
    const before = Date.now();
    await Promise.all([silent.expectUnavailable(silent.token()), absent.expectUnavailable(absent.token())]);
    expect(Date.now() - before).toBeLessThan(6000);
  });

  it.each<[string, (keys: readonly unknown[]) => unknown]>([
    ['no object', (keys) => keys],
    ['no list', (keys) => ({ keys: { ...keys } })],
    ['nothing of the kind', () => ({})],
    ['more than 100 keys', (keys) => ({ keys: [...keys, ...Array(100).fill({})] })],
    ['more than 256 KiB', (keys) => ({ keys, padding: 'x'.repeat(256 * 1024) })],
  ])('users of an issuer are told to try again if its answer is %s', async (_what, answer) => {
    const { clock, token, issuer, key, expectAccepted, expectUnavailable } = world();
    const jwk = publicJwk(key, { kid: 'k1' });
    issuer.answer(json(answer([jwk])));
    await expectUnavailable(token());
    clock.advance(2000);
    issuer.answer(json({ keys: [jwk, ...Array(99).fill({})], padding: 'x'.repeat(200 * 1024) }));
    await expectAccepted(token());
  });

  it.each([301, 302, 303, 307, 308])('a redirect of an issuer with %i is not followed', async (status) => {
    const { clock, token, issuer, key, expectAccepted, expectUnavailable } = world();
    const target = `/moved-by-${status}`;
    host.answers.set(target, json({ keys: [publicJwk(key, { kid: 'k1' })] }));
    issuer.answer((response) => response.writeHead(status, { location: host.origin + target }).end());
    await expectUnavailable(token());
    expect(host.requestsTo(target)).toBe(0);
    issuer.publish([publicJwk(key, { kid: 'k1' })]);
    clock.advance(2000);
    await expectAccepted(token());
  });
});

describe('an issuer that is discovered', () => {
  let made = 0;
  const discovered = () => {
    made += 1;
    const path = `/${made}/.well-known/openid-configuration`;
    const created = world('EdDSA', ed25519(), { keys: { kind: 'discovery', url: host.origin + path } });
    const document = { issuer: created.issuer.config.issuer, jwks_uri: host.origin + created.issuer.path };
    const describeAs = (change: Members) => host.answers.set(path, json({ ...document, ...change }));
    describeAs({});
    return { ...created, path, describeAs };
  };

  it('the keys of a discovered issuer are fetched from the address in its document', async () => {
    const { token, issuer, expectAccepted } = discovered();
    await expectAccepted(token());
    expect(issuer.requests()).toBe(1);
  });

  it.each<[string, (own: string) => Members]>([
    ['is of another issuer', () => ({ issuer: 'https://else.test' })],
    ['is of an issuer that is written otherwise', (own) => ({ issuer: `${own}/` })],
    ['names a list of issuers', (own) => ({ issuer: [own] })],
    ['names no issuer', () => ({ issuer: undefined })],
    ['names no keys', () => ({ jwks_uri: undefined })],
    ['names keys without an address', () => ({ jwks_uri: 'jwks' })],
    ['names keys in a file', () => ({ jwks_uri: 'file:///etc/passwd' })],
    ['names keys in itself', () => ({ jwks_uri: 'data:application/json,{"keys":[]}' })],
  ])('a discovered issuer is not trusted if its document %s', async (_what, change) => {
    const { clock, token, issuer, describeAs, expectAccepted, expectUnavailable } = discovered();
    describeAs(change(issuer.config.issuer));
    await expectUnavailable(token());
    expect(issuer.requests()).toBe(0);
    describeAs({});
    clock.advance(2000);
    await expectAccepted(token());
  });

  it('a discovered issuer is not trusted if its document or its keys are redirected', async () => {
    const { clock, token, issuer, path, key, describeAs, expectAccepted, expectUnavailable } = discovered();
    const elsewhere = `/${issuer.path}-elsewhere`;
    host.answers.set(elsewhere, json({ keys: [publicJwk(key, { kid: 'k1' })] }));
    issuer.answer((response) => response.writeHead(302, { location: host.origin + elsewhere }).end());
    await expectUnavailable(token());
    issuer.publish([publicJwk(key, { kid: 'k1' })]);
    host.answers.set(path, (response) => response.writeHead(302, { location: `${host.origin}${path}2` }).end());
    host.answers.set(`${path}2`, json({ issuer: issuer.config.issuer, jwks_uri: host.origin + issuer.path }));
    clock.advance(2000);
    await expectUnavailable(token());
    describeAs({});
    clock.advance(2000);
    await expectAccepted(token());
  });
});
