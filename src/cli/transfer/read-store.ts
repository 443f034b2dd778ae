import type { JsonObject } from '../../core/json.ts';
import { Fernet, InvalidToken } from '../../crypto/fernet.ts';
import { usage } from '../failure.ts';
import { type Contents, emptyReason, type Item, itemDefaults, type Skipped, toValidName } from './item.ts';
import { type Fields, isObject, isType, readFields } from './record.ts';
import { invalidInput } from './source-file.ts';

/** True for the old file store: an object that maps ids to secrets, whose values are base64 of Fernet tokens. */
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
    throw invalidInput(`${path} does not hold a Fernet key (44 characters of padded base64url).`, cause);
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
    throw invalidInput(`The value of ${source} is not UTF-8 text, which Keyhold needs. Nothing was imported.`, cause);
  }
};

/** Fields that the old store's programs added. */
const otherFields = (fields: Fields): JsonObject => {
  const others = Object.entries(fields).filter(([name]) => !known.has(name));
  return Object.fromEntries(others) as JsonObject;
};

const itemOf = (id: string, fields: Fields, value: string): Item => {
  const source = typeof fields['name'] === 'string' && fields['name'] !== '' ? fields['name'] : id;
  const read = readFields(`${source} (${id})`, fields);
  const { name, metadata } = toValidName(source);
  const type = read.text('type');
  const chatId = fields['scope'] === 'chat' ? read.text('chat_id') : null;
  if (fields['scope'] === 'chat' && !chatId) throw usage(`${source} (${id}) has the scope chat but no chat_id.`);
  const description = read.text('description');
  return {
    ...itemDefaults,
    source: `${source} (${id})`,
    name,
    value,
    type: isType(type) ? type : 'other',
    description: description === '' ? null : description,
    tags: read.tags().filter((tag) => tag !== ''),
    expiresAt: read.instant('expires_at'),
    chatId,
    metadata: {
      ...read.metadata(),
      ...metadata,
      imported_from: { id, ...(isType(type) || type === null ? {} : { type }), ...otherFields(fields) },
    },
  };
};

const refuseUndecrypted = (total: number, failed: readonly string[], keyPath: string): void => {
  if (failed.length === 0) return;
  if (failed.length === total)
    throw usage(`${keyPath} is not the key of this store: it decrypts none of the values. Nothing was imported.`);
  const list = failed.slice(0, 10).join(', ');
  throw usage(`${keyPath} fails to decrypt ${failed.length} of ${total} values (${list}). Nothing was imported.`);
};

/** Reads the whole store. Throws usage, for example for a wrong key, before anything is imported. */
export const readStore = (
  store: Readonly<Record<string, Fields>>,
  key: { readonly text: string; readonly path: string },
): Contents => {
  const fernet = readKey(key.text, key.path);
  const decrypted = Object.entries(store).map(([id, fields]) => ({
    id,
    fields,
    bytes: decrypt(fernet, String(fields['value'])),
  }));
  refuseUndecrypted(
    decrypted.length,
    decrypted.filter((one) => one.bytes === null).map((one) => one.id),
    key.path,
  );
  const found = decrypted.map(({ id, fields, bytes }): Item | Skipped => {
    const value = textOf(id, bytes ?? Buffer.alloc(0));
    return value === '' ? { source: id, reason: emptyReason } : itemOf(id, fields, value);
  });
  return {
    items: found.filter((one): one is Item => 'value' in one),
    skipped: found.filter((one): one is Skipped => 'reason' in one),
  };
};
