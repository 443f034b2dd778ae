import type { JsonObject } from '../../core/json.ts';
import { secretNamePattern } from '../../core/names.ts';
import type { Exposure, SecretType } from '../../core/secret-types.ts';

/** One secret of a file, with a name that is valid in Keyhold. */
export interface Item {
  /** What the file calls it, for messages. */
  readonly source: string;
  readonly name: string;
  readonly value: string;
  readonly type: SecretType;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** In UTC where the file gives no zone; null for never. */
  readonly expiresAt: Date | null;
  readonly metadata: JsonObject;
  readonly exposure: Exposure;
  /** The old store's chat that it belongs to; null for a general secret. */
  readonly chatId: string | null;
}

/** A secret of the file that is not imported, and why. */
export interface Skipped {
  readonly source: string;
  readonly reason: string;
}

export interface Contents {
  readonly items: readonly Item[];
  readonly skipped: readonly Skipped[];
}

export const emptyReason = 'its value is empty';

/** Defaults of the fields that a file may leave out. */
export const itemDefaults = {
  type: 'other',
  description: null,
  tags: [],
  expiresAt: null,
  metadata: {},
  exposure: 'reveal',
  chatId: null,
} as const satisfies Partial<Item>;

/** A valid name, with the original in the metadata where it had to be changed. */
export const toValidName = (original: string): { name: string; metadata: JsonObject } => {
  if (secretNamePattern.test(original)) return { name: original, metadata: {} };
  const name = original
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '_')
    .slice(0, 256);
  const kept = original.toWellFormed().replaceAll('\0', '\ufffd');
  return { name: /[A-Za-z0-9]/.test(name) ? name : 'secret', metadata: { original_name: kept } };
};
