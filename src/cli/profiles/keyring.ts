import { spawn } from 'node:child_process';
import { platform } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { CliEnv } from '../env.ts';
import { inKeyring, type KeyringRequest } from './keyring-entry.ts';

/** The system keyring: Keychain, Credential Manager or Secret Service. Every call ends within seconds. */
export interface Keyring {
  /** False where there is no keyring, or it stays locked. */
  put(account: string, secret: string): Promise<boolean>;
  /** Null where it holds nothing, or with `mayPrompt` false also where reading it could ask the user to unlock it. */
  get(account: string, mayPrompt: boolean): Promise<string | null>;
  remove(account: string): Promise<void>;
}

/** The user may have to unlock it first. */
const timeoutMs = 20_000;

/** The keyring of this machine. */
export const systemKeyring = (env: CliEnv): Keyring => {
  const isLinux = platform() === 'linux';
  const usable = env.own.KEYHOLD_CLI_KEYRING !== 'off' && (!isLinux || env.hasSessionBus);
  const send = async (request: KeyringRequest): Promise<string | boolean | null> => {
    if (!usable) return null;
    return await (isLinux ? inOwnProcess(request) : inKeyring(request));
  };
  return {
    put: async (account, secret) => (await send({ verb: 'put', account, secret })) === true,
    get: async (account, mayPrompt) => {
      if (usable && !mayPrompt && !(await isUnlocked())) return null;
      const secret = await send({ verb: 'get', account });
      return typeof secret === 'string' ? secret : null;
    },
    remove: async (account) => {
      await send({ verb: 'remove', account });
    },
  };
};

const program = (): string => {
  const self = import.meta.url;
  return fileURLToPath(new URL(`./keyring-process${self.slice(self.lastIndexOf('.'))}`, self));
};

/** A session bus that does not answer blocks the library's whole process, so it runs in one that can be killed. */
const inOwnProcess = async (request: KeyringRequest): Promise<string | boolean | null> => {
  const answer = await outputOf(process.execPath, [program()], timeoutMs, JSON.stringify(request));
  return answer === '' ? null : (JSON.parse(answer) as string | boolean | null);
};

const outputOf = async (file: string, args: readonly string[], within: number, input = ''): Promise<string> => {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], timeout: within, killSignal: 'SIGKILL' });
  child.once('error', () => undefined);
  child.stdin.on('error', () => undefined).end(input);
  return await text(child.stdout);
};

/**
 * True where reading the keyring asks the user nothing: Credential Manager never does, and the Secret Service says
 * whether its default collection is locked. The Keychain may ask at any time.
 */
const isUnlocked = async (): Promise<boolean> => {
  if (platform() !== 'linux') return platform() === 'win32';
  const [collection, property] = ['org.freedesktop.Secret.Collection', 'org.freedesktop.DBus.Properties.Get'];
  const answer = await outputOf(
    'dbus-send',
    [
      ...['--session', '--print-reply=literal', '--reply-timeout=500', '--dest=org.freedesktop.secrets'],
      ...['/org/freedesktop/secrets/aliases/default', property, `string:${collection}`, 'string:Locked'],
    ],
    1000,
  );
  return /\bboolean false\b/.test(answer);
};
