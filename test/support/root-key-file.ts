import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RootKeySource, rootKeySource } from '../../src/config/root-keys.ts';
import { newRootKey } from './app.ts';
import { ownPrefix } from './files-in-memory.ts';
import { rootKeyIdOf } from './key-services.ts';

/** A file with one root key, for services that may change it. */
export interface RootKeyFile {
  readonly path: string;
  readonly source: RootKeySource;
  /** The whole text of the file. */
  text(): string;
  write(text: string): void;
  /** Adds a new key as the last one, and returns its id. No service knows it until it reloads. */
  add(): string;
  remove(): void;
}

export const newRootKeyFile = (first = newRootKey()): RootKeyFile => {
  const directory = mkdtempSync(ownPrefix);
  const path = join(directory, 'root.key');
  const write = (text: string): void => writeFileSync(path, text, { mode: 0o600 });
  write(`${first}\n`);
  return {
    path,
    source: rootKeySource({ KEYHOLD_ROOT_KEY_FILE: path }, directory),
    text: () => readFileSync(path, 'utf8'),
    write,
    add: () => {
      const key = newRootKey();
      appendFileSync(path, `${key}\n`);
      return rootKeyIdOf(key);
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
};
