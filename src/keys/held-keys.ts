import type { RootKeys } from '../config/root-keys.ts';
import { KeyholdError } from '../core/errors.ts';
import type { RootKeyRow } from '../db/tables/index.ts';
import { type LoginKey, loginKeyOf, signingKeyOf } from './login-keys.ts';
import type { ProvedKeys } from './prove.ts';
import type { RootKey } from './root-key.ts';
import type { SealKeys } from './seal-keys.ts';
import type { ServiceKey } from './service-keys.ts';

/** A seal key, without the key itself. */
export type SealGeneration = Pick<ServiceKey, 'id' | 'generation' | 'state' | 'created_at' | 'promoted_at'>;

/** The keys that a service holds at one moment. */
export interface HeldKeys {
  /** The primary first: it wraps. All of them unwrap. */
  readonly rootKeys: readonly [RootKey, ...RootKey[]];
  readonly sealKeys: SealKeys;
  readonly lookupKey: Uint8Array;
  /** Every seal key, without the keys themselves. */
  readonly sealGenerations: readonly SealGeneration[];
  /** In the order of the root keys. */
  readonly loginKeys: readonly [LoginKey, ...LoginKey[]];
  /** The one that signs access tokens. */
  readonly signing: LoginKey;
  /** Where the root keys were read. */
  readonly configured: RootKeys;
}

/** The keys with what they were made from: while that is the same, they are not opened again. */
export interface Snapshot {
  readonly held: HeldKeys;
  readonly serviceKeys: readonly ServiceKey[];
  readonly rows: string;
  readonly states: string;
}

export const textOfStates = (states: readonly RootKeyRow[]): string =>
  states.map(({ id, state }) => `${id} ${state}`).join();

type Made = Pick<ProvedKeys, 'rootKeys' | 'sealKeys' | 'lookupKey' | 'configured' | 'states'>;

export const heldKeys = async (
  { rootKeys, sealKeys, lookupKey, configured, states }: Made,
  serviceKeys: readonly ServiceKey[],
  now: Date,
): Promise<HeldKeys> => {
  const [first, ...rest] = rootKeys;
  const loginKeys = [await loginKeyOf(first), ...(await Promise.all(rest.map(loginKeyOf)))] as const;
  const sealGenerations = serviceKeys
    .filter(({ purpose }) => purpose === 'seal')
    .map(({ key: _secret, purpose: _purpose, ...generation }) => generation);
  const signing = signingKeyOf(loginKeys, states, now);
  return { rootKeys, sealKeys, lookupKey, sealGenerations, loginKeys, signing, configured };
};

/** The keys after what other services changed: a new seal key, a root key that is retired, another one that signs. */
export const renewedKeys = async (
  { held, states: textBefore }: Snapshot,
  { sealKeys, states, serviceKeys }: Pick<ProvedKeys, 'sealKeys' | 'states' | 'serviceKeys'>,
  now: Date,
): Promise<HeldKeys> => {
  const signing = signingKeyOf(held.loginKeys, states, now);
  const isSame = sealKeys === held.sealKeys && signing === held.signing && textOfStates(states) === textBefore;
  if (isSame) return held;
  const retired = new Set(states.filter(({ state }) => state === 'retired').map(({ id }) => id));
  const [primary, ...others] = held.rootKeys.filter(({ id }) => !retired.has(id));
  if (!primary) throw new KeyholdError('state_conflict', 'Every root key of this service is retired.');
  return await heldKeys({ ...held, rootKeys: [primary, ...others], sealKeys, states }, serviceKeys, now);
};
