import { setTimeout } from 'node:timers/promises';
import { invalid } from '../core/errors.ts';
import { type AllowedHosts, OutboundError, parseTarget, type ResolveTarget, type Target } from '../outbound/index.ts';

interface Deps {
  readonly allowedHosts: AllowedHosts;
  readonly resolveTarget: ResolveTarget;
}

const lookUpMs = 5000;

/** The addresses that webhooks can have. */
export type Addresses = ReturnType<typeof createAddresses>;

export const createAddresses = ({ allowedHosts, resolveTarget }: Deps) => {
  /** Why a target must not be contacted, if that is known: a name that is not known yet is no reason. */
  const refusalOf = async (target: Target): Promise<string | null> => {
    try {
      await Promise.race([resolveTarget(target), setTimeout(lookUpMs, null, { ref: false })]);
      return null;
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      if (error.failure === 'own_address') return 'must not be an address of this service.';
      if (error.failure !== 'address_refused') return null;
      return 'must have a public address. Others have to be allowed by the operator (KEYHOLD_WEBHOOK_ALLOWED_HOSTS).';
    }
  };

  return {
    /** The address as it is stored, or the refusal, for the caller of this function to record. */
    check: async (url: string) => {
      const parsed = parseTarget(url, allowedHosts);
      const refused = 'refused' in parsed ? parsed.refused : await refusalOf(parsed.target);
      return refused !== null || 'refused' in parsed
        ? { refused: invalid('url', refused ?? '') }
        : { ok: parsed.target.href };
    },

    /** Host and port of an address that was accepted once. */
    hostOf: (url: string): string => {
      const parsed = parseTarget(url, allowedHosts);
      return 'refused' in parsed ? 'refused' : parsed.target.host;
    },
  };
};
