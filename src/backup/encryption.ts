import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption';
import type { RootKeys } from '../config/root-keys.ts';
import { KeyholdError } from '../core/errors.ts';
import { type RootKey, rootKeyInMemory } from '../keys/index.ts';
import { type BackupHeader, damaged } from './format.ts';

/** What a root key does for backups. */
interface BackupKeys {
  /** An age identity: who has the root key can decrypt. */
  readonly identity: CryptoKey;
  readonly macKey: Uint8Array;
}

/** The start of an X25519 private key in PKCS #8 (RFC 8410), which the 32 bytes of the key follow. */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** Derives the keys of backups from a root key. */
export const backupKeysOf = async (rootKey: RootKey): Promise<BackupKeys> => {
  const encoded = Buffer.concat([pkcs8Prefix, await rootKey.derive('backup')]);
  const identity = await crypto.subtle.importKey('pkcs8', encoded, { name: 'X25519' }, false, ['deriveBits']);
  return { identity, macKey: await rootKey.derive('backup MAC') };
};

/** The root key with this id, or a refusal that names it and what else is missing. */
export const requireRootKeys = (header: BackupHeader, rootKeys: RootKeys | null): RootKey => {
  const configured = rootKeys?.keys ?? [];
  const missing = header.root_keys.filter((id) => !configured.some((key) => key.id === id));
  if (missing.length > 0) {
    const found = configured.length === 0 ? 'none' : configured.map((key) => key.id).join(', ');
    throw new KeyholdError(
      'state_conflict',
      `The backup needs root key ${missing.join(' and root key ')}, and this machine has ${found}. Copy root.key to the configuration directory, or set KEYHOLD_CONFIG_DIR, KEYHOLD_ROOT_KEY_FILE or KEYHOLD_ROOT_KEYS. Nothing was changed.`,
    );
  }
  const key = configured.find(({ id }) => id === header.root_key);
  if (key === undefined) throw damaged('its first line does not list its own root key');
  return rootKeyInMemory(key);
};

const invalidRecipient = (cause: unknown): KeyholdError =>
  new KeyholdError(
    'invalid_request',
    'A recipient is not valid. It is the public key of age-keygen and begins with age1.',
    { cause },
  );

/** Encrypts to the recipients of age, or where there are none under the root key. Throws `invalid_request`. */
export const createEncrypter = async (recipients: readonly string[], keys: BackupKeys): Promise<Encrypter> => {
  const encrypter = new Encrypter();
  if (recipients.length === 0) encrypter.addRecipient(await identityToRecipient(keys.identity));
  try {
    for (const recipient of recipients) encrypter.addRecipient(recipient);
  } catch (cause) {
    throw invalidRecipient(cause);
  }
  return encrypter;
};

const invalidIdentity = (cause: unknown): KeyholdError =>
  new KeyholdError(
    'invalid_request',
    'An identity is not valid. It is the private key of age-keygen and begins with AGE-SECRET-KEY-1.',
    { cause },
  );

const noIdentity = (given: number): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    given === 0
      ? 'The backup is encrypted to an age recipient. Pass the file of the age identity with --identity. Nothing was changed.'
      : 'None of the age identities decrypts the backup. Pass the file of another one with --identity. Nothing was changed.',
  );

interface Opening {
  readonly identities: readonly string[];
  readonly keys: BackupKeys;
}

const decrypterFor = ({ encryption }: BackupHeader, { identities, keys }: Opening): Decrypter => {
  const decrypter = new Decrypter();
  if (encryption === 'root key') {
    decrypter.addIdentity(keys.identity);
    return decrypter;
  }
  if (identities.length === 0) throw noIdentity(0);
  try {
    for (const identity of identities) decrypter.addIdentity(identity);
  } catch (cause) {
    throw invalidIdentity(cause);
  }
  return decrypter;
};

/** Decrypts with the identities of age, or for a backup under a root key with that key. Throws `state_conflict`. */
export const decrypted = async (
  header: BackupHeader,
  source: ReadableStream<Uint8Array>,
  opening: Opening,
): Promise<ReadableStream<Uint8Array>> => {
  const decrypter = decrypterFor(header, opening);
  try {
    return await decrypter.decrypt(source);
  } catch (cause) {
    const isForOthers = cause instanceof Error && cause.message.startsWith('no identity matched');
    if (isForOthers && header.encryption === 'age') throw noIdentity(opening.identities.length);
    throw damaged('it cannot be decrypted', cause);
  }
};
