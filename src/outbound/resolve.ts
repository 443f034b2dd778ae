import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { mayContact } from './address.ts';
import { OutboundError } from './errors.ts';
import { isOwnAddress, type OwnPorts } from './own-address.ts';
import type { Target } from './target.ts';

/** Every address that a name has now. Tests answer something else each time. */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

export const systemResolve: ResolveName = async (hostname) =>
  (await lookup(hostname, { all: true, verbatim: true })).map(({ address }) => address);

interface Deps {
  readonly resolve: ResolveName;
  readonly ownPorts: OwnPorts;
}

/** Resolves to the one address that may be contacted. Rejects with an `OutboundError`. */
export type ResolveTarget = (target: Target) => Promise<string>;

/**
 * Decides about the addresses of a target. A single one that must not be contacted refuses all of them, since which of them is
 * used would otherwise be up to chance. Node looks up no address that is written as one, so that it takes the same check here.
 */
export const createResolveTarget =
  ({ resolve, ownPorts }: Deps): ResolveTarget =>
  async ({ hostname, port, isAllowedHost }) => {
    const addresses = isIP(hostname) === 0 ? await lookUp(resolve, hostname) : [hostname];
    const [first] = addresses;
    if (first === undefined) throw new OutboundError('name_unknown');
    for (const address of addresses) {
      if (!mayContact(address, isAllowedHost)) throw new OutboundError('address_refused');
      if (isOwnAddress(address, port, ownPorts)) throw new OutboundError('own_address');
    }
    return first;
  };

const lookUp = async (resolve: ResolveName, hostname: string): Promise<readonly string[]> => {
  try {
    return await resolve(hostname);
  } catch (cause) {
    throw new OutboundError('name_unknown', { cause });
  }
};
