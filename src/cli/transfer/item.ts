import type { JsonObject } from '../../core/json.ts';
import { secretNamePattern } from '../../core/names.ts';
import type { Exposure, SecretType } from '../../core/secret-types.ts';

/** One secret as a file holds it, its name already one that Keyhold takes. */
export interface Item {
  /** What the file calls it, for sentences to people. */
  readonly source: string;
  readonly name: string;
  readonly value: string;
  readonly type: SecretType;
  readonly description: string | null;
  readonly tags: readonly string[];
  /** As in the file, read as UTC where it names no zone; null for never. */
  readonly expiresAt: Date | null;
  readonly metadata: JsonObject;
  readonly exposure: Exposure;
  /** The chat of the old store that it belongs to; null for its owner alone. */
  readonly chatId: string | null;
}

/** What was read and is not to be imported, and why. */
export interface Skipped {
  readonly source: string;
  readonly reason: string;
}

export interface Contents {
  readonly items: readonly Item[];
  readonly skipped: readonly Skipped[];
}

export const emptyReason = 'its value is empty, and Keyhold keeps no empty values';

/** The fields that a file may leave out. */
export const plainItem = {
  type: 'other',
  description: null,
  tags: [],
  expiresAt: null,
  metadata: {},
  exposure: 'reveal',
  chatId: null,
} as const satisfies Partial<Item>;

/** A name that fits, and where it had to be changed the original for the metadata. */
export const fittingName = (original: string): { name: string; metadata: JsonObject } => {
  if (secretNamePattern.test(original)) return { name: original, metadata: {} };
  const name = original
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '_')
    .slice(0, 256);
  const kept = original.toWellFormed().replaceAll('\0', '\ufffd');
  return { name: /[A-Za-z0-9]/.test(name) ? name : 'secret', metadata: { original_name: kept } };
};
