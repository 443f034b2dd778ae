import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { KeyholdError } from '../core/errors.ts';
import { Redacted } from '../core/redacted.ts';
import type { Env } from './env.ts';
import { createWhole, replaceWhole } from './whole-file.ts';

/** A root key as it is configured: 32 bytes that are never in the database, and the id by which rows name it. */
export interface ConfiguredRootKey {
  readonly id: string;
  readonly key: Redacted<Buffer>;
}

/** What was read where the root keys are kept. Whether they can be used is for `keys/` to say, which knows what needs them. */
export interface RootKeys {
  /** The first one is the primary: it wraps and signs. All of them unwrap and verify. */
  readonly keys: readonly ConfiguredRootKey[];
  /** The file or variable, for people. */
  readonly source: string;
  /** The file, which can be read again and written; null for KEYHOLD_ROOT_KEYS. */
  readonly file: string | null;
  /** Whether this start created the key, so that the operator is told to back it up. */
  readonly created: boolean;
  /** Sentences about what is wrong with the source. Keys with flaws are not used. */
  readonly flaws: readonly string[];
}

/** Where the root keys are kept. */
export interface RootKeySource {
  /** Reads them, or null if their file does not exist. */
  read(): RootKeys | null;
  /** Makes the first key, where the configuration names no other place; null where it does, since a key is missing there. */
  create(): RootKeys | null;
  /** The place, for people. */
  readonly place: string;
}

const rootKeyId = (key: Buffer): string =>
  createHash('sha256').update('keyhold/root-key-id/v1').update(key).digest('hex').slice(0, 16);

/** A new root key as text: a Fernet key, 32 bytes in url-safe base64. */
export const generateRootKey = (): string => `${randomBytes(32).toString('base64url')}=`;

/** Reads one key; null for text that is not a Fernet key. The padding may be missing. */
export const parseRootKey = (text: string): ConfiguredRootKey | null => {
  const key = Buffer.from(text, 'base64url');
  if (key.length !== 32 || key.toString('base64url') !== text.replace(/=$/, '')) return null;
  return { id: rootKeyId(key), key: new Redacted(key) };
};

const parseKeys = (texts: readonly string[], source: string): Pick<RootKeys, 'keys' | 'flaws'> => {
  const keys = new Map<string, ConfiguredRootKey>();
  const flaws: string[] = [];
  for (const [at, text] of texts.entries()) {
    const key = parseRootKey(text);
    if (!key) flaws.push(`Root key ${at + 1} in ${source} is not a Fernet key (32 bytes in url-safe base64).`);
    else if (keys.has(key.id)) flaws.push(`${source} names root key ${key.id} twice.`);
    else keys.set(key.id, key);
  }
  return { keys: [...keys.values()], flaws };
};

const unreadable = (path: string, cause: unknown): KeyholdError =>
  new KeyholdError('invalid_request', `The root key file ${path} cannot be read.`, { cause });

const linesOf = (path: string): string[] => {
  try {
    const lines = readFileSync(path, 'utf8').split('\n');
    // A byte order mark counts as white space, so trimming removes it as it does the line ends of Windows.
    return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  } catch (error) {
    throw unreadable(path, error);
  }
};

const modeFlaws = (path: string): string[] => {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o007) === 0) return [];
  return [
    `Every user of this machine can access ${path} (mode ${mode.toString(8).padStart(4, '0')}). Run "chmod 600 ${path}", and rotate the root key if somebody could have read it.`,
  ];
};

const readFile = (path: string, created = false): RootKeys => {
  const { keys, flaws } = parseKeys(linesOf(path), path);
  const empty = keys.length === 0 && flaws.length === 0 ? [`${path} holds no root key.`] : [];
  return { keys, source: path, file: path, created, flaws: [...flaws, ...empty, ...modeFlaws(path)] };
};

const readVariable = (text: string): RootKeys => {
  const source = 'KEYHOLD_ROOT_KEYS';
  const texts = text.split(',').map((one) => one.trim());
  return { ...parseKeys(texts, source), source, file: null, created: false };
};

/** The file that the root keys come from, or null if they come from KEYHOLD_ROOT_KEYS. */
export const rootKeyFile = (env: Env, configDir: string): string | null =>
  env.KEYHOLD_ROOT_KEYS === undefined ? (env.KEYHOLD_ROOT_KEY_FILE ?? join(configDir, 'root.key')) : null;

/**
 * Where the configuration keeps the root keys: KEYHOLD_ROOT_KEYS, else KEYHOLD_ROOT_KEY_FILE, else `root.key` in the
 * configuration directory. Only the last can be created. Reading throws `invalid_request` for a file that cannot be read.
 */
export const rootKeySource = (env: Env, configDir: string): RootKeySource => {
  const inline = env.KEYHOLD_ROOT_KEYS;
  if (inline !== undefined) {
    return { read: () => readVariable(inline), create: () => null, place: 'KEYHOLD_ROOT_KEYS' };
  }
  const path = env.KEYHOLD_ROOT_KEY_FILE ?? join(configDir, 'root.key');
  return {
    read: () => (existsSync(path) ? readFile(path) : null),
    create: () => {
      if (env.KEYHOLD_ROOT_KEY_FILE !== undefined) return null;
      // Of two first starts only one creates the file, and the other one reads it.
      return readFile(path, createWhole(path, `${generateRootKey()}\n`));
    },
    place: path,
  };
};

/**
 * The configured root keys for a command on an existing database, in which a new key would open nothing; null if their file does
 * not exist. Throws `invalid_request` for keys that must not be used.
 */
export const findRootKeys = (env: Env, configDir: string): RootKeys | null => {
  const found = rootKeySource(env, configDir).read();
  if (found !== null && found.flaws.length > 0) throw new KeyholdError('invalid_request', found.flaws.join(' '));
  return found;
};

/**
 * Replaces the keys in a file, in this order, keeping its comments. A power cut or a full disk leaves the old content. Throws
 * `state_conflict`, with the file unchanged, where it cannot be replaced.
 */
export const writeRootKeyFile = (path: string, keys: readonly ConfiguredRootKey[]): void => {
  const comments = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim().startsWith('#'));
  const lines = keys.map(({ key }) => `${key.expose().toString('base64url')}=`);
  replaceWhole(path, `${[...comments, ...lines].join('\n')}\n`);
};
