import { KeyholdError } from '../../core/errors.ts';
import { isUuid } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import { checkMetadata, maxDepth } from '../../core/metadata.ts';
import {
  isDerivedType,
  maxNameLength,
  maxObservationBytes,
  maxSourceLength,
  maxTags,
  maxWordLength,
} from '../vocabulary.ts';
import type { BadLines } from './bad-lines.ts';

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const controlCharacter = /\p{Cc}/u;
const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** In code points, without a copy: a text of an import can have 64 MiB. */
const lengthOf = (text: string): number => {
  let length = 0;
  for (let at = 0; at < text.length; length += 1) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  return length;
};

/** Why a text cannot be kept; null if it can. */
const whyNotText = (text: string, maxLength: number): string | null => {
  if (text === '') return 'must not be empty.';
  if (text.includes('\0')) return 'must not have a NUL character.';
  if (!text.isWellFormed()) return 'must not have half a character (a lone surrogate).';
  const length = lengthOf(text);
  return length > maxLength ? `has ${length} characters; the limit is ${maxLength}.` : null;
};

const whyNotWord = (text: string): string | null => {
  const why = whyNotText(text, maxWordLength);
  if (why !== null) return why;
  if (text.trim() === '') return 'must not be blank.';
  return controlCharacter.test(text) ? 'must not have control characters.' : null;
};

const whyNotContent = (text: string): string | null => {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxObservationBytes) return `has ${bytes} bytes; the limit is ${maxObservationBytes} (64 KiB).`;
  return whyNotText(text, maxObservationBytes);
};

const whyNotType = (text: string): string | null =>
  isDerivedType(text)
    ? `must not be ${text}: such nodes come from users, sessions, secrets and records of their use.`
    : whyNotWord(text);

/** Whether every text within a JSON value, names of members included, can be kept. */
const isKeepable = (value: unknown): boolean => {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed();
  if (value === null || typeof value !== 'object') return true;
  return Object.entries(value).every(([name, item]) => isKeepable(name) && isKeepable(item));
};

/** Whether a value has more levels than this. It goes no deeper, since JSON can have more levels than the stack has room for. */
const isDeeper = (value: unknown, levels: number): boolean =>
  value !== null &&
  typeof value === 'object' &&
  (levels === 0 || Object.values(value).some((item) => isDeeper(item, levels - 1)));

/** A text that might be no name at all, such as a value in the wrong place, is not repeated. */
const shownName = (name: string): string => (/^[A-Za-z_]{1,32}$/.test(name) ? JSON.stringify(name) : '(unnamed)');

/** Reads the members of one object of an import. What is wrong is noted; the value that is answered instead does not matter. */
export class Fields {
  readonly #object: Record<string, unknown>;
  readonly #place: string;
  readonly #path: string;
  readonly #bad: BadLines;
  readonly #read = new Set<string>();

  /** `path` leads from the place to the object, such as `observations[1].`. */
  constructor(value: unknown, place: string, bad: BadLines, path = '') {
    if (!isObject(value)) bad.add(place, `${path === '' ? 'must' : `${path.slice(0, -1)} must`} be a JSON object.`);
    this.#object = isObject(value) ? value : {};
    this.#place = place;
    this.#path = path;
    this.#bad = bad;
  }

  #take(name: string): unknown {
    this.#read.add(name);
    return Object.hasOwn(this.#object, name) ? this.#object[name] : undefined;
  }

  #wrong(name: string, why: string): void {
    this.#bad.add(this.#place, `${this.#path}${name} ${why}`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  #checked(name: string, value: unknown, whyNot: (text: string) => string | null): string {
    const why = typeof value === 'string' ? whyNot(value) : value === undefined ? 'is missing.' : 'must be a string.';
    if (why !== null) this.#wrong(name, why);
    return typeof value === 'string' ? value : '';
  }

  /** One of the words that a member can be, without a complaint about any other. */
  peek(name: string): unknown {
    return this.#take(name);
  }

  name(field: string): string {
    return this.#checked(field, this.#take(field), (text) => whyNotText(text, maxNameLength));
  }

  /** A type of a remembered entity. */
  type(field: string): string {
    return this.#checked(field, this.#take(field), whyNotType);
  }

  word(field: string): string {
    return this.#checked(field, this.#take(field), whyNotWord);
  }

  content(field: string): string {
    return this.#checked(field, this.#take(field), whyNotContent);
  }

  id(field: string): string {
    return this.#checked(field, this.#take(field), (text) => (isUuid(text) ? null : 'must be an id.')).toLowerCase();
  }

  source(field: string): string | null {
    const value = this.#take(field) ?? null;
    return value === null ? null : this.#checked(field, value, (text) => whyNotText(text, maxSourceLength));
  }

  confidence(field: string): number | null {
    const value = this.#take(field) ?? null;
    if (value === null) return null;
    if (typeof value === 'number' && value >= 0 && value <= 1) return value;
    this.#wrong(field, 'must be a number from 0 to 1.');
    return null;
  }

  flag(field: string): boolean {
    const value = this.#take(field) ?? false;
    if (typeof value !== 'boolean') this.#wrong(field, 'must be true or false.');
    return value === true;
  }

  /** An RFC 3339 time of a day that the calendar has. */
  time(field: string): Date | null {
    const value = this.#take(field) ?? null;
    if (value === null) return null;
    const [, year = 0, month = 0, day = 0] = (rfc3339.exec(String(value)) ?? []).map(Number);
    const date = new Date(String(value).toUpperCase());
    const isReal = day > 0 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
    if (isReal && !Number.isNaN(date.getTime()) && /^(?!0000)\d{4}-/.test(date.toISOString())) return date;
    this.#wrong(field, 'must be an RFC 3339 time such as 2030-01-31T12:00:00Z.');
    return null;
  }

  attributes(field: string): JsonObject | null {
    const value = this.#take(field) ?? null;
    if (value === null) return null;
    if (!isObject(value)) this.#wrong(field, 'must be a JSON object.');
    else if (isDeeper(value, maxDepth)) this.#wrong(field, `must have at most ${maxDepth} levels.`);
    else if (!isKeepable(value)) this.#wrong(field, 'must not have NUL or half a character (a lone surrogate).');
    else return this.#bounded(field, value as JsonObject);
    return null;
  }

  #bounded(field: string, value: JsonObject): JsonObject {
    try {
      return checkMetadata(value, '');
    } catch (error) {
      if (!(error instanceof KeyholdError)) throw error;
      this.#wrong(field, error.message.trim());
      return {};
    }
  }

  /** The items of a list; none where it is left out. `read` gets each with its path. */
  list<T>(field: string, read: (item: unknown, path: string) => T): T[] {
    const value = this.#take(field) ?? [];
    if (!Array.isArray(value)) {
      this.#wrong(field, 'must be a list.');
      return [];
    }
    return value.map((item, at) => read(item, `${field}[${at}]`));
  }

  contents(field: string): string[] {
    return this.list(field, (item, path) => this.#checked(path, item ?? null, whyNotContent));
  }

  names(field: string): string[] {
    return this.list(field, (item, path) =>
      this.#checked(path, item ?? null, (text) => whyNotText(text, maxNameLength)),
    );
  }

  ids(field: string): string[] {
    const whyNot = (text: string) => (isUuid(text) ? null : 'must be an id.');
    return this.list(field, (item, path) => this.#checked(path, item ?? null, whyNot).toLowerCase());
  }

  tags(field: string): string[] {
    const tags = [...new Set(this.list(field, (item, path) => this.#checked(path, item ?? null, whyNotWord)))];
    if (tags.length > maxTags) this.#wrong(field, `has ${tags.length} tags; the limit is ${maxTags}.`);
    return tags;
  }

  objects<T>(field: string, read: (fields: Fields) => T): T[] {
    return this.list(field, (item, path) => {
      const fields = new Fields(item, this.#place, this.#bad, `${this.#path}${path}.`);
      const made = read(fields);
      fields.refuseOthers();
      return made;
    });
  }

  object<T>(field: string, read: (fields: Fields) => T): T {
    const fields = new Fields(this.#take(field), this.#place, this.#bad, `${this.#path}${field}.`);
    const made = read(fields);
    fields.refuseOthers();
    return made;
  }

  wrong(name: string, why: string): void {
    this.#wrong(name, why);
  }

  /** Takes members that say what only the service can know, and leaves them out. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#read.add(name);
  }

  /** Notes every member that nobody read: what an import would lose is refused. */
  refuseOthers(): void {
    for (const name of Object.keys(this.#object))
      if (!this.#read.has(name)) this.#wrong(shownName(name), 'is not a field of this record.');
  }
}
