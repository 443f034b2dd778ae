import { createPrivateKey, createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { type JWK, SignJWT } from 'jose';
import { invalidCredential } from '../access/index.ts';
import type { Clock } from '../core/clock.ts';
import { isUuid, type LoginId, toId, type UserId } from '../core/ids.ts';
import type { HeldKeys, LoginKey } from '../keys/index.ts';
import { type JwtForm, readJwtForm } from './jwt-form.ts';
import { expiryOf, isValidAt } from './validity.ts';
import { createVerifiedSignatures, thumbprint } from './verified-signatures.ts';

interface Deps {
  /** The keys of the root keys as they are now. */
  readonly loginKeys: () => Pick<HeldKeys, 'loginKeys' | 'signing'>;
  /** The `iss` of our own tokens. No external issuer may have it. */
  readonly issuer: string;
  readonly clock: Clock;
}

export interface AccessTokenSubject {
  readonly userId: UserId;
  readonly loginId: LoginId;
}

const algorithm = 'EdDSA';
const audience = 'keyhold';
const type = 'at+jwt';
const lifetimeSeconds = 15 * 60;
/** Each of two replicas may differ from the database's clock by 5 s, in opposite directions. */
const leewaySeconds = 10;

/**
 * The access tokens of a login: JWTs (RFC 9068) signed with EdDSA (RFC 8037) and valid for 15 minutes. The key of one root key
 * signs, and those of all verify. A token proves who logged in and until when it is valid, not that the login or the user is
 * still active: the caller looks both up.
 */
export const createAccessTokens = ({ loginKeys, issuer, clock }: Deps) => {
  const signatures = createVerifiedSignatures();

  const current = (): readonly SigningKey[] => loginKeys().loginKeys.map(signingKeyOf);

  /** Signs a new token. `expiresInSeconds` counts from now. */
  const sign = async ({
    userId,
    loginId,
  }: AccessTokenSubject): Promise<{ token: string; expiresInSeconds: number }> => {
    const signer = signingKeyOf(loginKeys().signing);
    const issuedAt = Math.floor(clock.now().getTime() / 1000);
    const token = await new SignJWT({ login_id: loginId })
      .setProtectedHeader({ alg: algorithm, typ: type, kid: signer.identity })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(userId)
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + lifetimeSeconds)
      .sign(signer.privateKey);
    return { token, expiresInSeconds: lifetimeSeconds };
  };

  /** The login that the token was made for. Throws the same `unauthenticated` for every token that is not valid. */
  const verify = async (token: string): Promise<AccessTokenSubject & { expiresAt: Date }> => {
    const form = readJwtForm(token);
    const subject = form && subjectOf(form, issuer);
    const key = form && current().find(({ identity }) => identity === form.header.kid);
    if (!form || !subject || !key || !isValidAt(form.payload, clock.now(), leewaySeconds)) throw invalidCredential();
    if (!(await signatures.verify(token, algorithm, key))) throw invalidCredential();
    return { ...subject, expiresAt: expiryOf(form.payload) };
  };

  /** The public halves of the keys of all root keys in use, as a JWK Set (RFC 7517). */
  const jwks = (): { keys: JWK[] } => ({ keys: current().map(({ jwk }) => ({ ...jwk })) });

  return { sign, verify, jwks };
};

export type AccessTokens = ReturnType<typeof createAccessTokens>;

const subjectOf = ({ header, payload }: JwtForm, issuer: string): AccessTokenSubject | null => {
  if (header.alg !== algorithm || header.typ !== type) return null;
  if (payload.iss !== issuer || payload.aud !== audience) return null;
  const loginId = payload['login_id'];
  if (typeof loginId !== 'string' || !isUuid(loginId) || !isUuid(payload.sub)) return null;
  return { userId: toId(payload.sub), loginId: toId(loginId) };
};

/** The bytes before the 32 bytes of an Ed25519 seed in a PKCS #8 private key (RFC 8410). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

interface SigningKey {
  readonly identity: string;
  readonly privateKey: KeyObject;
  readonly key: KeyObject;
  readonly jwk: JWK;
}

const signingKeys = new WeakMap<LoginKey, SigningKey>();

const signingKeyOf = (loginKey: LoginKey): SigningKey => {
  const made = signingKeys.get(loginKey) ?? makeSigningKey(loginKey);
  signingKeys.set(loginKey, made);
  return made;
};

const makeSigningKey = ({ jwtSeed }: LoginKey): SigningKey => {
  const der = Buffer.concat([pkcs8Prefix, jwtSeed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const key = createPublicKey(privateKey);
  const { x } = key.export({ format: 'jwk' }) as { x: string };
  const members = { crv: 'Ed25519', kty: 'OKP', x };
  const identity = thumbprint(members);
  return { identity, privateKey, key, jwk: { ...members, kid: identity, alg: algorithm, use: 'sig' } };
};
