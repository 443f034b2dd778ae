import { spawn } from 'node:child_process';
import { platform } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { CliEnv } from '../env.ts';
import { type Asked, inKeyring } from './keyring-entry.ts';

/** The system keyring: Keychain, Credential Manager or Secret Service. Every call ends within seconds, whatever it does. */
export interface Keyring {
  /** False where there is none, or it is locked and nobody opens it. */
  put(account: string, secret: string): Promise<boolean>;
  get(account: string): Promise<string | null>;
  remove(account: string): Promise<void>;
}

/** A person may have to unlock it first. */
const patienceMs = 20_000;

const program = (): string => {
  const self = import.meta.url;
  return fileURLToPath(new URL(`./keyring-process${self.slice(self.lastIndexOf('.'))}`, self));
};

/** A session bus that doesn't answer blocks the library's whole process; it is then one that can be killed. */
const inProcessOfItsOwn = async (asked: Asked): Promise<string | boolean | null> => {
  const child = spawn(process.execPath, [program()], {
    stdio: ['pipe', 'pipe', 'ignore'],
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  });
  child.once('error', () => undefined);
  child.stdin.on('error', () => undefined).end(JSON.stringify(asked));
  const answer = await text(child.stdout);
  return answer === '' ? null : (JSON.parse(answer) as string | boolean | null);
};

/** The keyring of this machine. */
export const systemKeyring = (env: CliEnv): Keyring => {
  const isLinux = platform() === 'linux';
  const usable = env.own.KEYHOLD_CLI_KEYRING !== 'off' && (!isLinux || env.hasSessionBus);
  const ask = async (asked: Asked): Promise<string | boolean | null> => {
    if (!usable) return null;
    return await (isLinux ? inProcessOfItsOwn(asked) : inKeyring(asked));
  };
  return {
    put: async (account, secret) => (await ask({ verb: 'put', account, secret })) === true,
    get: async (account) => {
      const secret = await ask({ verb: 'get', account });
      return typeof secret === 'string' ? secret : null;
    },
    remove: async (account) => {
      await ask({ verb: 'remove', account });
    },
  };
};
