import { readFileSync } from 'node:fs';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, troubleOf } from '../failure.ts';

/** The input is wrong, because of another error, which is kept and not shown. */
export const refused = (detail: string, cause: unknown): CliFailure =>
  new CliFailure(exitCodes.usage, detail, { cause });

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a file, which must be UTF-8: a byte that is none would become another character without a word. */
export const decodeText = (bytes: Uint8Array, name: string): string => {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw refused(`${name} is not valid UTF-8. Convert it first (iconv -f … -t UTF-8).`, cause);
  }
};

export const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);

export const readBytes = (path: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw refused(`${path} cannot be read: ${troubleOf(cause) ?? 'reading failed'}.`, cause);
  }
};
