import { invalidCredential } from '../../access/index.ts';
import type { IssuerConfig } from '../../config/issuers.ts';
import type { Clock } from '../../core/clock.ts';
import { type JwtForm, type JwtHeader, readJwtForm } from '../jwt-form.ts';
import { isValidAt } from '../validity.ts';
import { createVerifiedSignatures, type IdentifiedKey } from '../verified-signatures.ts';
import { type ExternalIdentity, readExternalIdentity } from './identity.ts';
import { fetchKeys } from './jwks-fetch.ts';
import { createJwksSource, type JwksSource } from './jwks-source.ts';
import { chooseKey } from './published-key.ts';

interface Deps {
  readonly issuers: readonly IssuerConfig[];
  readonly clock: Clock;
}

/** Verifies the token's signature under one key. */
type VerifyUnder = (key: IdentifiedKey) => Promise<boolean>;
/** Verifies the signature under the one key of an issuer that fits a token with this header. */
type VerifyByIssuer = (header: JwtHeader, verifyUnder: VerifyUnder) => Promise<boolean>;

interface Issuer {
  readonly config: IssuerConfig;
  readonly verifyByIssuer: VerifyByIssuer;
}

const leewaySeconds = 5;

/**
 * The tokens of the configured external issuers. Each is verified by the keys of the issuer that it names and by no others.
 * No keys are fetched before the first token arrives.
 */
export const createExternalTokens = ({ issuers, clock }: Deps) => {
  const known = new Map(
    issuers.map((config) => [config.issuer, { config, verifyByIssuer: createVerifyByIssuer(config, clock) }]),
  );
  const signatures = createVerifiedSignatures();

  /** True when the token names a configured external issuer; only `verify` may then decide about it. */
  const isExternal = ({ payload }: JwtForm): boolean => known.has(payload.iss);

  /**
   * What the issuer says about the token's bearer. Throws the same `unauthenticated` for every token that is not valid, and
   * `unavailable` while the issuer's keys cannot be fetched. The caller then looks the user up.
   */
  const verify = async (token: string): Promise<ExternalIdentity> => {
    const form = readJwtForm(token);
    const issuer = form && known.get(form.payload.iss);
    if (!form || !issuer || !isMeantForUs(form, issuer, clock.now())) throw invalidCredential();
    const verifyUnder: VerifyUnder = (key) => signatures.verify(token, form.header.alg, key);
    if (!(await issuer.verifyByIssuer(form.header, verifyUnder))) throw invalidCredential();
    return readExternalIdentity(issuer.config, form.payload);
  };

  return { isExternal, verify };
};

export type ExternalTokens = ReturnType<typeof createExternalTokens>;

/** Checked before any key is looked for, so that a token that cannot be valid never makes us ask its issuer. */
const isMeantForUs = ({ header, payload }: JwtForm, { config }: Issuer, now: Date): boolean =>
  config.algorithms.includes(header.alg) &&
  [payload.aud].flat().includes(config.audience) &&
  isValidAt(payload, now, leewaySeconds);

const createVerifyByIssuer = ({ issuer, keys }: IssuerConfig, clock: Clock): VerifyByIssuer => {
  if (keys.kind === 'hs256') {
    const secret = { identity: 'hs256', key: keys.secret.expose() };
    return (_header, verifyUnder) => verifyUnder(secret);
  }
  const source = createJwksSource({ fetchKeys: () => fetchKeys(issuer, keys), clock });
  return (header, verifyUnder) => verifyByPublishedKey(source, header, verifyUnder);
};

const verifyByPublishedKey = async (
  source: JwksSource,
  header: JwtHeader,
  verifyUnder: VerifyUnder,
): Promise<boolean> => {
  const key = chooseKey(await source.current(), header);
  if (key && (await verifyUnder(key))) return true;
  // A token without kid that fails may be signed with a key that has since replaced the only one.
  if (key && header.kid !== undefined) return false;
  const renewed = chooseKey(await source.renewed(), header);
  return renewed !== undefined && verifyUnder(renewed);
};
