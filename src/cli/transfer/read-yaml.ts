import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import { usage } from '../failure.ts';
import type { Reading } from './read-map.ts';

/** A scalar with its text in the file, so that `012` and `1e3` stay as they were written. */
class ScalarWithText {
  readonly text: string | null;
  readonly value: unknown;

  constructor(text: string | null, value: unknown) {
    this.text = text;
    this.value = value;
  }
}

const withTexts = (node: unknown, document: ReturnType<typeof parseDocument>, name: string): unknown => {
  if (isAlias(node)) {
    const target = node.resolve(document);
    // An alias of a collection could multiply without end, or contain itself.
    if (!isScalar(target))
      throw usage(`${name} uses an alias (*) for a map or list, which is not supported. Write it out.`);
    return withTexts(target, document, name);
  }
  if (isMap(node)) return mapOf(node.items, document, name);
  if (isSeq(node)) return node.items.map((item) => withTexts(item, document, name));
  if (!isScalar(node)) return new ScalarWithText(null, null);
  if (typeof node.value === 'string') return new ScalarWithText(node.value, node.value);
  return new ScalarWithText(node.value === null ? null : (node.source ?? String(node.value)), node.value);
};

type Pairs = readonly { readonly key: unknown; readonly value: unknown }[];

const mapOf = (pairs: Pairs, document: ReturnType<typeof parseDocument>, name: string): object => {
  const entries = pairs.map(({ key, value }) => {
    const text = isScalar(key) ? (typeof key.value === 'string' ? key.value : key.source) : undefined;
    if (text === undefined) throw usage(`${name} has a key that is not a string.`);
    return [text, withTexts(value as Node, document, name)] as const;
  });
  return Object.fromEntries(entries);
};

/**
 * Parses YAML 1.2 and keeps the text of scalars. Throws usage, also for several documents, unknown tags and duplicate
 * keys.
 */
export const parseYaml = (text: string, name: string): unknown => {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true, merge: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw usage(`${name} is not valid YAML (${problem.code}, at character ${problem.pos[0]}).`);
  return withTexts(document.contents, document, name);
};

const plain = (value: unknown): unknown => {
  if (value instanceof ScalarWithText) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const textOf: Reading['text'] = (value) => {
  if (value instanceof ScalarWithText) return value.text;
  return value === null ? null : undefined;
};

export const yamlReading: Reading = { text: textOf, plain };
