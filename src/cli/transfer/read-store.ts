import type { JsonObject } from '../../core/json.ts';
import { Fernet, InvalidToken } from '../../crypto/fernet.ts';
import { usage } from '../failure.ts';
import { type Contents, emptyReason, fittingName, type Item, plainItem, type Skipped } from './item.ts';
import { type Fields, isObject, isType, readFields } from './record.ts';
import { refused } from './source-file.ts';

/** The old file store: an object of id → secret, whose values are base64 of Fernet tokens under the key beside it. */
export const isStore = (document: unknown): document is Readonly<Record<string, Fields>> =>
  isObject(document) &&
  Object.keys(document).length > 0 &&
  Object.values(document).every(
    (one) => isObject(one) && typeof one['value'] === 'string' && ['general', 'chat'].includes(String(one['scope'])),
  );

const known = new Set([
  'id',
  'name',
  'type',
  'scope',
  'chat_id',
  'description',
  'tags',
  'expires_at',
  'metadata',
  'value',
]);

const readKey = (text: string, path: string): Fernet => {
  try {
    return new Fernet(text.trim());
  } catch (cause) {
    throw refused(`${path} holds no Fernet key (44 characters of padded base64url).`, cause);
  }
};

const canonical = (token: string): string => token.replaceAll('+', '-').replaceAll('/', '_');

/** The token itself, or the base64 of it in either alphabet. */
const tokenOf = (value: string): string =>
  value.startsWith('gAAAA') ? value : Buffer.from(canonical(value), 'base64url').toString('latin1');

const decrypt = (fernet: Fernet, value: string): Buffer | null => {
  try {
    return fernet.decrypt(tokenOf(value.trim()));
  } catch (error) {
    if (error instanceof InvalidToken) return null;
    throw error;
  }
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const textOf = (source: string, bytes: Buffer): string => {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw refused(`${source}: the value is not UTF-8 text, and Keyhold keeps text only. Nothing was imported.`, cause);
  }
};

/** Fields that the old store's programs added; they are kept. */
const rest = (fields: Fields): JsonObject => {
  const others = Object.entries(fields).filter(([name]) => !known.has(name));
  return Object.fromEntries(others) as JsonObject;
};

const itemOf = (id: string, fields: Fields, value: string): Item => {
  const source = typeof fields['name'] === 'string' && fields['name'] !== '' ? fields['name'] : id;
  const read = readFields(`${source} (${id})`, fields);
  const { name, metadata } = fittingName(source);
  const type = read.text('type');
  const chatId = fields['scope'] === 'chat' ? read.text('chat_id') : null;
  if (fields['scope'] === 'chat' && !chatId) throw usage(`${source} (${id}): scope is chat, but chat_id is missing.`);
  const description = read.text('description');
  return {
    ...plainItem,
    source: `${source} (${id})`,
    name,
    value,
    type: isType(type) ? type : 'other',
    description: description === '' ? null : description,
    tags: read.tags().filter((tag) => tag !== ''),
    expiresAt: read.moment('expires_at'),
    chatId,
    metadata: {
      ...read.metadata(),
      ...metadata,
      imported_from: { id, ...(isType(type) || type === null ? {} : { type }), ...rest(fields) },
    },
  };
};

const refuseUnopened = (total: number, unopened: readonly string[], keyPath: string): void => {
  if (unopened.length === 0) return;
  if (unopened.length === total)
    throw usage(`${keyPath} is not the key of this store: it opens no value. Nothing was imported.`);
  const list = unopened.slice(0, 10).join(', ');
  throw usage(`${keyPath} does not open ${unopened.length} of ${total} values (${list}). Nothing was imported.`);
};

/** Reads the whole store, or throws before anything is written: a wrong key opens nothing. */
export const readStore = (
  store: Readonly<Record<string, Fields>>,
  key: { readonly text: string; readonly path: string },
): Contents => {
  const fernet = readKey(key.text, key.path);
  const opened = Object.entries(store).map(([id, fields]) => ({
    id,
    fields,
    bytes: decrypt(fernet, String(fields['value'])),
  }));
  refuseUnopened(
    opened.length,
    opened.filter((one) => one.bytes === null).map((one) => one.id),
    key.path,
  );
  const found = opened.map(({ id, fields, bytes }): Item | Skipped => {
    const value = textOf(id, bytes ?? Buffer.alloc(0));
    return value === '' ? { source: id, reason: emptyReason } : itemOf(id, fields, value);
  });
  return {
    items: found.filter((one): one is Item => 'value' in one),
    skipped: found.filter((one): one is Skipped => 'reason' in one),
  };
};
