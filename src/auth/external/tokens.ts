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

/** Tries the signature under one key. */
type Holds = (key: IdentifiedKey) => Promise<boolean>;
/** Tries the signature under the one key that an issuer's keys offer to a token with this header. */
type HoldsForIssuer = (header: JwtHeader, holds: Holds) => Promise<boolean>;

interface Issuer {
  readonly config: IssuerConfig;
  readonly holdsForIssuer: HoldsForIssuer;
}

const leewaySeconds = 5;

/**
 * The tokens of the configured external issuers, each verified by the keys of the issuer that it names and by no
 * others. Nothing is fetched before the first token comes.
 */
export const createExternalTokens = ({ issuers, clock }: Deps) => {
  const known = new Map(issuers.map((config) => [config.issuer, { config, holdsForIssuer: keysOf(config, clock) }]));
  const signatures = createVerifiedSignatures();

  /** True when the token names a configured external issuer: then only `verify` may judge it. */
  const isExternal = ({ payload }: JwtForm): boolean => known.has(payload.iss);

  /**
   * What the issuer says of the token's bearer. Throws one and the same `unauthenticated` for every token that does
   * not hold, and `unavailable` while the issuer's keys cannot be fetched. The caller looks the user up, afresh.
   */
  const verify = async (token: string): Promise<ExternalIdentity> => {
    const form = readJwtForm(token);
    const issuer = form && known.get(form.payload.iss);
    if (!form || !issuer || !isMeantForUs(form, issuer, clock.now())) throw invalidCredential();
    const holds: Holds = (key) => signatures.holds(token, form.header.alg, key);
    if (!(await issuer.holdsForIssuer(form.header, holds))) throw invalidCredential();
    return readExternalIdentity(issuer.config, form.payload);
  };

  return { isExternal, verify };
};

export type ExternalTokens = ReturnType<typeof createExternalTokens>;

/** Decided before any key is looked for, so that a token which cannot hold never makes us ask its issuer. */
const isMeantForUs = ({ header, payload }: JwtForm, { config }: Issuer, now: Date): boolean =>
  config.algorithms.includes(header.alg) &&
  [payload.aud].flat().includes(config.audience) &&
  isValidAt(payload, now, leewaySeconds);

const keysOf = ({ issuer, keys }: IssuerConfig, clock: Clock): HoldsForIssuer => {
  if (keys.kind === 'hs256') {
    const secret = { identity: 'hs256', key: keys.secret.expose() };
    return (_header, holds) => holds(secret);
  }
  const source = createJwksSource({ fetchKeys: () => fetchKeys(issuer, keys), clock });
  return (header, holds) => holdsUnderPublished(source, header, holds);
};

const holdsUnderPublished = async (source: JwksSource, header: JwtHeader, holds: Holds): Promise<boolean> => {
  const key = chooseKey(await source.current(), header);
  if (key && (await holds(key))) return true;
  // A token without kid that does not hold may be signed with a key that took the place of the only one.
  if (key && header.kid !== undefined) return false;
  const renewed = chooseKey(await source.renewed(), header);
  return renewed !== undefined && holds(renewed);
};
