import { isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import { usage } from '../failure.ts';
import type { Reading } from './read-map.ts';

/** A scalar with the text that the file has for it: `012` and `1e3` stay what somebody wrote. */
class SpeltScalar {
  readonly spelling: string | null;
  readonly value: unknown;

  constructor(spelling: string | null, value: unknown) {
    this.spelling = spelling;
    this.value = value;
  }
}

const spelt = (node: unknown, document: ReturnType<typeof parseDocument>, name: string): unknown => {
  if (isAlias(node)) {
    const meant = node.resolve(document);
    // One of a collection may hold others, ever more of them, or itself.
    if (!isScalar(meant)) throw usage(`${name} repeats a whole map or list by an alias (*). Write it out.`);
    return spelt(meant, document, name);
  }
  if (isMap(node)) return mapOf(node.items, document, name);
  if (isSeq(node)) return node.items.map((item) => spelt(item, document, name));
  if (!isScalar(node)) return new SpeltScalar(null, null);
  if (typeof node.value === 'string') return new SpeltScalar(node.value, node.value);
  return new SpeltScalar(node.value === null ? null : (node.source ?? String(node.value)), node.value);
};

type Pairs = readonly { readonly key: unknown; readonly value: unknown }[];

const mapOf = (pairs: Pairs, document: ReturnType<typeof parseDocument>, name: string): object => {
  const entries = pairs.map(({ key, value }) => {
    const spelling = isScalar(key) ? (typeof key.value === 'string' ? key.value : key.source) : undefined;
    if (spelling === undefined) throw usage(`${name} has a key that is not a text.`);
    return [spelling, spelt(value as Node, document, name)] as const;
  });
  return Object.fromEntries(entries);
};

/** YAML 1.2 with scalars as they are spelt. Several documents, unknown tags and duplicate keys refuse the file. */
export const parseYaml = (text: string, name: string): unknown => {
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true, merge: false });
  const [trouble] = [...document.errors, ...document.warnings];
  if (trouble) throw usage(`${name} is not YAML that can be read (${trouble.code}, at character ${trouble.pos[0]}).`);
  return spelt(document.contents, document, name);
};

const plain = (value: unknown): unknown => {
  if (value instanceof SpeltScalar) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

const spelling: Reading['spelling'] = (value) => {
  if (value instanceof SpeltScalar) return value.spelling;
  return value === null ? null : undefined;
};

export const yamlReading: Reading = { spelling, plain };
