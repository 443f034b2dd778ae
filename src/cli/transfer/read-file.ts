import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SecretType } from '../../core/secret-types.ts';
import { usage } from '../failure.ts';
import { type ExpiryOptions, withoutExpired } from './expiry.ts';
import type { Format } from './formats.ts';
import type { Contents } from './item.ts';
import { readEnv } from './read-env.ts';
import { jsonReading, parseJson } from './read-json.ts';
import { readDocument } from './read-map.ts';
import { isStore, readStore } from './read-store.ts';
import { decodeText, readBytes, withoutMark } from './source-file.ts';

export interface ReadOptions extends ExpiryOptions {
  /** Null to tell it by the file's name, and for JSON by the content. */
  readonly format: Format | null;
  /** The type of secrets that have none in the file. */
  readonly type: SecretType;
  /** The old store's key; null for secrets.key next to the store. */
  readonly keyFile: string | null;
}

const byName = (path: string): Format => {
  if (/\.json$/i.test(path)) return 'json';
  if (/\.ya?ml$/i.test(path)) return 'yaml';
  if (/(^|\.)env($|\.)/i.test(basename(path))) return 'env';
  throw usage(`The format of ${path} is unknown. Pass --format env, json, yaml or store.`);
};

const plainDocument = (document: unknown): unknown => jsonReading.plain(document);

const readJson = (path: string, text: string, format: Format, options: ReadOptions): Contents => {
  const document = parseJson(withoutMark(text), path);
  const store = plainDocument(document);
  if (!isStore(store)) {
    if (format === 'store') throw usage(`${path} is not an old secrets.json (an object that maps ids to secrets).`);
    return readDocument(document, jsonReading, options.type);
  }
  const keyPath = options.keyFile ?? join(dirname(path), 'secrets.key');
  return readStore(store, { text: decodeText(readBytes(keyPath), keyPath), path: keyPath });
};

const readYaml = async (path: string, text: string, type: SecretType): Promise<Contents> => {
  // Loaded only for YAML, since it takes a good part of a command's start-up time.
  const { parseYaml, yamlReading } = await import('./read-yaml.ts');
  return readDocument(parseYaml(withoutMark(text), path), yamlReading, type);
};

const readAs = async (path: string, text: string, format: Format, options: ReadOptions): Promise<Contents> => {
  switch (format) {
    case 'env':
      return readEnv(text, options.type);
    case 'yaml':
      return await readYaml(path, text, options.type);
    case 'json':
    case 'store':
      return readJson(path, text, format, options);
  }
};

/** For the old store's directory, the secrets.json in it. */
const fileOf = (path: string): string =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, 'secrets.json') : path;

/** Reads a whole file of secrets. Throws usage for a file that cannot be read; the message holds no value. */
export const readSecretsFile = async (file: string, options: ReadOptions): Promise<Contents> => {
  const path = fileOf(file);
  const text = decodeText(readBytes(path), path);
  const format = options.format ?? byName(path);
  return withoutExpired(await readAs(path, text, format, options), options);
};
