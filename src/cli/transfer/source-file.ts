import { readFileSync } from 'node:fs';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, systemErrorText } from '../failure.ts';

/** A usage failure with its cause, which is not shown. */
export const invalidInput = (detail: string, cause: unknown): CliFailure =>
  new CliFailure(exitCodes.usage, detail, { cause });

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8. Throws usage for invalid bytes, which would otherwise silently become another character. */
export const decodeText = (bytes: Uint8Array, name: string): string => {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw invalidInput(`${name} is not valid UTF-8. Convert it first, for example with iconv -f … -t UTF-8.`, cause);
  }
};

/** The text without a byte order mark. */
export const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);

/** The content of a file. Throws usage. */
export const readBytes = (path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw invalidInput(`${path} cannot be read: ${systemErrorText(cause) ?? 'reading failed'}.`, cause);
  }
};
