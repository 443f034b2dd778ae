import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { KeyholdError } from '../core/errors.ts';
import { Redacted } from '../core/redacted.ts';
import type { Env } from './env.ts';

/** A root key: 32 bytes that are never in the database, and the id by which rows name the one that wrapped them. */
export interface RootKey {
  readonly id: string;
  readonly key: Redacted<Buffer>;
}

export interface RootKeys {
  /** At least one. The first wraps and signs; all of them unwrap and verify. */
  readonly keys: readonly [RootKey, ...RootKey[]];
  readonly source: string;
  /** Whether this start created the key, so that the operator is told to back it up. */
  readonly created: boolean;
}

const refuse = (detail: string, cause?: unknown): KeyholdError =>
  new KeyholdError('invalid_request', detail, cause === undefined ? {} : { cause });

const rootKeyId = (key: Buffer): string =>
  createHash('sha256').update('keyhold/root-key-id/v1').update(key).digest('hex').slice(0, 16);

const parseKey = (text: string, source: string, position: number): RootKey => {
  const key = Buffer.from(text, 'base64url');
  if (key.length !== 32 || key.toString('base64url') !== text.replace(/=$/, '')) {
    throw refuse(`Root key ${position} in ${source} is not a Fernet key (32 bytes in url-safe base64).`);
  }
  return { id: rootKeyId(key), key: new Redacted(key) };
};

const parseKeys = (texts: readonly string[], source: string): RootKeys['keys'] => {
  const keys = texts.map((text, index) => parseKey(text, source, index + 1));
  const [first, ...rest] = keys;
  if (!first) throw refuse(`${source} holds no root key.`);
  if (new Set(keys.map((key) => key.id)).size !== keys.length) throw refuse(`${source} names one root key twice.`);
  return [first, ...rest];
};

const fileLines = (path: string): string[] => {
  try {
    const lines = readFileSync(path, 'utf8').split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  } catch (cause) {
    throw refuse(`The root key file ${path} cannot be read.`, cause);
  }
};

const flush = (path: string): void => {
  const handle = openSync(path, 'r');
  fsyncSync(handle);
  closeSync(handle);
};

/** Writes a new key. A power cut leaves either no file or a whole one, and of two first starts only one creates it. */
const createKeyFile = (path: string): boolean => {
  // Only the last directory is private: the database's user may have to pass those above it.
  mkdirSync(dirname(dirname(path)), { recursive: true });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  const handle = openSync(draft, 'wx', 0o600);
  writeSync(handle, `${randomBytes(32).toString('base64url')}=\n`);
  fsyncSync(handle);
  closeSync(handle);
  try {
    linkSync(draft, path);
    flush(dirname(path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
};

/** The file that the root keys come from, or null if they come from KEYHOLD_ROOT_KEYS. */
export const rootKeyFile = (env: Env, configDir: string): string | null =>
  env.KEYHOLD_ROOT_KEYS === undefined ? (env.KEYHOLD_ROOT_KEY_FILE ?? join(configDir, 'root.key')) : null;

/**
 * The configured root keys, or null if their file does not exist. Never creates a key: this is for commands on an existing
 * database, in which a new key would open nothing.
 */
export const findRootKeys = (env: Env, configDir: string): RootKeys | null => {
  const file = rootKeyFile(env, configDir);
  if (file !== null && !existsSync(file)) return null;
  return loadRootKeys(env, configDir);
};

/**
 * The configured root keys: KEYHOLD_ROOT_KEYS, else KEYHOLD_ROOT_KEY_FILE, else `root.key` in the configuration directory,
 * which is created with mode 0600 if it is missing. Throws `invalid_request` for keys that cannot be read. Whether they
 * are the right ones is checked later, against the database.
 */
export const loadRootKeys = (env: Env, configDir: string): RootKeys => {
  const inline = env.KEYHOLD_ROOT_KEYS;
  if (inline !== undefined) {
    const texts = inline.split(',').map((text) => text.trim());
    return { keys: parseKeys(texts, 'KEYHOLD_ROOT_KEYS'), source: 'KEYHOLD_ROOT_KEYS', created: false };
  }
  const file = env.KEYHOLD_ROOT_KEY_FILE;
  if (file !== undefined) return { keys: parseKeys(fileLines(file), file), source: file, created: false };
  const path = join(configDir, 'root.key');
  const created = existsSync(path) ? false : createKeyFile(path);
  return { keys: parseKeys(fileLines(path), path), source: path, created };
};
