import { platform } from 'node:os';
import type { CliEnv } from '../env.ts';

/** The system keyring: Keychain, Credential Manager or Secret Service. Every call ends within seconds, whatever it does. */
export interface Keyring {
  /** False where there is none, or it is locked and nobody opens it. */
  put(account: string, secret: string): Promise<boolean>;
  get(account: string): Promise<string | null>;
  remove(account: string): Promise<void>;
}

const service = 'keyhold';

/** A person may have to unlock it first; a broken bus must not hold a command up for ever. */
const patienceMs = 15_000;

const within = async <T>(work: Promise<T>): Promise<T | null> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * The keyring of this machine. On Linux only the Secret Service counts, reached by a session bus: the kernel's keyring
 * forgets at reboot.
 */
export const systemKeyring = (env: CliEnv): Keyring => {
  const usable = env.own.KEYHOLD_CLI_KEYRING !== 'off' && (platform() !== 'linux' || env.hasSessionBus);
  const attempt = async <T>(account: string, work: (entry: Entry) => Promise<T>): Promise<T | null> => {
    if (!usable) return null;
    try {
      const { AsyncEntry } = await import('@napi-rs/keyring');
      return await within(work(new AsyncEntry(service, account, { linux: { store: 'secret-service' } })));
    } catch {
      // No prebuilt binary, no bus, no service on it, locked: all the same to us, there is no keyring.
      return null;
    }
  };
  return {
    put: async (account, secret) =>
      (await attempt(account, async (entry) => {
        await entry.setPassword(secret);
        return (await entry.getPassword()) === secret;
      })) === true,
    get: (account) => attempt(account, (entry) => entry.getPassword()),
    remove: async (account) => {
      await attempt(account, (entry) => entry.deleteCredential());
    },
  };
};

type Entry = import('@napi-rs/keyring').AsyncEntry;
